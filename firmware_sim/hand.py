"""The hand with the scanner: which code comes when, and what became of it, in the journal.

A person scans at a pace; a careful one waits for the feedback before the next scan. Only the careful one
can say what was confirmed: with ``wait_feedback_ms`` one code is in flight at a time, and a signal that
comes meanwhile belongs to that code. The wait must therefore be longer than the device under test ever
takes to answer.

Journal records (beside ``t_ms``):

- ``n sent aim intact``: code ``n`` goes out; ``sent`` is its data in hex. ``card`` marks configuration
  cards. Where a fault harmed it, ``intact`` is false, ``harm`` names the faults and ``wire`` is the data
  that really went out.
- ``feedback``: a signal came; with ``beeped`` the number of the code it confirmed as kept, or with
  ``refused`` the number of the code it refused.
- ``unanswered``: the code for which no signal came in time.
- ``event`` ``closed`` or ``unplugged``: the line went away; ``doubtful`` lists the codes sent so shortly
  before that they may not have been read.
- ``event`` ``opened``, and ``done`` when all codes asked for were sent.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from firmware_sim.chance import chance
from firmware_sim.device import Chunk
from firmware_sim.faults import FaultPlan, with_noise
from firmware_sim.journal import Journal
from firmware_sim.physics.codes import GS, Code
from firmware_sim.signals import Signal

# A code written this long before the line went away may still have been in the reader's buffers.
DOUBT_MS = 1_000
# People are no metronomes.
PACE_JITTER = (0.7, 1.3)


@dataclass(frozen=True, slots=True)
class Habit:
    """How a person scans."""

    rate_hz: float = 1.0
    """Scans per second on average, at most."""
    wait_feedback_ms: int | None = None
    """How long to wait for a signal before the next scan; None: not at all."""
    count: int | None = None
    """How many codes to scan in all; None: for ever."""


@dataclass(frozen=True, slots=True)
class Scan:
    """One code on its way out, with what faults made of its data."""

    number: int
    code: Code
    wire: bytes
    """The data as it will be sent."""


@dataclass(slots=True)
class Hand:
    """Draws codes at a person's pace and keeps the journal; the scanner around it makes the bytes."""

    codes: Iterator[tuple[int, Code]]
    journal: Journal
    habit: Habit = field(default_factory=Habit)
    faults: FaultPlan = field(default_factory=FaultPlan)
    seed: int = 0
    """Of pace and faults; the codes bring their own."""

    pending: int | None = field(default=None, init=False)
    """The number of the code whose signal is being waited for."""
    _next_ms: int | None = field(default=None, init=False)
    _give_up_ms: int | None = field(default=None, init=False)
    _sent: int = field(default=0, init=False)
    _ran_out: bool = field(default=False, init=False)
    _recent: deque[tuple[int, int]] = field(default_factory=deque, init=False)
    _pace: Random = field(init=False)
    _harm: Random = field(init=False)

    def __post_init__(self) -> None:
        self._pace = chance(self.seed, "pace")
        self._harm = chance(self.seed, "harm")

    def opened(self, now_ms: int) -> None:
        """Pick the scanner up: somebody listens now."""
        self.journal.write(now_ms, event="opened")
        if not self.is_done:
            self._next_ms = now_ms

    def closed(self, now_ms: int, *, unplugged: bool, unsent: Sequence[Chunk]) -> None:
        """Put the scanner down, and say which codes may not have arrived."""
        self._forget_old(now_ms)
        doubtful = {number for _, number in self._recent}
        doubtful.update(number for chunk in unsent for number in chunk.codes)
        self._give_up(now_ms)
        self._next_ms = None
        self._recent.clear()
        event = "unplugged" if unplugged else "closed"
        self.journal.write(now_ms, event=event, doubtful=sorted(doubtful))

    @property
    def is_done(self) -> bool:
        """Whether all codes there are, or all that were asked for, were drawn."""
        return self._ran_out or (self.habit.count is not None and self._sent >= self.habit.count)

    def due_ms(self) -> int | None:
        """Return when ``draw`` has something to do."""
        return self._give_up_ms if self.pending is not None else self._next_ms

    def draw(self, now_ms: int) -> Scan | None:
        """Return the next scan if it is time for one, journaled as sent."""
        self.expire(now_ms)
        if self.pending is not None or self._next_ms is None or now_ms < self._next_ms:
            return None
        number, code = next(self.codes, (0, None))
        if code is None:
            self._ran_out = True
            self._finish(now_ms)
            return None
        self._sent += 1
        self._next_ms = now_ms + int(1000 / self.habit.rate_hz * self._pace.uniform(*PACE_JITTER))
        scan = self._harmed(number, code, now_ms)
        self._forget_old(now_ms)
        self._recent.append((now_ms, number))
        if self.habit.wait_feedback_ms is not None:
            self.pending = number
            self._give_up_ms = now_ms + self.habit.wait_feedback_ms
        elif self.is_done:
            self._finish(now_ms)
        return scan

    def expire(self, now_ms: int) -> None:
        """Stop waiting for a signal that is overdue."""
        if self._give_up_ms is not None and now_ms >= self._give_up_ms:
            self._give_up(now_ms)

    def signal(self, signal: Signal, now_ms: int) -> None:
        """Take the device's signal, and tie it to the code in flight when one is waited for."""
        if self.pending is None:
            self.journal.write(now_ms, feedback=signal.value)
            return
        tie = {"beeped" if signal.is_kept else "refused": self.pending}
        self.journal.write(now_ms, feedback=signal.value, **tie)
        self._recent = deque(entry for entry in self._recent if entry[1] != self.pending)
        self._settle(now_ms)

    def _harmed(self, number: int, code: Code, now_ms: int) -> Scan:
        wire, harm = code.data, []
        if self._harm.random() < self.faults.drop_gs and GS in wire:
            wire = wire.replace(GS, b"")
            harm.append("drop_gs")
        if self._harm.random() < self.faults.noise:
            wire = with_noise(wire, self._harm)
            harm.append("noise")
        record: dict[str, str | bool | list[str]] = {"sent": code.data.hex(), "aim": code.aim, "intact": not harm}
        if harm:
            record |= {"harm": harm, "wire": wire.hex()}
        if code.is_card:
            record |= {"card": True}
        self.journal.write(now_ms, n=number, **record)
        return Scan(number, code, wire)

    def _give_up(self, now_ms: int) -> None:
        if self.pending is not None:
            self.journal.write(now_ms, unanswered=self.pending)
            self._settle(now_ms)

    def _settle(self, now_ms: int) -> None:
        self.pending = None
        self._give_up_ms = None
        if self.is_done:
            self._finish(now_ms)

    def _finish(self, now_ms: int) -> None:
        self._next_ms = None
        self.journal.write(now_ms, event="done", sent_codes=self._sent)

    def _forget_old(self, now_ms: int) -> None:
        while self._recent and self._recent[0][0] < now_ms - DOUBT_MS:
            self._recent.popleft()
