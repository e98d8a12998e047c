"""What every simulated device is: bytes in, timed bytes out, and no I/O of its own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

# pyserial throws away what arrived before and shortly after it opens a port.
TALKER_SETTLE_MS = 200


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes to put on the line at a given time; the line keeps their order."""

    at_ms: int
    data: bytes
    codes: tuple[int, ...] = ()
    """The numbers of the codes these bytes belong to, for the journal."""


class Device(ABC):
    """A simulated device, driven from outside: whoever hosts it owns the line and the clock.

    All times are epoch milliseconds. The line tells when a host program opens and closes it, because a
    device must not talk before anyone listens: opening a serial port throws away what came earlier.
    """

    settle_ms: ClassVar[int] = TALKER_SETTLE_MS
    """How long after it was opened the line is left alone; 0 for devices that only answer."""

    @abstractmethod
    def due_ms(self) -> int | None:
        """Return when ``wake`` has something to do, or None while only the host can cause anything."""

    @abstractmethod
    def wake(self, now_ms: int) -> Sequence[Chunk]:
        """Do what is due and return what goes out."""

    @abstractmethod
    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:
        """Take bytes from the host, in whatever pieces they came, and return what goes out."""

    @abstractmethod
    def opened(self, now_ms: int) -> None:
        """A host program has opened the line."""

    @abstractmethod
    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:
        """The host program is gone, or the cable was pulled; ``unsent`` will never go out."""
