"""A serial lamp and buzzer: takes one line per signal from the device under test, and journals it."""

from collections.abc import Callable, Sequence

from firmware_sim.device import Chunk, Device
from firmware_sim.journal import Journal
from firmware_sim.signals import Signal, SignalLines


class FeedbackPort(Device):
    """Hears signals; whoever scans may listen in, so that each is tied to a code."""

    settle_ms = 0

    def __init__(self, journal: Journal, listener: Callable[[Signal, int], None] | None = None) -> None:
        """Start silent.

        Args:
            journal: Where lines are recorded that nobody else takes.
            listener: Takes each signal and its time in place of the journal, such as ``Hand.signal``.
        """
        self._journal = journal
        self._listener = listener
        self._lines = SignalLines()

    def due_ms(self) -> int | None:
        """Return None: a lamp does nothing by itself."""
        return None

    def wake(self, now_ms: int) -> Sequence[Chunk]:  # noqa: ARG002 a lamp has no schedule
        """Do nothing."""
        return ()

    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:
        """Journal each line: a signal as ``feedback``, anything else as ``unknown`` in hex."""
        for line in self._lines.feed(data):
            if not isinstance(line, Signal):
                self._journal.write(now_ms, unknown=line.hex())
            elif self._listener is not None:
                self._listener(line, now_ms)
            else:
                self._journal.write(now_ms, feedback=line.value)
        return ()

    def opened(self, now_ms: int) -> None:
        """Journal that somebody took the port."""
        self._journal.write(now_ms, event="feedback_opened")

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:  # noqa: ARG002 it sends nothing
        """Journal that the port went away."""
        self._journal.write(now_ms, event="feedback_unplugged" if unplugged else "feedback_closed")
        self._lines = SignalLines()
