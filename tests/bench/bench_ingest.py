"""How much a hub takes in, committed with all its projections; how soon a page shows it; how much it grows by it."""

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any
from unittest.mock import patch

import uvicorn
from sqlalchemy import create_engine, event, func, select
from sqlmodel import Session

from contract.coldchain.presets import PHARMA_2_8
from contract.delivery.hub_actions import IncidentKind
from contract.event import Decision, Lane
from hub.accounts.roles import Role
from hub.accounts.service import create_token
from hub.app import create_app
from hub.centre import Centre, open_centre
from hub.coldchain.decisions import ASSIGN_PROFILE
from hub.coldchain.tables import judged_sensor, reading
from hub.collector import relax_collector, settle_collector
from hub.context import HubContext
from hub.enrolment import enrol
from hub.ingest import Ingest, Outlets
from hub.intake import Incoming
from hub.live import FLUSH_S, LiveBus
from hub.projector import Change
from hub.tables import incident
from hub.tracking import projection as tracking_projection
from hub.tracking.tables import CustodyEventRow, custody_event
from hub.trips.retelling import retell_stays, retell_trips
from tests.bench.figure import Figure
from tests.bench.hub_load import START_MS, Talker, poisoned, readings, scans, talkers

IDS = (
    "ingest.scans_per_s",
    "ingest.readings_per_s",
    "ingest.readings_mixed_per_s",
    "ingest.readings_in_contact_per_s",
    "ingest.readings_judged_per_s",
    "ingest.readings_judged_in_contact_per_s",
    "ingest.stays_us",
    "ingest.poison_delay_p99_ms",
    "ingest.display_p99_ms",
    "hub.ledger_bytes_per_sensor_day",
    "hub.ledger_bytes_per_sensor_day_offline",
)
AIM_SCANS_PER_S = 10_000
AIM_READINGS_PER_S = 100_000
AIM_POISON_MS = 1_000
AIM_DISPLAY_MS = 300

NOW_MS = START_MS + 30 * 86_400_000
DEVICES = 100
SCANS = 30_000
SCANS_PER_MESSAGE = 100
GROUP_ROWS = 10_000
"""Rows of one transaction of a peer; about what one of ingest's groups holds."""
OFFLINE = (512, 512, 512, 512)
"""Blocks of a device's four sensors that fill while it is away."""
MIXED = (512, 120, 12, 6)
"""After a night, after twenty minutes, and in contact with a reading every 5 or 10 s."""
IN_CONTACT = (6, 6, 6, 6)
MIXED_SCANS = 10
"""In each device's turn, beside its blocks."""


def figures(folder: Path) -> Iterator[Figure]:
    """Measure."""
    relax_collector()
    settle_collector()
    yield _scans(folder)
    offline = list(readings(talkers(DEVICES), 500_000, block_sizes=OFFLINE))
    unjudged = _readings(folder, "ingest.readings_per_s", offline, AIM_READINGS_PER_S)
    yield unjudged
    yield _mixed(folder)
    contact = list(readings(talkers(DEVICES), 60_000, block_sizes=IN_CONTACT))
    met = _readings(folder, "ingest.readings_in_contact_per_s", contact)
    yield met
    yield _judged(folder, "ingest.readings_judged_per_s", offline, unjudged, AIM_READINGS_PER_S)
    yield _judged(folder, "ingest.readings_judged_in_contact_per_s", contact, met)
    yield _stays(folder)
    yield _poison(folder)
    yield _display(folder)
    yield _growth(folder, "hub.ledger_bytes_per_sensor_day", IN_CONTACT)
    yield _growth(folder, "hub.ledger_bytes_per_sensor_day_offline", OFFLINE)


# -- a hub without a broker ------------------------------------------------------------------------------------------


@dataclass
class Hub:
    """A hub's own ingest over a database on disk."""

    centre: Centre
    committed: list[Sequence[Change]] = field(default_factory=list)

    def take(self, messages: Iterable[Incoming]) -> float:
        """Let ingest work until nothing waits; seconds."""
        ingest = Ingest(self.centre, Outlets(publish=lambda *_: None, on_committed=self.committed.append))
        for message in messages:
            ingest.offer(message)
        ingest.stop()
        began_s = time.perf_counter()
        ingest.run()
        assert ingest.counts.dropped == ingest.counts.rejected == 0
        return time.perf_counter() - began_s


@contextmanager
def _hub(folder: Path, devices: Sequence[Talker], now_ms: Callable[[], int] = lambda: NOW_MS) -> Iterator[Hub]:
    with open_centre(folder, now_ms=now_ms) as centre:
        with centre.db.write() as tx:
            for device in devices:
                enrol(tx, device.name, "", NOW_MS, key=device.key)
            centre.registry.reload(tx)
        yield Hub(centre)


# -- throughput ------------------------------------------------------------------------------------------------------


def _scans(folder: Path) -> Figure:
    devices = talkers(DEVICES)
    messages = list(scans(devices, SCANS, per_message=SCANS_PER_MESSAGE))
    with _hub(folder / "scans", devices) as hub:
        taken_s = hub.take(messages)
        with hub.centre.db.read() as tx:
            rows = [dict(row) for row in tx.execute(select(custody_event)).mappings()]
    assert len(rows) == SCANS
    peer = len(rows) / _by_orm(folder / "orm.db", rows)
    return Figure(
        "ingest.scans_per_s",
        SCANS / taken_s,
        "scans/s",
        "the same events by SQLModel's add_all into one table",
        peer,
        f"at least {AIM_SCANS_PER_S}",
        SCANS / taken_s >= AIM_SCANS_PER_S,
    )


def _by_orm(path: Path, rows: Sequence[dict[str, Any]]) -> float:
    """Seconds for the same rows as objects, added group by group."""
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def durable(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    custody_event.create(engine)
    began_s = time.perf_counter()
    for start in range(0, len(rows), GROUP_ROWS):
        with Session(engine) as session:
            session.add_all([CustodyEventRow(**row) for row in rows[start : start + GROUP_ROWS]])
            session.commit()
    took_s = time.perf_counter() - began_s
    engine.dispose()
    return took_s


def _mixed(folder: Path) -> Figure:
    devices = talkers(DEVICES)
    blocks = list(readings(devices, 300_000, block_sizes=MIXED))
    codes = list(scans(devices, MIXED_SCANS * len(blocks), per_message=MIXED_SCANS))
    messages = [message for pair in zip(blocks, codes, strict=False) for message in pair]
    note = f"and {MIXED_SCANS * len(blocks):,} scans between them"
    return _readings(folder, "ingest.readings_mixed_per_s", messages, AIM_READINGS_PER_S, note)


def _readings(
    folder: Path, figure_id: str, messages: Sequence[Incoming], aim: int | None = None, note: str = ""
) -> Figure:
    with _hub(folder / figure_id, talkers(DEVICES)) as hub:
        taken_s = hub.take(messages)
        with hub.centre.db.read() as tx:
            rows = [tuple(row) for row in tx.execute(select(reading))]
            assert tx.execute(select(incident)).all() == []
    peer = len(rows) / _by_hand(folder / f"{figure_id}.db", rows)
    rate = len(rows) / taken_s
    return Figure(
        figure_id,
        rate,
        "readings/s",
        "the same readings by sqlite3's executemany into one table",
        peer,
        f"at least {aim}" if aim else "",
        aim is None or rate >= aim,
        note,
    )


def _judged(
    folder: Path, figure_id: str, messages: Sequence[Incoming], unjudged: Figure, aim: int | None = None
) -> Figure:
    """The same readings where each sensor has a profile before its first reading comes."""
    devices = talkers(DEVICES)
    began_s = time.perf_counter()

    def now_ms() -> int:
        # What is received at one instant is one piece of news, and judged together: a clock that stands would add work.
        return NOW_MS + int(1000 * (time.perf_counter() - began_s))

    with _hub(folder / figure_id, devices, now_ms) as hub:
        for device in devices:
            for nr in range(len(OFFLINE)):
                detail = json.dumps({"profile": PHARMA_2_8.name, "from_ms": START_MS})
                sensor = f"{device.name}.fridge.air{nr}"
                hub.centre.decide(Decision(ASSIGN_PROFILE, (), "w.chen", "", sensor, detail))
        taken_s = hub.take(messages)
        with hub.centre.db.read() as tx:
            count = tx.scalar(select(func.count()).select_from(reading)) or 0
            stands = tx.scalar(
                select(func.count()).select_from(judged_sensor).where(judged_sensor.c.course.is_not(None))
            )
            assert stands == len(devices) * len(OFFLINE), f"{stands} sensors are judged"
    rate = count / taken_s
    return Figure(
        figure_id,
        rate,
        "readings/s",
        f"{unjudged.id}: the same without profiles",
        unjudged.value,
        f"at least {aim}" if aim else "",
        aim is None or rate >= aim,
    )


def _stays(folder: Path) -> Figure:
    """What telling stays and trips anew adds to each custody fact."""
    devices = talkers(DEVICES)
    messages = list(scans(devices, SCANS, per_message=SCANS_PER_MESSAGE))
    spent_s = 0.0

    def timed(told: Callable[..., Any]) -> Callable[..., list[Any]]:
        def run(*args: Any) -> list[Any]:
            nonlocal spent_s
            began_s = time.perf_counter()
            done = list(told(*args) or ())
            spent_s += time.perf_counter() - began_s
            return done

        return run

    with (
        _hub(folder / "stays", devices) as hub,
        patch.object(tracking_projection, "retell_stays", timed(retell_stays)),
        patch.object(tracking_projection, "retell_trips", timed(retell_trips)),
    ):
        taken_s = hub.take(messages)
    return Figure(
        "ingest.stays_us",
        1e6 * spent_s / SCANS,
        "us a scan",
        "all that ingest does for a scan",
        1e6 * taken_s / SCANS,
        note=f"stays and trips told anew; {SCANS_PER_MESSAGE} scans to a batch",
    )


def _by_hand(path: Path, rows: Sequence[tuple[object, ...]]) -> float:
    """Seconds for the rows alone: no ledger, no identity, no blocks."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    columns = "sensor INTEGER, at_ms INTEGER, value INTEGER, flags INTEGER, PRIMARY KEY (sensor, at_ms)"
    db.execute(f"CREATE TABLE reading ({columns}) WITHOUT ROWID")
    began_s = time.perf_counter()
    for start in range(0, len(rows), GROUP_ROWS):
        db.execute("BEGIN IMMEDIATE")
        db.executemany("INSERT INTO reading VALUES (?, ?, ?, ?)", rows[start : start + GROUP_ROWS])
        db.execute("COMMIT")
    took_s = time.perf_counter() - began_s
    db.close()
    return took_s


def _poison(folder: Path) -> Figure:
    """Each group has one fact that breaks a projection; how long the others of the group take with it and without it."""
    groups = 100
    delays = []
    for name, poison in (("poison", True), ("sound", False)):
        devices = talkers(DEVICES)
        messages = list(scans(devices, groups * 200, per_message=50))
        with _hub(folder / name, devices) as hub:
            took = []
            for n in range(groups):
                group = messages[n * 4 : n * 4 + 4]
                if poison:
                    group.insert(2, devices[n % DEVICES].batch(Lane.TELEMETRY, [poisoned(devices[n % DEVICES])]))
                took.append(hub.take(group))
            with hub.centre.db.read() as tx:
                kinds = {row.kind for row in tx.execute(select(incident))}
            assert kinds == ({IncidentKind.QUARANTINE.value} if poison else set())
        delays.append(1000 * quantiles(took, n=100)[98])
    return Figure(
        "ingest.poison_delay_p99_ms",
        delays[0],
        "ms",
        "the same groups without",
        delays[1],
        f"at most {AIM_POISON_MS}",
        delays[0] <= AIM_POISON_MS,
    )


# -- the display -----------------------------------------------------------------------------------------------------

DISPLAY_S = 12.0
SCAN_EVERY_S = 0.02
BLOCKS_EVERY_S = 0.04
"""Four blocks of six: 600 readings a second, as of 1,500 sensors read every 2.5 s or 6,000 every 10 s."""


class Page:
    """A browser's connection to `GET /api/v1/live`: when it was sent the first word of each parcel."""

    def __init__(self, port: int, token: str) -> None:
        self.shown_s: dict[str, float] = {}
        self._rest = b""
        self._socket = socket.create_connection(("127.0.0.1", port))
        head = f"GET /api/v1/live HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._socket.sendall(head.encode())
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := self._socket.recv(65536):
            now_s = time.perf_counter()
            *lines, self._rest = (self._rest + piece).split(b"\n")
            for line, following in pairwise(lines):
                if line == b"event: parcel":
                    self.shown_s.setdefault(json.loads(following.removeprefix(b"data: "))["key"], now_s)

    def close(self) -> None:
        """Leave."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()


def _display(folder: Path) -> Figure:
    began_s = time.perf_counter()

    def now_ms() -> int:
        return NOW_MS + int(1000 * (time.perf_counter() - began_s))

    devices = talkers(DEVICES)
    codes = list(scans(devices, int(DISPLAY_S / SCAN_EVERY_S), per_message=1))
    blocks = list(readings(devices, int(DISPLAY_S / BLOCKS_EVERY_S) * sum(IN_CONTACT), block_sizes=IN_CONTACT))
    due = sorted(
        [(n * SCAN_EVERY_S, message) for n, message in enumerate(codes)]
        + [(n * BLOCKS_EVERY_S, message) for n, message in enumerate(blocks)],
        key=lambda pair: pair[0],
    )
    committed_s: list[float] = []
    changed: list[tuple[float, str]] = []
    with _hub(folder / "display", devices, now_ms) as hub:
        live = LiveBus(now_ms)

        def on_committed(changes: Sequence[Change]) -> None:
            changed.extend((committed_s[-1], change.key) for change in changes if change.topic == "parcel")
            live.publish(changes)

        # Devices are answered at once after the commit, before anything is folded.
        outlets = Outlets(publish=lambda *_: committed_s.append(time.perf_counter()), on_committed=on_committed)
        ingest = Ingest(hub.centre, outlets)
        working = threading.Thread(target=ingest.run)
        working.start()
        with hub.centre.db.write() as tx:
            token = create_token(tx, Role.VIEWER, "page", 1, now_ms=now_ms())
        with _pages(HubContext(hub.centre.db, live, lambda _: b"", now_ms)) as port:
            page = Page(port, token)
            _wait(lambda: live.viewers == 1)
            start_s = time.perf_counter()
            for at_s, message in due:
                time.sleep(max(0.0, start_s + at_s - time.perf_counter()))
                ingest.offer(message)
            _wait(lambda: {key for _, key in changed} <= page.shown_s.keys() and ingest.queued == 0)
            page.close()
            live.close()
        ingest.stop()
        working.join()
    # A parcel is scanned again while its page still waits for the first word; the older commit counts.
    first: dict[str, float] = {}
    for commit_s, key in changed:
        first.setdefault(key, commit_s)
    waits_ms = [1000 * (page.shown_s[key] - commit_s) for key, commit_s in first.items()]
    worst_ms = quantiles(waits_ms, n=100)[98]
    return Figure(
        "ingest.display_p99_ms",
        worst_ms,
        "ms",
        "what the live bus gathers changes for",
        1000 * FLUSH_S,
        f"at most {AIM_DISPLAY_MS}",
        worst_ms <= AIM_DISPLAY_MS,
        f"{1 / SCAN_EVERY_S:.0f} scans and {sum(IN_CONTACT) / BLOCKS_EVERY_S:.0f} readings a second; "
        f"median {quantiles(waits_ms, n=2)[0]:.0f} ms",
    )


@contextmanager
def _pages(context: HubContext) -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(create_app(context), port=0, log_level="error", timeout_graceful_shutdown=3))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    _wait(lambda: server.started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def _wait(until: Callable[[], bool]) -> None:
    give_up_s = time.perf_counter() + 60
    while not until():
        assert time.perf_counter() < give_up_s, "waited for a minute"
        time.sleep(0.01)


# -- growth ----------------------------------------------------------------------------------------------------------

GROWTH_DEVICES = 10
INTERVAL_MS = 10_000
READINGS_A_DAY = 86_400_000 // INTERVAL_MS


def _growth(folder: Path, figure_id: str, block_sizes: Sequence[int]) -> Figure:
    devices = talkers(GROWTH_DEVICES)
    sensors = GROWTH_DEVICES * len(block_sizes)
    messages = list(readings(devices, sensors * READINGS_A_DAY // 4, block_sizes=block_sizes, interval_ms=INTERVAL_MS))
    with _hub(folder / figure_id, devices) as hub:
        before = _bytes(hub.centre.db.path)
        for start in range(0, len(messages), 100):
            hub.take(messages[start : start + 100])
        with hub.centre.db.read() as tx:
            rows = [tuple(row) for row in tx.execute(select(reading))]
        grown = _bytes(hub.centre.db.path) - before
    days = len(rows) / READINGS_A_DAY
    return Figure(
        figure_id,
        grown / days,
        "bytes",
        "the readings alone as plain rows: sensor id, epoch ms, value; indexed by both",
        _plain_rows(folder / f"{figure_id}.db", rows) / days,
        note=f"a reading every {INTERVAL_MS // 1000} s, {block_sizes[0]} to a block; ledger, chain and blocks included",
    )


def _plain_rows(path: Path, rows: Sequence[tuple[int, int, int, int]]) -> int:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE reading (id INTEGER PRIMARY KEY, sensor TEXT, at_ms INTEGER, value REAL)")
    db.execute("CREATE INDEX ix ON reading (sensor, at_ms)")
    before = _bytes(path)
    db.execute("BEGIN")
    in_order = sorted((at_ms, sensor, value) for sensor, at_ms, value, _ in rows)
    db.executemany(
        "INSERT INTO reading (sensor, at_ms, value) VALUES (?, ?, ?)",
        ((f"van-{sensor // 4:04}.fridge.air{sensor % 4}", at_ms, value / 100) for at_ms, sensor, value in in_order),
    )
    db.execute("COMMIT")
    grown = _bytes(path) - before
    db.close()
    return grown


def _bytes(path: Path) -> int:
    """What the tables and indexes take; free pages and the log not counted."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        (pages,), (free,), (size,) = (
            db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "freelist_count", "page_size")
        )
    db.close()
    return int((pages - free) * size)
