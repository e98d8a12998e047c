"""Thirty days without network: all that must be kept is kept, within the room there is, and what had to go is told."""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

from agent.outbox import Outbox
from agent.room import Level
from contract.columns import unpack_readings
from contract.event import Lane, Outcome, Proof, Readings
from contract.fact import decode_core
from tests.agent.store.kit import DAY_MS, DEVICE, EPOCH_MS, Bench, everything, scan

DAYS: Final = 30
SCANS_AN_HOUR: Final = 21
"""504 a day."""
PHOTO_HOURS: Final = range(6, 21)
PHOTOS_AN_HOUR: Final = 4
"""60 a day."""
PHOTO_BYTES: Final = 8_000
SENSORS: Final = tuple(f"{DEVICE}.probe-{i}.temperature_c" for i in range(3))
INTERVAL_MS: Final = 60_000
"""4,320 readings a day: a tenth of what is promised for, with a tenth of the room, so that the test takes seconds."""
BUDGET_BYTES: Final = 20_200_000
"""So that in the last days all stages of pressure are passed but the last one."""
TOO_WARM_C: Final = 900
EXCURSION_DAYS: Final = (3, 17, 25)
"""At noon of these days each sensor reads 9 degrees for half an hour."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    # In memory where there is such a folder: it is the policy that is tried, not the disk.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="hf-", dir=memory if memory.is_dir() else None) as folder:
        bench = Bench(Path(folder) / "device")
        yield bench
        bench.close()


def live(bench: Bench, outbox: Outbox, day: int, hour: int) -> tuple[list[bytes], list[bytes]]:
    """An hour of work; the identities of what must be kept, and the photos."""
    must, photos = [], []
    for number in range(SCANS_AN_HOUR):
        stamp = bench.stamp()
        must += [outbox.append([scan(f"{day}.{hour}.{number}")], actor="w.chen", stamp=stamp)[0].fact_id]
    for number in range(PHOTOS_AN_HOUR if hour in PHOTO_HOURS else 0):
        source = outbox.files.incoming / "photo"
        source.write_bytes(f"{day}.{hour}.{number}".encode().ljust(PHOTO_BYTES))
        photos.append(outbox.adopt_blob(source))
        proof = Proof(f"stop {number}", Outcome.DELIVERED, photos=(photos[-1],))
        must += [outbox.append([proof], actor="w.chen", stamp=bench.stamp())[0].fact_id]
    readings = []
    for minute in range(60):
        too_warm = day in EXCURSION_DAYS and hour == 12 and minute < 30
        value = TOO_WARM_C if too_warm else 500 + (minute * 7) % 11
        readings += [bench.reading(value, sensor, INTERVAL_MS) for sensor in SENSORS]
        bench.time.elapsed_ms += INTERVAL_MS
    outbox.add_readings(readings)
    outbox.seal_due(in_contact=False)
    outbox.maintain()
    return must, photos


@pytest.mark.slow
def test_f011_thirty_days_offline_lose_nothing_that_must_be_kept(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    must: list[bytes] = []
    photos: list[bytes] = []
    levels = {Level.OK}
    for day in range(DAYS):
        for hour in range(24):
            kept, taken = live(bench, outbox, day, hour)
            must += kept
            photos += taken
            levels.add(outbox.level)
            assert outbox.used_bytes() <= BUDGET_BYTES

    custody = {p.fact_id: p for p in everything(outbox)}
    assert all(custody[identity].core is not None for identity in must)
    assert all(outbox.files.size(digest) == PHOTO_BYTES for digest in photos)
    telemetry = everything(outbox, Lane.TELEMETRY)
    assert {p.cause for p in telemetry} == {None, "thinned", "storage_full"}
    assert levels == set(Level) - {Level.REFUSING}
    told = warm_days(p.core for p in telemetry if p.core is not None)
    assert told >= {(sensor, day) for sensor in SENSORS for day in EXCURSION_DAYS}


def warm_days(cores: Iterable[bytes]) -> set[tuple[str, int]]:
    """Sensors and days on which a reading of an excursion is still there."""
    found = set()
    for core in cores:
        block = decode_core(core).event
        assert isinstance(block, Readings)
        for reading in unpack_readings(block.columns, block.count, block.interval_ms):
            if reading.value == TOO_WARM_C:
                found.add((block.sensor, (block.base_at_ms + reading.offset_ms - EPOCH_MS) // DAY_MS))
    return found
