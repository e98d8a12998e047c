"""The hub's own errors, one class for each different reaction.

HubError
├── Refused         a person asked for what cannot be done: one plain sentence on stderr, exit code 1
│   └── FolderInUse another hub process writes here: ask it over its socket, or wait until it is ready
├── UnsafeStorage   settings or files that could lose committed facts: the hub does not start
├── CommitFailed    a commit did not say that it is done: the process ends, devices send again
└── ProjectionError one fact that a projection cannot fold: that fact goes to quarantine, the rest goes on
"""


class HubError(Exception):
    """Base of all errors that the hub raises on purpose."""


class Refused(HubError):
    """What was asked cannot be done; the message says what to do instead."""


class FolderInUse(Refused):
    """Another hub process has the data folder."""


class UnsafeStorage(HubError):
    """Storage that could lose what was acknowledged."""


class CommitFailed(HubError):
    """A commit whose result is unknown; the handle must not be used again."""


class ProjectionError(HubError):
    """A fact that a projection cannot fold.

    Attributes:
        fact_id: identity of the fact to isolate.
        why: one sentence for the operator.
    """

    def __init__(self, fact_id: bytes, why: str) -> None:
        super().__init__(f"fact {fact_id.hex()}: {why}")
        self.fact_id = fact_id
        self.why = why
