"""What one device of a fleet captures, and when: seeded scans, and the readings of a probe in a cold box."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from contract.columns import Reading, pack_readings
from contract.event import Event, Fix, Quantity, Readings, Scan, Step
from contract.identity import identify
from contract.limits import DEFAULT_SEAL_S, MAX_BLOCK_READINGS
from firmware_sim.chance import chance
from firmware_sim.physics.codes import MAX_SEED, Code, code_stream
from firmware_sim.physics.cold_box import ColdBox, DoorPlan

DEVICES_PER_SEED: Final = 10_000
"""Codes of two devices never meet, and those of two seeds do so only after this many devices."""
STEPS: Final = (Step.RECEIVED, Step.LOADED, Step.DELIVERED)
PROBE_RESOLUTION: Final = 10
"""A common probe gives tenths of a degree; values are hundredths."""


@dataclass(frozen=True, slots=True)
class Load:
    """How much each device captures by itself."""

    scans_per_min: float = 0.0
    """On average; the times are left to chance."""
    readings_s: float | None = None
    """Seconds between two readings of its one sensor; None: it has none."""
    seal_s: float = DEFAULT_SEAL_S
    """In contact a block of readings is sealed this long after its first one; without contact when it is full."""


class Diary:
    """What happens at one device, in order of time.

    Ask `due_ms`, let time pass, then `take`: the same way makes a backlog, where time is only told, and a live load.
    """

    def __init__(self, device: str, number: int, load: Load, *, seed: int, start_ms: int) -> None:
        """Begin at `start_ms` (epoch milliseconds); `number` tells the devices of one fleet apart."""
        own_seed = (seed * DEVICES_PER_SEED + number) % (MAX_SEED + 1)
        self._load = load
        self._sensor = f"{device}.modbus-probe-1.{Quantity.TEMPERATURE_C}"
        self._rng = chance(seed, "diary", number)
        self._codes = code_stream(own_seed)
        self._step = STEPS[number % len(STEPS)]
        self._box = ColdBox(DoorPlan(own_seed))
        self._start_ms = start_ms
        self._scan_ms = self._next_scan_ms(start_ms)
        # Devices are not switched on in step, and so their blocks are not sealed in step either.
        self._block_ms = start_ms + int(self._rng.random() * 1000 * load.seal_s)
        self._lat_e7, self._lon_e7 = 519_244_000, 44_777_000

    def due_ms(self, *, in_contact: bool) -> int | None:
        """When something happens next; None: never."""
        return min(
            (ms for ms in (self._scan_ms, self._sealed_ms(in_contact=in_contact)) if ms is not None), default=None
        )

    def take(self, now_ms: int, *, in_contact: bool) -> Iterator[tuple[int, Event]]:
        """Yield all that happened up to now, with its time."""
        while (due_ms := self.due_ms(in_contact=in_contact)) is not None and due_ms <= now_ms:
            if due_ms == self._scan_ms:
                self._scan_ms = self._next_scan_ms(due_ms)
                yield due_ms, self.scan()
            else:
                # A block that was held open without contact is sealed by what it holds, at the present moment.
                sealed_ms = max(due_ms, min(now_ms, self._full_ms()))
                yield sealed_ms, self._seal(sealed_ms)

    def scan(self) -> Scan:
        """The next scan; each code is a new one."""
        _, code = next(self._codes)
        self._lat_e7 += self._rng.randrange(-2000, 2001)
        self._lon_e7 += self._rng.randrange(-2000, 2001)
        fix = Fix(self._lat_e7, self._lon_e7, self._rng.randrange(2, 9), self._rng.randrange(3))
        return scan_of(code, self._step, fix=fix)

    def _next_scan_ms(self, after_ms: int) -> int | None:
        if self._load.scans_per_min <= 0:
            return None
        return after_ms + 1 + int(self._rng.expovariate(self._load.scans_per_min / 60_000))

    def _interval_ms(self) -> int:
        return int(1000 * (self._load.readings_s or 0))

    def _full_ms(self) -> int:
        return self._block_ms + (MAX_BLOCK_READINGS - 1) * self._interval_ms()

    def _sealed_ms(self, *, in_contact: bool) -> int | None:
        if self._load.readings_s is None:
            return None
        return min(self._full_ms(), self._block_ms + int(1000 * self._load.seal_s)) if in_contact else self._full_ms()

    def _seal(self, sealed_ms: int) -> Readings:
        first_ms, interval_ms = self._block_ms, self._interval_ms()
        count = (sealed_ms - first_ms) // interval_ms + 1
        readings = [Reading(i * interval_ms, self._value(first_ms + i * interval_ms)) for i in range(count)]
        self._block_ms = first_ms + count * interval_ms
        return Readings(
            sensor=self._sensor,
            quantity=Quantity.TEMPERATURE_C,
            base_at_ms=first_ms,
            base_mono_ms=first_ms - self._start_ms,
            interval_ms=interval_ms,
            count=count,
            columns=pack_readings(readings, interval_ms),
        )

    def _value(self, at_ms: int) -> int:
        temperature_c = self._box.at((at_ms - self._start_ms) / 1000).temperature_c
        return round(100 * temperature_c / PROBE_RESOLUTION) * PROBE_RESOLUTION


def scan_of(code: Code, step: Step, *, fix: Fix | None = None, cold_budget_s: int | None = None) -> Scan:
    """The fact that a device makes of a code."""
    identity = identify(code.data, code.aim)
    return Scan(
        code=code.data,
        aim=code.aim,
        kind=identity.kind,
        parcel=identity.key,
        step=step,
        place="dock-4",
        port="scanner-line-1",
        fix=fix,
        cold_budget_s=cold_budget_s,
    )
