"""Profiles, documents and a guarded capture for tests of the cold guard."""

from agent.capture import Capture
from agent.cold_guard import ColdGuard
from agent.drivers.frames import Sample
from agent.inbox import StoredDocument
from agent.outbox import Outbox
from agent.parts import build_guard
from contract.coldchain.assignments import Assignment, ColdChainDocument, encode_assignments
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.event import Alarm, Phase, Quantity
from tests.agent.store.kit import EPOCH_MS, SENSOR, Bench, events

FRIDGE = Profile(
    "fridge",
    (
        Limit("warm", Side.ABOVE, 800, Rule.CUMULATIVE, allowed_s=600),
        Limit("hot", Side.ABOVE, 1_500),
        Limit("cold", Side.BELOW, 200, allowed_s=120),
    ),
    no_data_s=300,
)


def document(
    profile: Profile = FRIDGE, *, version: int = 1, from_ms: int = EPOCH_MS, sensors: tuple[str, ...] = (SENSOR,)
) -> StoredDocument:
    named = {sensor: Assignment(profile, from_ms) for sensor in sensors}
    return StoredDocument(version, encode_assignments(ColdChainDocument(named)))


class Guarded:
    """A device whose one probe is judged, on a bench."""

    def __init__(self, bench: Bench, *, assigned: StoredDocument | None = None, outbox: Outbox | None = None) -> None:
        self.bench = bench
        self.outbox = outbox or bench.open()
        self.told: list[Alarm] = []
        guard = build_guard(self.outbox, bench.clock, assigned, self.told.extend)
        assert isinstance(guard, ColdGuard)
        self.guard = guard
        self.capture = Capture(self.outbox, bench.clock, intervals_ms={"probe": 10_000}, guard=guard)

    def read(self, value: int | None, *, after_s: float = 10) -> None:
        """One reading, so long after the last."""
        self.bench.time.elapsed_ms += round(after_s * 1000)
        self.capture.sample("probe", Sample("air", Quantity.TEMPERATURE_C, value))

    def alarms(self) -> list[Alarm]:
        """What was stated, in order."""
        return [event for event in events(self.outbox) if isinstance(event, Alarm)]

    def phases(self) -> list[tuple[str, Phase]]:
        return [(alarm.limit, alarm.phase) for alarm in self.alarms()]
