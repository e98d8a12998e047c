"""A scanner that sends each code as one framed line, as USB-CDC and RS-232 scanners do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firmware_sim.chance import chance
from firmware_sim.device import Chunk, Device
from firmware_sim.faults import FaultPlan, in_pieces
from firmware_sim.hand import Habit, Hand, Scan
from firmware_sim.journal import Journal
from firmware_sim.physics.codes import Code
from firmware_sim.signals import Signal, SignalLines

STX, ETX = b"\x02", b"\x03"
SUFFIXES = {"cr": b"\r", "lf": b"\n", "crlf": b"\r\n", "tab": b"\t", "eot": b"\x04", "none": b""}

# Pauses between the pieces of a split frame; without a terminator they stay below any idle gap.
SPLIT_MS = (20, 150)
SPLIT_UNTERMINATED_MS = (2, 10)
# A frame held back for merging goes out alone when no other follows in this time.
MERGE_WAIT_MS = 5_000


@dataclass(frozen=True, slots=True)
class Framing:
    """What a scanner puts around the data: ``[STX][preamble][AIM id] DATA [ETX][suffix]``."""

    stx: bool = False
    preamble: bytes = b""
    aim: bool = True
    """Whether the AIM symbology identifier (ISO/IEC 15424) comes before the data."""
    etx: bool = False
    suffix: bytes = b"\r"

    def frame(self, data: bytes, aim: str) -> bytes:
        """Return the bytes of one scan."""
        head = (STX if self.stx else b"") + self.preamble + (aim.encode() if self.aim else b"")
        return head + data + (ETX if self.etx else b"") + self.suffix


class LineScanner(Device):
    """A hand with a line scanner; signals that come back on its own line are journaled.

    Frames are merged only by a hand that does not wait for feedback: one that does has one in flight.
    """

    def __init__(
        self,
        codes: Iterator[tuple[int, Code]],
        journal: Journal,
        *,
        seed: int = 0,
        framing: Framing | None = None,
        habit: Habit | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        """Take a stream of codes in hand.

        Args:
            codes: Numbered codes, such as ``code_stream(seed)``.
            journal: Where each code and signal is recorded.
            seed: Decides pace and faults.
            framing: What goes around the data.
            habit: Pace, waiting and number of scans.
            faults: Which of ``SCANNER_FAULTS`` happen; ``unplug`` is the host's to do.
        """
        self._framing = framing or Framing()
        self._faults = faults or FaultPlan()
        self.hand = Hand(codes, journal, habit or Habit(), self._faults, seed)
        self._merges = self._faults.merge > 0 and self.hand.habit.wait_feedback_ms is None
        self._wire = chance(seed, "wire")
        self._lines = SignalLines()
        self._held = Chunk(0, b"")

    def due_ms(self) -> int | None:
        """Return when the hand scans next, or a held frame must go."""
        due_ms = self.hand.due_ms()
        if not self._held.data:
            return due_ms
        return self._held.at_ms if due_ms is None else min(due_ms, self._held.at_ms)

    def wake(self, now_ms: int) -> Sequence[Chunk]:
        """Scan the next code if it is time."""
        scan = self.hand.draw(now_ms)
        if scan is not None:
            return self._frame(scan, now_ms)
        return self._release(now_ms) if self._held.data and now_ms >= self._held.at_ms else ()

    def receive(self, data: bytes, now_ms: int) -> Sequence[Chunk]:
        """Take signals sent to the scanner's own line; anything else a scanner ignores."""
        for line in self._lines.feed(data):
            if isinstance(line, Signal):
                self.hand.signal(line, now_ms)
        return ()

    def opened(self, now_ms: int) -> None:
        """Start scanning."""
        self.hand.opened(now_ms)

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:
        """Stop scanning; a held frame is lost with the line."""
        self.hand.closed(now_ms, unplugged=unplugged, unsent=[*unsent, self._held])
        self._held = Chunk(0, b"")
        self._lines = SignalLines()

    def _frame(self, scan: Scan, now_ms: int) -> Sequence[Chunk]:
        frame = self._framing.frame(scan.wire, scan.code.aim)
        merges, splits = self._wire.random() < self._faults.merge, self._wire.random() < self._faults.split
        if self._held.data:
            both = Chunk(now_ms, self._held.data + frame, (*self._held.codes, scan.number))
            self._held = Chunk(0, b"")
            return (both,)
        if merges and self._merges and not self.hand.is_done:
            self._held = Chunk(now_ms + MERGE_WAIT_MS, frame, (scan.number,))
            return ()
        if not splits:
            return (Chunk(now_ms, frame, (scan.number,)),)
        pause_ms = SPLIT_MS if self._framing.suffix else SPLIT_UNTERMINATED_MS
        chunks, at_ms = [], now_ms
        for piece in in_pieces(frame, self._wire):
            chunks.append(Chunk(at_ms, piece, (scan.number,)))
            at_ms += self._wire.randint(*pause_ms)
        return chunks

    def _release(self, now_ms: int) -> Sequence[Chunk]:
        held, self._held = self._held, Chunk(0, b"")
        return (Chunk(now_ms, held.data, held.codes),)
