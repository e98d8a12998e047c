"""An outbox on a real disk under virtual time, and the facts that tests put into it."""

import itertools
import random
from pathlib import Path
from typing import Any

from agent.clock import DeviceClock, Stamp
from agent.outbox import Outbox, SensorReading
from contract.delivery.device_actions import Release
from contract.delivery.device_view import StoredPosition
from contract.event import Event, Lane, Quantity, Scan, Status, Step
from contract.fact import Clock, Fact, decode_core, next_hash

DEVICE = "van-1"
BOOT = bytes(range(16))
OTHER_BOOT = bytes(range(1, 17))
EPOCH_MS = 1_700_000_000_000
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
SENSOR = f"{DEVICE}.probe.air"


_seeds = itertools.count()
# No two benches may give the same incarnation, as no two devices do.


class VirtualTime:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.elapsed_ms = 1_000
        self.epoch_ms = EPOCH_MS
        self.is_synced = True

    def wall_ms(self) -> int:
        return self.epoch_ms + self.elapsed_ms

    def mono_ms(self) -> int:
        return self.elapsed_ms

    def synced(self) -> bool:
        return self.is_synced


class Bench:
    """A device's folder and its clock; `open` starts the agent's store in it."""

    def __init__(self, folder: Path, boot: bytes = BOOT) -> None:
        self.folder = folder
        self.time = VirtualTime()
        self.clock = DeviceClock(boot, self.time)
        self._random = random.Random(next(_seeds))
        self._opened: list[Outbox] = []

    def open(self, **settings: Any) -> Outbox:
        outbox = Outbox.open(self.folder, DEVICE, clock=self.clock, entropy=self._random.randbytes, **settings)
        self._opened.append(outbox)
        return outbox

    def reboot(self, boot: bytes = OTHER_BOOT) -> None:
        self.time.epoch_ms += self.time.elapsed_ms
        self.time.elapsed_ms = 1_000
        self.clock = DeviceClock(boot, self.time)

    def stamp(self) -> Stamp:
        return self.clock.stamp()

    def reading(self, value: int | None = 500, sensor: str = SENSOR, interval_ms: int = MINUTE_MS) -> SensorReading:
        return SensorReading(sensor, Quantity.TEMPERATURE_C, self.stamp(), value, interval_ms)

    def close(self) -> None:
        for outbox in self._opened:
            outbox.close()


def scan(parcel: object = 1, size: int = 10) -> Scan:
    return Scan(
        code=b"x" * size,
        aim="]C1",
        kind="plain",
        parcel=f"parcel {parcel}",
        step=Step.LOADED,
        place="dock",
        port="scanner",
    )


def keep(outbox: Outbox, *parcels: object) -> list[bytes]:
    """Keep one scan each; their identities."""
    stamp = Stamp(outbox.clock.now().at_ms, outbox.clock.now().mono_ms, Clock.SYNCED)
    return [outbox.append([scan(parcel)], actor="w.chen", stamp=stamp)[0].fact_id for parcel in parcels]


def release_of(outbox: Outbox, *identities: bytes) -> Release:
    """The hub's word that these may go, after a hello that listed them."""
    outbox.identities_after(b"", 1_000)
    return Release(identities)


def everything(outbox: Outbox, lane: Lane = Lane.CUSTODY) -> list[StoredPosition]:
    """All stored positions of a lane, after a look that they form a chain."""
    ends = outbox.lane(lane)
    found: list[StoredPosition] = []
    after_n, previous = ends.base_n, ends.base_hash
    while after_n < ends.head_n:
        part = outbox.read(lane, after_n, 256, 240_000)
        assert part, f"nothing stands behind {after_n} of {ends.head_n}"
        for position in part:
            assert position.n == after_n + 1
            previous = next_hash(previous, position.n, position.fact_id)
            after_n = position.n
        found += part
    assert previous == ends.head_hash
    return found


def parcels(outbox: Outbox) -> list[str]:
    """The parcels of all kept scans in the order of the chain."""
    facts = [decode_core(p.core) for p in everything(outbox) if p.core is not None]
    return [fact.event.parcel for fact in facts if isinstance(fact.event, Scan)]


def facts(outbox: Outbox, lane: Lane = Lane.CUSTODY) -> list[Fact]:
    return [decode_core(p.core) for p in everything(outbox, lane) if p.core is not None]


def events(outbox: Outbox, lane: Lane = Lane.CUSTODY) -> list[Event]:
    return [fact.event for fact in facts(outbox, lane)]


def details(outbox: Outbox) -> list[object]:
    return [event.detail for event in events(outbox) if isinstance(event, Status)]
