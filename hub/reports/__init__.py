"""Reports of a trip or a parcel that prove what they say: content, evidence, seal, print, and the check of all that."""
