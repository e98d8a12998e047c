"""Where every parcel is, and how it got there: the chain of custody as the ledger's facts tell it."""
