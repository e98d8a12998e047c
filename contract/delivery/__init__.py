"""The delivery protocol: device and hub as state machines that take inputs and return outputs (`docs/protocol.md`)."""
