"""A hub with a past: 400 vans, 1,200 sensors, 30,000 parcels and 50 million readings; filled once, kept in `build/bench-cache`.

Parcels, profiles, verdicts and the audit trail come to be as in the field, through ledger and projections. Readings would
take far longer that way than anybody waits for a benchmark, so SQL writes their rows, as their projection would have.
"""

import json
import math
import os
import shutil
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from contract.coldchain.presets import PHARMA_2_8, WHO_TYPE_1
from contract.event import Decision, Lane, Scan, Step, Verdict
from contract.identity import identify
from firmware_sim.processes import HubProcess
from hub.accounts.audit import audit
from hub.centre import Centre, open_centre
from hub.coldchain.decisions import ASSIGN_PROFILE
from hub.db import DATABASE_FILE
from hub.enrolment import enrol
from hub.ingest import Ingest, Outlets
from hub.intake import Incoming
from tests.bench.hub_load import Talker, sscc, talkers

ROOT = Path(__file__).parents[2]
CACHE = ROOT / "build/bench-cache"
PERCENT = "HOLDFAST_BENCH_PERCENT"
"""In the environment: how much of the past is filled; for a small disk or a quick look."""
NEEDED_BYTES = 8 * 1024**3
"""Of free disk for all of it; the database itself takes 3 GB."""

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
VANS = 400
PROBES = ("front", "rear", "door")
SENSORS = VANS * len(PROBES)
DENSE_SENSORS = len(PROBES)
"""Those of the first van are read every 10 s, as a fleet in contact would be, and sealed every minute."""
SILENT_VANS = 8
SILENT_MS = 2 * HOUR_MS
DEPOTS = 10
DAYS = 90
PARCELS = 30_000
COARSE_MS, DENSE_MS = 192_000, 10_000
"""1,197 sensors every 192 s and three every 10 s make 50 million readings in 90 days."""
COARSE_BLOCK, DENSE_BLOCK = 112, 6
"""Readings to a block: six hours, and a minute."""
OLD_TRIPS = 36_000
OLD_CHANGES = 10_000
INCIDENTS = 60
LONG_WAY_DAYS = 5
JUDGED_DAYS = 45
"""Judging all of it would take as long as the rest of the filling; alarms of six weeks are enough to read."""

Rows = Sequence[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class FullHub:
    """A filled data folder that no hub serves.

    Attributes:
        filled_s: how long that took; 0 when it was there.
        readings, parcels: how many there are.
    """

    data: Path
    password: str
    filled_s: float
    readings: int
    parcels: int
    long_way: str
    """A parcel that lies in the first van, among readings every 10 s, for five days."""

    @property
    def devices(self) -> list[Talker]:
        """The vans, with their keys."""
        return talkers(VANS)


@dataclass(slots=True)
class _Clock:
    now_ms: int

    def __call__(self) -> int:
        return self.now_ms


def full_hub() -> FullHub:
    """The filled hub, brought up to the present.

    Raises:
        OSError: the disk has too little room to fill it.
    """
    percent = int(os.environ.get(PERCENT, "100"))
    folder = CACHE / f"{_fingerprint()}-{percent}"
    began_s = time.monotonic()
    there = folder.is_dir()
    if not there:
        _fill(folder, percent)
    _bring_up(folder / "hub" / DATABASE_FILE)
    filled_s = 0.0 if there else time.monotonic() - began_s
    told = json.loads((folder / "told.json").read_text())
    return FullHub(folder / "hub", filled_s=filled_s, **told)


def _fingerprint() -> str:
    """Another schema, or another past, is another hub."""
    digest = sha256()
    sources = [
        *sorted((ROOT / "hub/migrations/versions").glob("*.py")),
        Path(__file__),
        Path(__file__).with_name("hub_load.py"),
    ]
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _fill(folder: Path, percent: int) -> None:
    shutil.rmtree(CACHE, ignore_errors=True)
    CACHE.mkdir(parents=True)
    needed = NEEDED_BYTES * percent // 100
    if (free := shutil.disk_usage(CACHE).free) < needed:
        why = f"{free / 1e9:.1f} GB free at {CACHE}, expected {needed / 1e9:.1f}"
        raise OSError(f"{why}: make room, or fill less: make bench ARGS='--percent 10 pages'")
    partial = folder.with_suffix(".partial")
    partial.mkdir()
    now_ms = time.time_ns() // 1_000_000
    past = _Past(now_ms - DAYS * DAY_MS * percent // 100, now_ms, max(100, PARCELS * percent // 100))
    hub = HubProcess(partial / "hub", logs=partial)
    password = hub.init()["password"]
    _with_readings(hub.data / DATABASE_FILE, past)
    with _centre(hub.data, past) as (centre, clock):
        way = past.parcels_by_van()
        _with_parcels(centre, clock, past, way)
        _with_profiles(centre, past)
        _with_changes(centre, past)
    with closing(sqlite3.connect(hub.data / DATABASE_FILE)) as db, db:
        _with_history(db, past)
        (readings,) = db.execute("SELECT count(*) FROM reading").fetchone()
    told = {"password": password, "readings": readings, "parcels": past.parcels, "long_way": _key(past.parcels)}
    (partial / "told.json").write_text(json.dumps(told))
    partial.rename(folder)


@dataclass(frozen=True, slots=True)
class _Past:
    from_ms: int
    now_ms: int
    parcels: int

    def parcels_by_van(self) -> list[range]:
        """Which parcels each van carries today."""
        each = self.parcels / VANS
        return [range(round(van * each), round((van + 1) * each)) for van in range(VANS)]


def _name(van: int) -> str:
    return f"van-{van:04}"


def _place(van: int) -> str:
    """One in forty is no van but the cold store of a depot."""
    return f"depot-{van // 40}" if van % 40 == 1 else f"Van {van}"


def _key(parcel: int) -> str:
    return identify(sscc(parcel), "]C1").key


# -- readings --------------------------------------------------------------------------------------------------------

# The weather of a cold box: its day, noise, a door opened for minutes once a day, and one left open every three weeks.
_VALUE = """CASE WHEN (s.number * 31 + t.at_ms / 192000) % 1009 = 0 THEN NULL ELSE
    500 + t.wave + (s.number * 7919 + t.at_ms / 10000 * 31) % 29 - 14 + CASE
        WHEN s.number % 100 = 7 AND t.at_ms > :hot_ms THEN 700
        WHEN (t.at_ms / 60000 + s.number * 977) % 28800 < 75 THEN 600
        WHEN (t.at_ms / 60000 + s.number * 37) % 1447 < 8 THEN 350
        ELSE 0 END END"""
# Three hours in ten days nothing was read.
_READ = "(t.at_ms / 60000 + (s.number - 1) / 3 * 613) % 14400 >= 180"
_INTO_READING = f"""INSERT INTO reading (sensor, at_ms, value, flags)
    SELECT s.number, t.at_ms, {_VALUE}, 0 FROM sensor s CROSS JOIN temp.tick t
    WHERE s.number BETWEEN :first AND :last AND {_READ}"""
_INTO_HOURS = """INSERT OR REPLACE INTO reading_hour (sensor, hour_ms, count, faults, min, max, sum)
    SELECT :sensor, h.at_ms, count(r.value), count(*) - count(r.value), min(r.value), max(r.value), coalesce(sum(r.value), 0)
    FROM temp.hour h CROSS JOIN reading r
    WHERE r.sensor = :sensor AND r.at_ms >= h.at_ms AND r.at_ms < h.at_ms + 3600000 GROUP BY h.at_ms"""
_INTO_LATEST = """INSERT OR REPLACE INTO sensor_latest
        (sensor, at_ms, value, flags, known_ms, interval_ms, time_source, uncertainty_ms)
    SELECT r.sensor, r.at_ms, r.value, r.flags, r.at_ms + 2000, :interval_ms, 'device', NULL FROM reading r
    WHERE r.sensor = :sensor ORDER BY r.at_ms DESC LIMIT 1"""
_INTO_BLOCKS = """INSERT INTO reading_block (fact_id, sensor, interval_ms, count, columns, device, boot, at_ms, mono_ms,
        span_ms, made_mono_ms, clock, known_ms, happened_ms, time_source)
    SELECT randomblob(32), s.number, :interval_ms, :count, zeroblob(2 * :count), s.device, zeroblob(16), t.at_ms,
        t.at_ms - :from_ms, :span_ms, t.at_ms - :from_ms + :span_ms, 'synced',
        t.at_ms + :span_ms + CASE WHEN t.at_ms / 3600000 % 97 = 0 THEN 18000000 ELSE 2000 END, t.at_ms, 'device'
    FROM sensor s CROSS JOIN temp.tick t
    WHERE s.number BETWEEN :first AND :last AND t.at_ms % (:interval_ms * :count) = 0"""


def _with_readings(path: Path, past: _Past) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        # Nothing of it is of worth before the folder has its name.
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-200000", "temp_store=MEMORY"):
            db.execute(f"PRAGMA {pragma}")
        db.execute("BEGIN")
        names = [f"{_name(van)}.{probe}.temperature_c" for van in range(VANS) for probe in PROBES]
        rows = [(n, name, name.partition(".")[0], "temperature_c") for n, name in enumerate(names, 1)]
        db.executemany("INSERT INTO sensor (number, sensor, device, quantity) VALUES (?, ?, ?, ?)", rows)
        _tell(db, past.from_ms, past.now_ms - SILENT_MS, SENSORS)
        _tell(
            db, past.now_ms - SILENT_MS, past.now_ms, SENSORS - SILENT_VANS * len(PROBES), past.now_ms - 40 * MINUTE_MS
        )
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode=WAL")


def _tell(db: sqlite3.Connection, from_ms: int, to_ms: int, last: int, hot_ms: int = 2**62) -> None:
    """Readings from one instant up to another of the sensors up to a number, and all that follows from them."""
    db.execute("CREATE TEMP TABLE IF NOT EXISTS tick (at_ms INTEGER PRIMARY KEY, wave INTEGER NOT NULL)")
    db.execute("CREATE TEMP TABLE IF NOT EXISTS hour (at_ms INTEGER PRIMARY KEY)")
    kinds = ((1, DENSE_SENSORS, DENSE_MS, DENSE_BLOCK), (DENSE_SENSORS + 1, last, COARSE_MS, COARSE_BLOCK))
    hours = range(from_ms - from_ms % HOUR_MS, to_ms, HOUR_MS)
    db.execute("DELETE FROM temp.hour")
    db.executemany("INSERT INTO temp.hour VALUES (?)", ((at_ms,) for at_ms in hours))
    for first, until, step_ms, block in kinds:
        db.execute("DELETE FROM temp.tick")
        ticks = range(-(-from_ms // step_ms) * step_ms, to_ms, step_ms)
        db.executemany("INSERT INTO temp.tick VALUES (?, ?)", ((at_ms, _wave(at_ms)) for at_ms in ticks))
        db.execute(_INTO_READING, {"first": first, "last": until, "hot_ms": hot_ms})
        span_ms = step_ms * (block - 1)
        values = {"interval_ms": step_ms, "count": block, "span_ms": span_ms, "from_ms": from_ms}
        db.execute(_INTO_BLOCKS, {"first": first, "last": until, **values})
        for number in range(first, until + 1):
            db.execute(_INTO_HOURS, {"sensor": number})
            db.execute(_INTO_LATEST, {"sensor": number, "interval_ms": step_ms})


def _wave(at_ms: int) -> int:
    return round(80 * math.sin(2 * math.pi * (at_ms % DAY_MS) / DAY_MS))


def _bring_up(path: Path) -> None:
    """What happened since it was filled: vans were heard, and their sensors read."""
    now_ms = time.time_ns() // 1_000_000
    with closing(sqlite3.connect(path)) as db, db:
        awake = SENSORS - SILENT_VANS * len(PROBES)
        (since_ms,) = db.execute("SELECT min(at_ms) FROM sensor_latest WHERE sensor <= ?", (awake,)).fetchone()
        if now_ms - since_ms > 2 * COARSE_MS:
            (last_ms,) = db.execute("SELECT max(at_ms) FROM sensor_latest").fetchone()
            _tell(db, last_ms + 1, now_ms, awake)
        db.execute("UPDATE device_contact SET contact_ms = ? WHERE device < ?", (now_ms, _name(VANS - SILENT_VANS)))


# -- parcels, profiles, changes --------------------------------------------------------------------------------------


@contextmanager
def _centre(data: Path, past: _Past) -> Iterator[tuple[Centre, _Clock]]:
    clock = _Clock(past.now_ms)
    with open_centre(data, now_ms=clock) as centre:
        with centre.db.write() as tx:
            for van, talker in enumerate(talkers(VANS)):
                enrol(tx, talker.name, _place(van), past.from_ms, key=talker.key)
            centre.registry.reload(tx)
        yield centre, clock


def _with_parcels(centre: Centre, clock: _Clock, past: _Past, loads: Sequence[range]) -> None:
    """Received at a depot yesterday, out in a van today; of each van the first are delivered."""
    vans = talkers(VANS)
    long_way = past.now_ms - LONG_WAY_DAYS * DAY_MS
    clock.now_ms = long_way
    _take(centre, [vans[0].batch(Lane.CUSTODY, [_scan(vans[0], past.parcels, Step.LOADED, long_way)])])
    for step, hours_ago, share in (
        (Step.RECEIVED, 20.0, 1.0),
        (Step.ARRIVED, 9.0, 1.0),
        (Step.LOADED, 5.0, 1.0),
        (Step.OUT_FOR_DELIVERY, 4.5, 1.0),
        (Step.DELIVERED, 4.0, 0.6),
    ):
        began_ms = past.now_ms - round(hours_ago * HOUR_MS)
        messages = []
        for van, load in enumerate(loads):
            some = load[: math.ceil(share * len(load))]
            cores = [
                _scan(vans[van], parcel, step, began_ms + n * 150_000 * (step is Step.DELIVERED) + 997 * (van + n))
                for n, parcel in enumerate(some)
            ]
            messages += [vans[van].batch(Lane.CUSTODY, cores[at : at + 100]) for at in range(0, len(cores), 100)]
        clock.now_ms = past.now_ms if step is Step.DELIVERED else began_ms + HOUR_MS
        _take(centre, messages)
    clock.now_ms = past.now_ms


def _scan(talker: Talker, parcel: int, step: Step, at_ms: int) -> bytes:
    code = sscc(parcel)
    identity = identify(code, "]C1")
    place = f"depot-{int(talker.name[-4:]) % DEPOTS}" if step in {Step.RECEIVED, Step.ARRIVED} else ""
    return talker.core(Scan(code, "]C1", identity.kind, identity.key, step, place, "usb-1", Verdict.EXPECTED), at_ms)


def _take(centre: Centre, messages: Sequence[Incoming]) -> None:
    ingest = Ingest(centre, Outlets(publish=lambda *_: None))
    for message in messages:
        ingest.offer(message)
    ingest.stop()
    ingest.run()
    assert ingest.counts.dropped == ingest.counts.rejected == 0


def _with_profiles(centre: Centre, past: _Past) -> None:
    """All sensors are judged but one in a hundred."""
    from_ms = max(past.from_ms, past.now_ms - JUDGED_DAYS * DAY_MS)
    for van in range(VANS):
        for probe in PROBES:
            profile = (WHO_TYPE_1 if van % 4 == 3 else PHARMA_2_8).name
            if van % 100 != 50:
                detail = json.dumps({"profile": profile, "from_ms": from_ms})
                sensor = f"{_name(van)}.{probe}.temperature_c"
                centre.decide(Decision(ASSIGN_PROFILE, (), "w.chen", "", sensor, detail))


def _with_changes(centre: Centre, past: _Past) -> None:
    with centre.db.write() as tx:
        for n in range(OLD_CHANGES):
            at_ms = past.now_ms - (OLD_CHANGES - n)
            audit(tx, at_ms=at_ms, who=f"person-{n % 37}", action="sensor.describe", subject=f"sensor {n % 1200}")


def _with_history(db: sqlite3.Connection, past: _Past) -> None:
    """What needs no facts to be listed: contacts, positions, older trips, incidents; most alarms of the past were seen."""
    contacts = [(_name(van), past.now_ms - (van >= VANS - SILENT_VANS) * SILENT_MS) for van in range(VANS)]
    db.executemany(
        "INSERT INTO device_contact (device, contact_ms, incarnation, boot, version, clock_offset_ms, backlog_facts, "
        "backlog_blobs, room_bytes) VALUES (?, ?, zeroblob(16), zeroblob(16), '1.0', 12, 0, 0, 9000000000)",
        contacts,
    )
    db.executemany(
        "INSERT INTO device_position (device, receiver, at_ms, time_source, known_ms, lat_e7, lon_e7, accuracy_m, speed_cm_s, "
        "heading_c) VALUES (?, ?, ?, 'device', ?, ?, ?, 5, 1200, 9000)",
        [
            (
                _name(van),
                f"{_name(van)}.gps",
                past.now_ms,
                past.now_ms,
                310_000_000 + van * 9_000,
                1_210_000_000 + van * 7_919,
            )
            for van in range(VANS)
        ],
    )
    each_ms = (past.now_ms - past.from_ms - 2 * DAY_MS) // OLD_TRIPS
    db.executemany(
        "INSERT INTO trip (id, device, from_ms, to_ms, until_ms, parcels, aboard, known_ms) VALUES (?, ?, ?, ?, ?, 75, 0, ?)",
        [
            (sha256(b"%d" % n).hexdigest()[:32], _name(n % VANS), at_ms, *[at_ms + 8 * HOUR_MS] * 3)
            for n in range(OLD_TRIPS)
            for at_ms in (past.from_ms + n * each_ms,)
        ],
    )
    db.executemany(
        "INSERT INTO incident (key, kind, device, detail, first_ms, last_ms, count, closed_by) "
        "VALUES (?, 'reading_conflict', ?, 'two different readings at one instant; both are kept', ?, ?, 1, '')",
        [(f"reading_conflict:{n}", _name(n), *[past.now_ms - n * HOUR_MS] * 2) for n in range(INCIDENTS)],
    )
    seen = (past.now_ms, past.now_ms - 2 * DAY_MS)
    db.execute(
        "UPDATE excursion SET ack_who = 'w.chen', ack_why = 'load checked', ack_ms = ?, ack_covers = 1 WHERE ended_ms < ?",
        seen,
    )
