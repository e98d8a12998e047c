"""A seeded hub that also administers: devices are enrolled, displays let in, and what is safe is said."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from hub.administration import Administration
from hub.centre import Centre, open_centre
from hub.context import HubContext
from hub.live import LiveBus
from tests.hub.web.seeded import HubClock, SeededHub

MQTT_URL = "mqtt://127.0.0.1:1883"


@dataclass
class StaffedHub(SeededHub):
    """A hub's web side over a real centre."""

    centre: Centre = field(kw_only=True)
    room: bool = True

    def context(self) -> HubContext:
        administration = Administration(self.centre)
        return replace(
            super().context(),
            administer=administration.answer,
            safety=self.centre.safety,
            changes_ok=lambda: self.room,
        )


@contextmanager
def staffed_hub(folder: Path, clock: HubClock | None = None) -> Iterator[StaffedHub]:
    clock = clock or HubClock()
    with open_centre(folder, now_ms=clock) as centre:
        Administration(centre).remember_mqtt(MQTT_URL)
        yield StaffedHub(centre.db, clock, LiveBus(clock), centre=centre)
