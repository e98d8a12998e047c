"""What the device under test tells the person who scanned, and how it is written on a serial line."""

from enum import StrEnum

# A line of feedback is one short word; anything longer is no feedback.
MAX_LINE_BYTES = 64


class Signal(StrEnum):
    """One feedback per scan, as an ASCII line ending in CR LF."""

    KEPT = "KEPT"
    """Kept, and as the plan expected."""
    UNEXPECTED = "UNEXPECTED"
    """Kept, but not expected here."""
    DUPLICATE = "DUPLICATE"
    """Already kept a moment ago; no second fact was made."""
    REFUSED = "REFUSED"
    """Not kept."""

    @property
    def is_kept(self) -> bool:
        """Whether the person may take the scan for kept."""
        return self is not Signal.REFUSED


class SignalLines:
    """Decodes feedback lines out of bytes in any pieces; what is no signal is handed back as text."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Signal | bytes]:
        """Take bytes and return the lines they complete: a signal each, or the line as it came."""
        *lines, rest = (self._buffer + data).replace(b"\r", b"\n").split(b"\n")
        self._buffer = rest[-MAX_LINE_BYTES:]
        return [_signal(line) for line in lines if line]


def _signal(line: bytes) -> Signal | bytes:
    try:
        return Signal(line.decode("ascii"))
    except ValueError:
        return line
