# ruff: noqa: ARG002 - all decoders have one interface; this one needs the time only where bytes come
"""Scanners that send each code as a line, over USB-CDC or RS-232.

Framing met in the field: `[STX] [preamble] [AIM id] DATA [postamble] [ETX] [CR | LF | CRLF | TAB | EOT | nothing]`.
Everything is bytes: GS (0x1D) separates GS1 elements and is data, as is any other control character.
"""

import re

from agent.config import ScannerLineConfig
from agent.drivers.decoder import Decoder
from agent.drivers.frames import Code, Outcome, Reason, Rejection, reject
from agent.drivers.framing import AIM_BYTES, ANY_LINE_END, Delimited, to_code
from agent.drivers.sink import Signal, line_of
from contract.limits import MAX_CODE_BYTES

# Without a suffix: bytes of one code follow each other within a millisecond, USB delivers them in steps of up to 16 ms.
END_GAP_S = 0.05
# With a suffix: no scanner pauses this long inside a code, and no hand scans faster.
BROKEN_GAP_S = 1.0
# Fewer stray bytes than any code has are line noise that no person caused.
SHORTEST_SCAN_BYTES = 3
FIRST_PRINTABLE = 0x20


class LineScanner(Decoder):
    """Decoder of `scanner_line`."""

    def __init__(self, config: ScannerLineConfig) -> None:
        self._prefix = config.prefix.encode("ascii")
        self._aim = config.aim
        self._feedback = config.feedback
        suffix = config.suffix_bytes
        self._ends_by_gap = suffix == b""
        default_gap_s = END_GAP_S if self._ends_by_gap else BROKEN_GAP_S
        self._gap_s = config.idle_gap_ms / 1000 if config.idle_gap_ms else default_gap_s
        limit = len(self._prefix) + AIM_BYTES + MAX_CODE_BYTES
        if suffix is None:
            self._lines = Delimited(ANY_LINE_END, limit)
        elif suffix:
            self._lines = Delimited(re.compile(re.escape(suffix)), limit, len(suffix))
        else:
            self._lines = Delimited(None, limit)
        self._last_s = 0.0

    def opened(self, now_s: float) -> list[Outcome]:
        """A new line: a code begun before the cable was pulled will not go on."""
        return self._broken(self._lines.take())

    def feed(self, data: bytes, now_s: float) -> list[Outcome]:
        """Take bytes and give the codes they complete."""
        self._last_s = now_s
        out: list[Outcome] = []
        for frame in self._lines.push(data):
            out += [frame] if isinstance(frame, Rejection) else self._code(frame)
        return out

    def next_deadline(self) -> float | None:
        """The end of the longest pause that a begun code may have."""
        return self._last_s + self._gap_s if self._lines.pending else None

    def idle(self, now_s: float) -> list[Outcome]:
        """Silence: the end of a code, or of the hope for its rest."""
        rest = self._lines.take()
        return self._code(rest) if self._ends_by_gap and rest else self._broken(rest)

    def answer(self, signal: Signal, now_s: float) -> bytes:
        """The signal as a line, where the scanner is configured to take it."""
        return line_of(signal) if self._feedback else b""

    def _broken(self, rest: bytes) -> list[Outcome]:
        if not rest:
            return []
        if len(rest) < SHORTEST_SCAN_BYTES:
            return [reject(Reason.NOISE, rest)]
        return [reject(Reason.UNFINISHED, rest, scan=True)]

    def _code(self, frame: bytes) -> list[Outcome]:
        out: list[Outcome] = []
        if self._prefix:
            before, found, frame = frame.partition(self._prefix)
            if not found:
                return [reject(Reason.NOISE, before)]
            if before:
                out.append(reject(Reason.NOISE, before))
            # A control character at the head cannot be text of a second code: an end was lost between two.
            if self._prefix[0] < FIRST_PRINTABLE and self._prefix in frame:
                return [*out, reject(Reason.MERGED, frame, scan=True)]
        code: Code | Rejection = to_code(frame, self._aim)
        return [*out, code]
