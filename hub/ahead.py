"""What devices said ahead of the ledger, in memory: when each was heard last, and the live values of its sensors.

The ledger keeps a contact with each hello, once a minute, and a reading when its block is sealed. What comes in between is
shown as what it is, newer and not kept. A hub that starts knows nothing of it; within a minute devices have said it again.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from contract.limits import MAX_SNAPSHOT_SENSORS
from contract.messages import LatestReading


class LiveReading(Struct, frozen=True):
    """A value ahead of its fact; `value` in hundredths (None: fault), times UTC epoch ms."""

    device: str
    at_ms: int
    known_ms: int
    value: int | None


class Ahead:
    """Written by the ingest thread, read by any."""

    def __init__(self) -> None:
        self._heard: dict[str, int] = {}
        self._readings: dict[str, dict[str, LiveReading]] = {}

    def hear(self, device: str, at_ms: int) -> None:
        """Note that an authentic message came."""
        self._heard[device] = at_ms

    def take(self, readings: Mapping[str, LiveReading]) -> None:
        """Note live values by their sensors, whose ids begin with their device's."""
        for sensor, reading in readings.items():
            known = self._readings.setdefault(reading.device, {})
            if len(known) >= MAX_SNAPSHOT_SENSORS and sensor not in known:
                # A device that makes up names forgets its own sensors, and fills no memory.
                known.clear()
            known[sensor] = reading

    def contact_ms(self, device: str, *kept_ms: int | None) -> int | None:
        """When a device was heard last, given what the ledger knows; None where it never was."""
        return max((ms for ms in (self._heard.get(device), *kept_ms) if ms is not None), default=None)

    def reading(self, device: str, sensor: str) -> LiveReading | None:
        """The latest live value of a sensor since the hub started."""
        return self._readings.get(device, {}).get(sensor)


def values_ahead(device: str, readings: Sequence[LatestReading], now_ms: int) -> dict[str, LiveReading]:
    """Latest values that a device sent ahead of their facts, for `LiveBus.publish_ahead("sensor", ...)`.

    A device speaks for its own sensors only, and a clock that runs ahead must not make a reading look newer than now.
    """
    return {
        reading.sensor: LiveReading(device, min(reading.at_ms, now_ms), now_ms, reading.value)
        for reading in readings
        if reading.sensor.startswith(f"{device}.")
    }
