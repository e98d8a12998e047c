"""Virtual time: one queue of events, one seed, one trace. Nothing here knows what is simulated."""

import heapq
import random
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

EPOCH_MS = 1_750_000_000_000
"""True UTC when a run begins; after the earliest time that the hub's dating believes in."""
MOST_EVENTS = 50_000
"""A hundred times what a run needs: beyond it something breeds messages."""


class Violation(AssertionError):
    """A promise was broken."""


class World:
    """The clock on the wall, what happens next, and the log of what happened."""

    def __init__(self, seed: int, *, telling: bool = False) -> None:
        self.seed = seed
        self.now_ms = 0
        self.events = 0
        self.effects: Counter[str] = Counter()
        """How often each kind of fault really changed something."""
        self.told: list[str] = []
        self._telling = telling
        self._queue: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._pushed = 0
        self._trace = sha256()

    @property
    def utc_ms(self) -> int:
        """True time."""
        return EPOCH_MS + self.now_ms

    def random(self, name: str) -> random.Random:
        """Chance that belongs to one part of the world, so that parts do not shift each other's."""
        return random.Random(f"{self.seed}/{name}")

    def after(self, delay_ms: int, act: Callable[..., None], *arguments: object) -> None:
        """Let something happen later."""
        self._pushed += 1
        heapq.heappush(self._queue, (self.now_ms + delay_ms, self._pushed, act, arguments))

    def run_until(self, at_ms: int) -> None:
        """Let everything happen that is due until then."""
        queue = self._queue
        while queue and queue[0][0] <= at_ms:
            self.now_ms, _, act, arguments = heapq.heappop(queue)
            self.events += 1
            if self.events > MOST_EVENTS:
                raise Violation(f"liveness: {MOST_EVENTS} events, and still no rest")
            act(*arguments)
        self.now_ms = at_ms

    def skip(self, by_ms: int) -> None:
        """Let time pass in which nothing happens: all that was due is due as much later."""
        self._queue = [(at_ms + by_ms, n, act, arguments) for at_ms, n, act, arguments in self._queue]
        self.now_ms += by_ms

    def trace(self, where: str, what: bytes) -> None:
        """Add to the fingerprint of this run."""
        self._trace.update(b"%d %s " % (self.now_ms, where.encode()))
        self._trace.update(what)

    @property
    def fingerprint(self) -> str:
        """Equal for two runs that did the same."""
        return self._trace.hexdigest()

    def tell(self, *words: object) -> None:
        """One line of the story; costs nothing while nobody listens."""
        if self._telling:
            seconds, ms = divmod(self.now_ms, 1000)
            self.told.append(f"{seconds // 60:3d}:{seconds % 60:02d}.{ms:03d}  " + "".join(map(str, words)))

    def took_effect(self, kind: str) -> None:
        """A fault of this kind changed something."""
        self.effects[kind] += 1


def short(identity: bytes) -> str:
    """A hash in a story."""
    return identity.hex()[:8]
