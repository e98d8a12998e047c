"""What can go wrong in a simulator.

SimulatorError        the simulated device cannot be set up or kept going: exit 1
└── JournalError      the record of what was sent cannot be written, so nothing more may be sent
"""


class SimulatorError(Exception):
    """The simulated device cannot go on; the message is one sentence for the person who started it."""


class JournalError(SimulatorError):
    """The journal cannot be written: a code that is not journaled must not be sent."""
