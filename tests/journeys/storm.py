"""Programs that die again and again: at the places they are told, or at any moment."""

import random
import signal
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from firmware_sim.processes import ProcessFailed, Program
from tests.journeys.world import PATIENCE_S, Site, kill_at

TRAPPED = 0.75
"""Share of lives that have a trap, as long as there are traps left."""
TRAP_PATIENCE = 3
"""How much longer a life with a trap may last before it ends in another way."""


@dataclass(frozen=True, slots=True)
class Trap:
    """A fault point, and how many passages before the last one at most."""

    point: str
    passages: int


@dataclass
class Deaths:
    """Who died of what: evidence, not intention."""

    at_points: Counter[str] = field(default_factory=Counter)
    """Programs that ended by SIGKILL, by themselves, with this trap set."""
    at_any_moment: Counter[str] = field(default_factory=Counter)
    """Kills from outside, by program."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.at_points.total() + self.at_any_moment.total()


class Victim:
    """One program in the storm. `traps` are set one a life; one that did not spring comes again."""

    def __init__(
        self, program: Program, traps: Sequence[Trap], life_s: tuple[float, float], deaths: Deaths, seed: int
    ) -> None:
        self.program = program
        self.breaks_ms: list[int] = []
        self._traps = deque(traps)
        self._life_s = life_s
        self._deaths = deaths
        self._random = random.Random(seed)
        self._trap: Trap | None = None
        self._dies_at_s: float | None = None
        self._born_s = 0.0

    @property
    def traps_left(self) -> int:
        """Traps that did not spring yet."""
        return len(self._traps) + (self._trap is not None)

    def live(self) -> None:
        """Start a new life, mostly with the next trap."""
        self._trap = self._traps.popleft() if self._traps and self._random.random() < TRAPPED else None
        self._dies_at_s = None
        self._born_s = time.monotonic()
        self.program.env = (
            {} if self._trap is None else kill_at(self._trap.point, self._random.randint(1, self._trap.passages))
        )
        self.program.start()

    def look(self) -> None:
        """See whether it died, and kill it when its time has come."""
        status = self.program.exit_status
        if status is not None:
            self._died(status)
            return
        now_s = time.monotonic()
        if self._dies_at_s is None:
            assert now_s - self._born_s < PATIENCE_S, f"{self.program.name} is not ready: {self.program.last_words()}"
            if self._is_ready():
                patience = 1 if self._trap is None else TRAP_PATIENCE
                self._dies_at_s = now_s + patience * self._random.uniform(*self._life_s)
        elif now_s >= self._dies_at_s:
            self.kill()
            self.live()

    def kill(self) -> None:
        """Kill it now."""
        if self.program.exit_status is not None:
            self._died(self.program.exit_status)
            self.program.kill()
            return
        self.program.kill()
        self.breaks_ms.append(time.time_ns() // 1_000_000)
        self._deaths.at_any_moment[self.program.name] += 1
        if self._trap is not None:
            self._traps.append(self._trap)
            self._trap = None

    def calm(self) -> None:
        """Run on without traps."""
        if self._trap is not None or self.program.exit_status is not None:
            self.kill()
            self._traps.clear()
            self.program.env = {}
            self.program.start()

    def _died(self, status: int) -> None:
        words = f"{self.program.name} ended with {status}: {self.program.last_words()}"
        assert status == -signal.SIGKILL, words
        assert self._trap is not None, words
        self.breaks_ms.append(time.time_ns() // 1_000_000)
        self._deaths.at_points[self._trap.point] += 1
        self._trap = None
        self.live()

    def _is_ready(self) -> bool:
        try:
            return self.program.poll_ready()
        except ProcessFailed:
            # It died in this very moment, which the next look sees.
            return False


class BrokerVictim:
    """The broker, killed at any moment behind the hub's back; it is started again by the hub, or by us in an init's place."""

    def __init__(self, site: Site, every_s: tuple[float, float], deaths: Deaths, seed: int) -> None:
        self._site = site
        self._every_s = every_s
        self._deaths = deaths
        self._random = random.Random(seed)
        self._dies_at_s = time.monotonic() + self._random.uniform(*every_s)

    def look(self) -> None:
        """Kill it when its time has come; the hub starts it again."""
        # A hub whose broker does not come up at the start ends with a sentence, which is another story.
        if time.monotonic() < self._dies_at_s or not self._site.hub.ready:
            return
        if not self._site.kill_broker():
            return
        self._deaths.at_any_moment["broker"] += 1
        self._dies_at_s = time.monotonic() + self._random.uniform(*self._every_s)
