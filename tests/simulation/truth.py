"""What an all-seeing observer knows: what was promised, where every content lies, and what the hub ever committed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from contract.event import Lane
from tests.simulation.world import Violation, World, short


@dataclass(slots=True)
class Made:
    """A fact that was chained on some disk."""

    device: str
    lane: Lane
    at_ms: int
    """True time of its making, of the virtual clock."""
    places: list[tuple[bytes, int]] = field(default_factory=list)
    """Incarnation and position, for each time it was chained."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What one welcome of the hub said, and what of it was true."""

    safe: frozenset[bytes]
    era: int


class Truth:
    """Collects while the world turns; the checker judges by it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.made: dict[bytes, Made] = {}
        self.kept: set[bytes] = set()
        """Facts of which a person was told that they are kept."""
        self.unfit: set[bytes] = set()
        """Facts that no right program makes."""
        self.blobs: dict[bytes, bytes] = {}
        """Attachments that kept facts name, with the fact."""
        self.gone: dict[bytes, str] = {}
        """Contents that no live disk and no newest backup holds any more, and by what they went."""
        self.unannounced: set[bytes] = set()
        """Those of them that no hub was ever told of."""
        self.announced: Callable[[], set[bytes]] = set
        """Facts that lie on a chain of whose head the hub, as it is now, was told, or that it has."""
        self.era = 0
        """Counts what happened to the hub's disk and its backups: a word of before may be overtaken by it on its way."""
        self.committed: set[bytes] = set()
        """Hashes of all positions that some hub committed."""
        self.issued: dict[bytes, Issued] = {}
        """What welcomes said, by nonce."""
        self.holders: list[Callable[[], set[bytes]]] = []
        """Each tells which contents and attachments one disk or backup holds."""

    def chained(self, device: str, lane: Lane, incarnation: bytes, n: int, identity: bytes) -> None:
        """A disk committed a position."""
        made = self.made.get(identity)
        if made is None:
            made = self.made[identity] = Made(device, lane, self._world.now_ms)
        made.places.append((incarnation, n))

    def held(self) -> set[bytes]:
        """What is held anywhere now."""
        found: set[bytes] = set()
        for holder in self.holders:
            found |= holder()
        return found

    @contextmanager
    def losing(self, why: str) -> Iterator[None]:
        """Around a disaster: what nobody holds any more behind it is lost by it, and by nothing else."""
        before = self.held()
        try:
            yield
        finally:
            # Also where the process dies in it.
            for identity in before - self.held():
                self.gone.setdefault(identity, why)
                if identity not in self.announced():
                    self.unannounced.add(identity)

    def check_held(self, when: str) -> None:
        """P2: all that was kept is held somewhere, but for what disasters took.

        Raises:
            Violation: something is gone without a disaster.
        """
        missing = (self.kept | self.blobs.keys()) - self.held() - self.gone.keys()
        missing = {i for i in missing if i in self.blobs or self.made[i].lane is Lane.CUSTODY}
        if missing:
            raise Violation(f"P2: {when} nobody holds {', '.join(sorted(map(short, missing)))} any more")
