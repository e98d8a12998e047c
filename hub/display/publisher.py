"""Tells displays at the broker what changed: after the commit, the latest only, and no faster than a small screen can follow.

What a broker retains is gone when it is started again, so each time the hub's connection comes up all is said anew.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import monotonic
from typing import Final, Protocol

import structlog
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from hub.coldchain.excursions import find_excursion
from hub.coldchain.tables import sensor as sensor_table
from hub.db import Database
from hub.display.messages import OVER, SHOWN_AFTER_END_MS, SHOWN_UNSEEN_MS, parcel_message, sensor_message
from hub.display.topics import parcel_topic, sensor_topic
from hub.live import Changed, LiveBus
from hub.tracking.tables import parcel as parcel_table

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ROUND_S: Final = 0.5
ROUND_MESSAGES: Final = 200
"""400 a second: a fleet of 10,000 sensors sealing a block a minute changes 170 a second."""
MAX_WAITING: Final = 100_000
"""Where more changes at once (a rebuild), everything that is shown is said anew instead."""
SNAPSHOT_PARCELS: Final = 40_000
"""The latest seen; more is no display's business."""
SWEEP_S: Final = 60.0
SWEEP_BACK_MS: Final = 2 * 24 * 3_600_000
"""How long a hub may have been away and still take back what a broker that went on retains."""


class Link(Protocol):
    """The hub's connection to the broker (`hub.broker.link.BrokerLink`)."""

    @property
    def up(self) -> bool:
        """Whether what is said arrives."""

    @property
    def connects(self) -> int:
        """How often the connection came up."""

    def show(self, topic: str, payload: bytes) -> None:
        """Say something to displays; it is retained."""


class DisplayPublisher:
    """Collects what changed from any thread (`offer`), and says it in rounds (`round`) of one thread."""

    def __init__(self, database: Database, link: Link, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._link = link
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], None] = {}
        self._connects = 0
        self._swept_ms: int | None = None
        self._sweep_due_s = 0.0

    def offer(self, changes: Sequence[Changed]) -> None:
        """Note what changed; a thing that changes again before its turn is said once."""
        with self._lock:
            for change in changes:
                if change.topic in {"parcel", "sensor", "excursion"}:
                    self._waiting.setdefault((change.topic, change.key))
            if len(self._waiting) > MAX_WAITING:
                self._waiting.clear()
                self._connects = 0
                self._swept_ms, self._sweep_due_s = None, 0.0

    def round(self) -> int:
        """Say what waits, up to ROUND_MESSAGES; how much was said."""
        if not (self._link.up and self._has_work()):
            return 0
        with self._database.read() as tx:
            self._follow_connection(tx)
            self._sweep(tx)
            with self._lock:
                turn = list(islice(self._waiting, ROUND_MESSAGES))
                for told in turn:
                    del self._waiting[told]
            try:
                for topic, key in turn:
                    self._say(tx, topic, key)
            except BaseException:
                # What was said is said once more; what was not would stay wrong on the walls.
                with self._lock:
                    self._waiting = dict.fromkeys([*turn, *self._waiting])
                raise
        return len(turn)

    def _has_work(self) -> bool:
        return bool(self._waiting) or self._link.connects != self._connects or monotonic() >= self._sweep_due_s

    def _say(self, tx: Connection, topic: str, key: str) -> None:
        match topic:
            case "parcel":
                self._link.show(parcel_topic(key), parcel_message(tx, key, self._now_ms()))
            case "sensor":
                self._link.show(sensor_topic(key), sensor_message(tx, key))
            case _:
                found = find_excursion(tx, key)
                if found is not None:
                    self._link.show(sensor_topic(found.sensor), sensor_message(tx, found.sensor))

    def _follow_connection(self, tx: Connection) -> None:
        connects = self._link.connects
        if connects == self._connects:
            return
        self._connects = connects
        sensors = tx.execute(select(sensor_table.c.sensor)).scalars().all()
        c, now_ms = parcel_table.c, self._now_ms()
        ended = c.status.in_([status.value for status in OVER])
        shown = (~ended & (c.seen_ms >= now_ms - SHOWN_UNSEEN_MS)) | (c.seen_ms >= now_ms - SHOWN_AFTER_END_MS)
        query = select(c.parcel).where(shown).order_by(c.seen_ms.desc()).limit(SNAPSHOT_PARCELS)
        parcels = tx.execute(query).scalars().all()
        with self._lock:
            for topic, keys in (("sensor", sensors), ("parcel", parcels)):
                self._waiting.update(dict.fromkeys((topic, key) for key in keys))

    def _sweep(self, tx: Connection) -> None:
        """Take back what was delivered, or not heard of, long enough ago."""
        if monotonic() < self._sweep_due_s:
            return
        self._sweep_due_s = monotonic() + SWEEP_S
        now_ms = self._now_ms()
        since_ms = now_ms - SWEEP_BACK_MS if self._swept_ms is None else self._swept_ms
        c = parcel_table.c
        over = c.status.in_([status.value for status in OVER])
        ended = over & c.seen_ms.between(since_ms - SHOWN_AFTER_END_MS, now_ms - SHOWN_AFTER_END_MS)
        unseen = ~over & c.seen_ms.between(since_ms - SHOWN_UNSEEN_MS, now_ms - SHOWN_UNSEEN_MS)
        gone = tx.execute(select(c.parcel).where(ended | unseen)).scalars()
        with self._lock:
            self._waiting.update(dict.fromkeys(("parcel", key) for key in gone))
        self._swept_ms = now_ms


@contextmanager
def showing(database: Database, live: LiveBus, link: Link, now_ms: Callable[[], int]) -> Iterator[None]:
    """Tell displays what changes while the block runs."""
    publisher = DisplayPublisher(database, link, now_ms)
    live.tell(publisher.offer)
    ended = threading.Event()

    def run() -> None:
        while not ended.wait(ROUND_S):
            try:
                publisher.round()
            except SQLAlchemyError as error:
                log.warning("displays could not be told", why=str(error))

    thread = threading.Thread(target=run, name="displays", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
