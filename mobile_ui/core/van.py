"""The load's cold as the device measures and judges it: for the screen of the van and the line on a stop. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from contract.cold_verdict import ColdVerdict, least_left_s, verdict_of, worst_verdict
from contract.coldchain.assignments import ColdChainDocument
from contract.coldchain.profile import Side
from contract.event import Quantity
from contract.local import OpenAlarm, SensorCold
from contract.messages import LatestReading

STALE_MS = 5 * 60_000
"""An older value is shown in grey with its age: it is no longer how it is now."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One temperature sensor, in degrees Celsius and seconds."""

    sensor: str
    value_c: float | None
    at_ms: int | None
    verdict: ColdVerdict | None = None
    low_c: float | None = None
    high_c: float | None = None
    used_s: int = 0
    allowed_s: int | None = None
    """Of the limit with the least time left; None where no limit allows any."""
    alarms: tuple[OpenAlarm, ...] = ()

    @property
    def name(self) -> str:
        """As people at the van say it: without the device."""
        return self.sensor.partition(".")[2] or self.sensor

    def stale(self, now_ms: int) -> bool:
        """Whether the value says nothing of now."""
        return self.at_ms is None or now_ms - self.at_ms > STALE_MS


@dataclass(frozen=True, slots=True)
class Van:
    """All sensors of the device."""

    latest: Mapping[str, LatestReading] = field(default_factory=dict)
    cold: tuple[SensorCold, ...] = ()
    profiles: ColdChainDocument = field(default_factory=ColdChainDocument)

    def measured(self, readings: Sequence[LatestReading]) -> "Van":
        """Newer values."""
        return replace(self, latest={**self.latest, **{one.sensor: one for one in readings}})

    @property
    def verdict(self) -> ColdVerdict | None:
        """Of the worst sensor."""
        return worst_verdict(self.cold)

    @property
    def left_s(self) -> int | None:
        """The smallest budget left."""
        return least_left_s(self.cold)

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Temperature sensors by name, the judged ones whether they spoke or not."""
        judged = {one.sensor: one for one in self.cold}
        heard = {name for name, one in self.latest.items() if one.quantity is Quantity.TEMPERATURE_C}
        return tuple(self._probe(name, judged.get(name)) for name in sorted(heard | set(judged)))

    def _probe(self, name: str, cold: SensorCold | None) -> Probe:
        last = self.latest.get(name)
        value = None if last is None or last.value is None else last.value / 100
        probe = Probe(name, value, None if last is None else last.at_ms)
        if cold is None:
            return probe
        allowed = [b for b in cold.budgets if b.allowed_ms or b.used_ms]
        least = min(allowed, key=lambda b: b.left_ms, default=None)
        assigned = self.profiles.sensors.get(name)
        limits = () if assigned is None else assigned.profile.limits
        return replace(
            probe,
            verdict=verdict_of(cold),
            low_c=max((one.threshold / 100 for one in limits if one.side is Side.BELOW), default=None),
            high_c=min((one.threshold / 100 for one in limits if one.side is Side.ABOVE), default=None),
            used_s=0 if least is None else least.used_ms // 1000,
            allowed_s=None if least is None else least.allowed_ms // 1000,
            alarms=cold.alarms,
        )

    @property
    def reading_c(self) -> float | None:
        """The value of the sensor that stands worst, for one line."""
        probes = [one for one in self.probes if one.value_c is not None]
        order = list(ColdVerdict)
        worst = max(probes, key=lambda one: -1 if one.verdict is None else order.index(one.verdict), default=None)
        return None if worst is None else worst.value_c
