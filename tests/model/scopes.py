"""What may happen in each search. Every order and every loss is tried in all of them; the figures bound the rest."""

from dataclasses import dataclass
from typing import Final

from tests.model.world import Left


@dataclass(frozen=True)
class Scope:
    """How much may happen, and how many facts the hub takes in one batch."""

    left: Left
    batch_facts: int = 256


SCOPES: Final = {
    "single facts on a bad wire": Scope(Left(3, drops=1, doubles=1, ticks=1), 1),
    "batches on a bad wire": Scope(Left(2, drops=1, doubles=1, ticks=2)),
    "crashes": Scope(Left(2, drops=1, doubles=1, ticks=1, crashes=1)),
    "two lanes": Scope(Left(1, blocks=1, drops=1, doubles=1, ticks=1)),
    "hub without room": Scope(Left(2, refusals=1, doubles=1, crashes=1), 1),
    "flipped bits, hub restored": Scope(Left(2, flips=1, ticks=1, backups=1, hub_restores=1)),
    "flipped bits on a clone": Scope(Left(1, flips=1, clones=1)),
    "hub restored": Scope(Left(2, doubles=1, ticks=1, backups=1, hub_restores=1)),
    "release": Scope(Left(2, ticks=2, backups=2)),
    "release, hub restored": Scope(Left(1, ticks=2, backups=2, hub_restores=1)),
    "release, hub lost": Scope(Left(2, ticks=1, backups=2, hub_losses=1)),
    "device restored": Scope(Left(3, doubles=1, images=1, device_restores=1)),
    "device and hub restored": Scope(Left(2, images=1, device_restores=1, backups=1, hub_restores=1)),
    "clones": Scope(Left(3, clones=1)),
    "clones, hub restored": Scope(Left(1, clones=1, backups=1, hub_restores=1)),
}
