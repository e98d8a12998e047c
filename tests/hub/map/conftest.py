"""The seeded hub of the web side's tests, and vehicles on the road."""

import pytest

from hub.fleet.freshness import SILENT_AFTER_MS
from tests.hub.map.roads import drive
from tests.hub.web.conftest import hub
from tests.hub.web.seeded import MINUTE_MS, NOW_MS, SeededHub, Story, add_device

__all__ = ["hub"]


@pytest.fixture
def fleet(hub: SeededHub) -> SeededHub:
    """Shanghai: one van in order, one with a fault, one silent, and two at one dock."""
    story = Story()
    with hub.database.write() as tx:
        for name, lat, lon, age_ms, value in (
            ("van-1", 31.2304, 121.4737, 10_000, 512),
            ("van-2", 31.1443, 121.8083, 10_000, None),
            ("van-3", 31.3900, 121.2300, SILENT_AFTER_MS + 42 * MINUTE_MS, 480),
            ("van-4", 30.8500, 121.5500, 10_000, 640),
            ("van-5", 30.8550, 121.5501, 10_000, 390),
        ):
            add_device(tx, name, contact_ms=NOW_MS - age_ms)
            way = [(lat - 0.05 + n / 2000, lon - 0.05 + (n % 20) / 1000) for n in range(100)]
            drive(story, name, [*way, (lat, lon)], at_ms=NOW_MS - age_ms)
            story.readings(f"{name}.rear.temperature_c", [value], at_ms=NOW_MS - age_ms)
        story.tell(tx)
    return hub
