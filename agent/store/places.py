"""Where the contents stand that the protocol was told of.

The hub's word lets go only what the device itself listed, so those few are remembered here, and no index on identities is
needed: its pages, at random places, would cost every capture more than all else that it writes.
"""

from dataclasses import dataclass
from typing import Final

from contract.event import Lane

MOST: Final = 1_000
"""Many hellos' worth; what was forgotten is listed again."""


@dataclass(frozen=True, slots=True)
class Place:
    """A position that holds a content."""

    lane: Lane
    n: int


class Places:
    """Places by identity, the latest ones."""

    def __init__(self) -> None:
        self._places: dict[bytes, Place] = {}

    def note(self, identity: bytes, lane: Lane, n: int) -> None:
        """Remember where a content is."""
        self._places.pop(identity, None)
        self._places[identity] = Place(lane, n)
        if len(self._places) > MOST:
            del self._places[next(iter(self._places))]

    def of(self, identity: bytes) -> Place | None:
        """Where a content is, or was when it was noted; None for one that was not."""
        return self._places.get(identity)

    def clear(self) -> None:
        """Forget all: a new incarnation has other positions."""
        self._places.clear()
