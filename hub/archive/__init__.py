"""Old facts in sealed files: the ledger keeps their identities and places, the files their exact bytes."""
