"""Vehicles on the road for tests of the map."""

from collections.abc import Sequence

from contract.columns import Position, pack_positions
from contract.event import Positions
from tests.hub.web.seeded import BOOTED_MS, NOW_MS, Story

EVERY_MS = 1_000


def drive(story: Story, device: str, places: Sequence[tuple[float, float]], *, at_ms: int = NOW_MS) -> None:
    """One position a second in degrees, the last at `at_ms`."""
    base_ms = at_ms - (len(places) - 1) * EVERY_MS
    packed = pack_positions(
        [Position(n * EVERY_MS, round(lat * 1e7), round(lon * 1e7), 5, 900, 0) for n, (lat, lon) in enumerate(places)],
        EVERY_MS,
    )
    block = Positions(f"{device}.gps", base_ms, base_ms - BOOTED_MS, EVERY_MS, len(places), packed)
    story.ledger.add(block, at_ms=at_ms, mono_ms=at_ms - BOOTED_MS, received_ms=at_ms + 900, device=device, actor="")
