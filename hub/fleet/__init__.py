"""The devices: when they were heard, what they still keep, and what is wrong with the delivery of their facts."""
