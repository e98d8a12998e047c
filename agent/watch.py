"""Between drivers and capture: passes everything on, remembers the latest value of each sensor, and tells followers."""

import threading
from collections.abc import Iterable
from typing import Protocol

from agent.capture import Heard
from agent.clock import DeviceClock
from agent.drivers.frames import Code, Fix, Sample
from agent.drivers.sink import Signal, Sink
from agent.happenings import Happenings
from contract import event, local
from contract.identity import identify
from contract.messages import LatestReading


class Hearing(Sink, Protocol):
    """A sink that also tells what it knows of a scan."""

    def heard(self, driver: str, code: Code) -> Heard:
        """Keep a scan; returns only after its commit is on disk, or with REFUSED."""


class Watch:
    """A sink in front of a sink; may be used from any thread."""

    def __init__(self, device: str, sink: Hearing, clock: DeviceClock, happenings: Happenings) -> None:
        self._device = device
        self._sink = sink
        self._clock = clock
        self._happenings = happenings
        self._lock = threading.Lock()
        self._latest: dict[str, LatestReading] = {}
        self._last_fix: local.FixHappened | None = None

    # -- what is known now -----------------------------------------------------------------------------------------

    def latest(self) -> tuple[LatestReading, ...]:
        """The newest value of each sensor."""
        with self._lock:
            return tuple(self._latest.values())

    def present(self) -> Iterable[local.Happening]:
        """How it is now, for one who begins to follow."""
        yield local.ReadingsHappened(self.latest())
        with self._lock:
            last = self._last_fix
        if last is not None:
            yield last

    # -- Sink ------------------------------------------------------------------------------------------------------

    def code(self, driver: str, code: Code) -> Signal:
        """Keep a scan; returns only after its commit is on disk, or REFUSED."""
        heard = self._sink.heard(driver, code)
        if self._happenings.followed:
            identity = identify(code.raw, code.aim)
            self._happenings.tell(
                local.ScanHappened(
                    driver=driver,
                    code=code.raw,
                    aim=code.aim,
                    kind=identity.kind,
                    parcel=identity.key,
                    signal=heard.signal,
                    at_ms=self._clock.now().at_ms,
                    verdict=heard.verdict,
                    vehicle=heard.vehicle,
                    step=heard.step,
                    fact_id=heard.fact_id,
                )
            )
        return heard.signal

    def sample(self, driver: str, sample: Sample) -> None:
        """Take a measurement, made now."""
        self._sink.sample(driver, sample)
        sensor = f"{self._device}.{driver}.{sample.sensor}"
        reading = LatestReading(sensor, sample.quantity, self._clock.now().at_ms, sample.value)
        with self._lock:
            self._latest[sensor] = reading
        self._happenings.tell(local.ReadingsHappened((reading,)))

    def fix(self, driver: str, fix: Fix) -> None:
        """Take a position, measured now."""
        self._sink.fix(driver, fix)
        place = event.Fix(fix.lat_e7, fix.lon_e7, fix.accuracy_m)
        happened = local.FixHappened(driver, place, self._clock.now().at_ms)
        with self._lock:
            self._last_fix = happened
        self._happenings.tell(happened)

    def lost(self, driver: str, why: str) -> None:
        """The device behind a driver is gone or silent."""
        self._sink.lost(driver, why)
        self._happenings.tell(local.DriverHappened(driver, found=False, why=why))

    def found(self, driver: str) -> None:
        """The device behind a driver is there (again)."""
        self._sink.found(driver)
        self._happenings.tell(local.DriverHappened(driver, found=True, why=""))
