"""The centre: broker, ledger, projections, and the displays made from them."""
