"""The ledger: facts and their chains, and how the delivery protocol reads and writes them."""
