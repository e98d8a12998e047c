"""How much the hub will take next: less while work waits or commits are slow, nothing while it cannot keep."""

from dataclasses import dataclass
from typing import Final

from contract.limits import MAX_BATCH_ITEMS
from contract.messages import Credit

CALM_QUEUE: Final = 500
"""Messages that one group takes anyway."""
FULL_QUEUE: Final = 8_000
"""Messages waiting that are some seconds of work; beyond it devices wait."""
SLOW_COMMIT_S: Final = 0.5
"""A commit this slow fills the queue faster than it empties."""
BUSY_RETRY_MS: Final = 2_000
STORAGE_RETRY_MS: Final = 30_000
"""A full disk needs a person."""
HELD_RETRY_MS: Final = 2_000
"""A database that another program holds is free again by itself."""


@dataclass(frozen=True, slots=True)
class Load:
    """What the hub's pace is judged by."""

    queued: int
    commit_s: float = 0.0
    storage_ok: bool = True
    held: bool = False
    """Storage refuses only because another program holds it."""


def credit_for(load: Load) -> Credit:
    """The credit that goes with every answer."""
    if not load.storage_ok:
        return Credit(0, HELD_RETRY_MS if load.held else STORAGE_RETRY_MS)
    if load.queued >= FULL_QUEUE:
        return Credit(0, BUSY_RETRY_MS)
    room = 1.0
    if load.queued > CALM_QUEUE:
        room = (FULL_QUEUE - load.queued) / (FULL_QUEUE - CALM_QUEUE)
    if load.commit_s > SLOW_COMMIT_S:
        room = min(room, SLOW_COMMIT_S / load.commit_s)
    return Credit(max(1, int(MAX_BATCH_ITEMS * room)))
