"""Temperatures and humidity as the ledger's facts tell them, with how fresh they are."""
