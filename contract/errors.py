"""The contract's errors, one class for each different reaction.

ContractError
├── Malformed           bytes that do not say what they should: quarantine or refuse them, keep the raw bytes
│   └── TooLarge        beyond a named limit: refused before memory is spent
├── NotAuthentic        the MAC is not this device's: drop, count, tell the operator
├── IllegalTransition   an event that the state has no rule for: our own fault or a stale message; nothing changed
├── BadName             an id that the grammar refuses: tell the person who chose it
└── ProfileUnusable     a temperature profile that says nothing that can be judged by: tell the person who wrote it
"""


class ContractError(Exception):
    """Base of all errors that the contract raises."""


class Malformed(ContractError):
    """Bytes or values that break the format."""


class TooLarge(Malformed):
    """A size beyond one of the constants in `contract.limits`."""


class NotAuthentic(ContractError):
    """A statement whose MAC does not fit its device and body."""


class IllegalTransition(ContractError):
    """A (state, event) pair without a rule; the state is as before."""


class BadName(ContractError):
    """A device id, sensor id or topic that does not follow the grammar."""


class ProfileUnusable(ContractError):
    """A temperature profile that cannot be read, or whose limits contradict each other; the message says what to do."""
