"""Cutting bytes into frames at a delimiter, within bounded memory."""

import re
from collections.abc import Iterator

from agent.drivers.frames import Code, Reason, Rejection, reject
from contract.identity import split_aim
from contract.limits import MAX_CODE_BYTES

# Work on small pieces, so that the buffer stays small however much comes at once.
_PIECE_BYTES = 1024

AIM_BYTES = 3

ANY_LINE_END = re.compile(rb"[\r\n]")


class Delimited:
    """Frames between delimiters. A frame beyond `limit` is rejected once and skipped up to its delimiter."""

    def __init__(self, delimiter: re.Pattern[bytes] | None, limit: int, delimiter_bytes: int = 1) -> None:
        self._delimiter = delimiter
        self._limit = limit
        self._overlap = delimiter_bytes - 1
        self._buffer = bytearray()
        self._skipping = False

    @property
    def pending(self) -> bool:
        """Whether a frame was begun."""
        return bool(self._buffer) or self._skipping

    def push(self, data: bytes) -> Iterator[bytes | Rejection]:
        """Take bytes and give the frames they complete; empty ones are left out."""
        for start in range(0, len(data), _PIECE_BYTES):
            self._buffer += data[start : start + _PIECE_BYTES]
            yield from self._cut()

    def take(self) -> bytes:
        """Give up waiting: what was begun, or nothing if it was already rejected."""
        rest = b"" if self._skipping else bytes(self._buffer)
        self._buffer.clear()
        self._skipping = False
        return rest

    def _cut(self) -> Iterator[bytes | Rejection]:
        while self._delimiter and (end := self._delimiter.search(self._buffer)):
            frame = bytes(self._buffer[: end.start()])
            del self._buffer[: end.end()]
            skipped, self._skipping = self._skipping, False
            if skipped or not frame:
                continue
            yield frame if len(frame) <= self._limit else reject(Reason.TOO_LONG, frame, scan=True)
        if len(self._buffer) > self._limit + self._overlap:
            if not self._skipping:
                yield reject(Reason.TOO_LONG, self._buffer, scan=True)
            self._skipping = True
            del self._buffer[: len(self._buffer) - self._overlap]


def to_code(data: bytes, sends_aim: bool | None) -> Code | Rejection:
    """Split the AIM symbology identifier off.

    Args:
        data: what the scanner sent, without its framing.
        sends_aim: whether it is configured to send the identifier; None: take it off where it is there.
    """
    aim, raw = (None, data) if sends_aim is False else split_aim(data)
    if sends_aim and aim is None:
        return reject(Reason.NO_AIM, data, scan=True)
    if len(raw) > MAX_CODE_BYTES:
        return reject(Reason.TOO_LONG, data, scan=True)
    if not raw:
        return reject(Reason.NOISE, data)
    return Code(raw, aim or "")
