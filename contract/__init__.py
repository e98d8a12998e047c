"""What device and hub agree on: facts, codecs, identities and the delivery protocol. Pure: no I/O, no clock, no threads."""
