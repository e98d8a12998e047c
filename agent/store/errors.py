"""The store's errors, one class for each different reaction.

StoreError
├── NotKept         this capture is not on disk: tell the person so, in the words of the message
├── FolderInUse     another agent holds the folder: exit
├── FutureSchema    a newer version wrote this database: exit, install that version
└── StoreDamaged    what is stored contradicts itself: call `Outbox.repair`, then hand `Replaced` to the protocol
"""

from enum import StrEnum


class Cause(StrEnum):
    """Why something could not be kept."""

    FULL = "full"
    READ_ONLY = "read_only"
    DAMAGED = "damaged"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    BUSY = "busy"
    NO_MEANS = "no_means"
    """Memory or file handles ran out."""
    BROKEN = "broken"
    """The disk reported that it did not write: nothing that this process believes can be trusted, it must end."""


class StoreError(Exception):
    """Base of all errors that the store raises."""


class NotKept(StoreError):
    """The fact is not on disk. The message is a sentence for the person."""

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(message)
        self.cause = cause


class FolderInUse(StoreError):
    """Another process holds the folder's `writer.lock`."""


class FutureSchema(StoreError):
    """The database was written by a newer version."""


class StoreDamaged(StoreError):
    """Stored rows contradict each other or cannot be read."""
