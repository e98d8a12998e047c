"""What every decoder is."""

from abc import ABC, abstractmethod

from agent.drivers.frames import Outcome
from agent.drivers.sink import Signal


class Decoder(ABC):
    """Turns the bytes of one line into outcomes. Holds no clock: the caller says what time it is, in monotonic seconds."""

    @abstractmethod
    def opened(self, now_s: float) -> list[Outcome]:
        """The line was opened (again): forget what was half received."""

    @abstractmethod
    def feed(self, data: bytes, now_s: float) -> list[Outcome]:
        """Take bytes, in pieces of any size."""

    @abstractmethod
    def next_deadline(self) -> float | None:
        """When `idle` wants to be called if nothing is received before."""

    @abstractmethod
    def idle(self, now_s: float) -> list[Outcome]:
        """The deadline passed and no byte was waiting."""

    def answer(self, signal: Signal, now_s: float) -> bytes:  # noqa: ARG002 most lines have no way back
        """What to write for the oldest unanswered code once `signal` is known; empty where the line has no way back."""
        return b""
