"""Hubs with people, devices, parcels and sensors for tests of the web side, on real SQLite."""

import itertools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, insert

from contract.event import Decision
from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.service import create_token, create_user, start_session
from hub.app import create_app
from hub.coldchain.tables import reading, sensor, sensor_latest
from hub.context import HubContext
from hub.db import Database
from hub.live import LiveBus
from hub.schema import open_database
from hub.tables import device, device_contact, incident
from hub.tracking.tables import custody_event, parcel, parcel_term

with warnings.catch_warnings():
    # It wants httpx's successor, which our other parts do not use.
    warnings.simplefilter("ignore", DeprecationWarning)
    from fastapi.testclient import TestClient

NOW_MS = 1_780_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
PASSWORD = "correct horse battery"


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    ms: int = NOW_MS

    def __call__(self) -> int:
        return self.ms


@dataclass
class SeededHub:
    """A hub's web side over a real database."""

    database: Database
    clock: Clock
    live: LiveBus
    decisions: list[Decision] = field(default_factory=list)
    ready: bool = True

    def context(self) -> HubContext:
        def decide(decision: Decision) -> bytes:
            self.decisions.append(decision)
            return bytes(32)

        return HubContext(
            database=self.database, live=self.live, decide=decide, now_ms=self.clock, ready=lambda: self.ready
        )

    def client(self) -> TestClient:
        return TestClient(create_app(self.context()), follow_redirects=False)

    def session(self, role: Role = Role.VIEWER) -> str:
        """The secret of a signed-in person of this role."""
        name = f"{role.value}-{next(_names)}"
        with self.database.write() as tx:
            create_user(tx, name, role, PASSWORD, now_ms=self.clock())
            return start_session(tx, name, now_ms=self.clock())

    def token(self, role: Role = Role.VIEWER) -> str:
        with self.database.write() as tx:
            return create_token(tx, role, "test", 1, now_ms=self.clock())

    def signed_in(self, role: Role = Role.VIEWER) -> TestClient:
        client = self.client()
        client.cookies.set(SESSION_COOKIE, self.session(role))
        return client


_names = itertools.count(1)


@contextmanager
def seeded_hub(folder: Path, clock: Clock | None = None) -> Iterator[SeededHub]:
    clock = clock or Clock()
    database = open_database(folder)
    try:
        yield SeededHub(database, clock, LiveBus(clock))
    finally:
        database.close()


def add_device(
    tx: Connection,
    name: str,
    *,
    contact_ms: int | None = NOW_MS,
    place: str = "",
    backlog: int = 0,
    offset_ms: int = 120,
) -> None:
    tx.execute(insert(device).values(id=name, key=bytes(32), place=place, enrolled_ms=NOW_MS - 90 * HOUR_MS))
    if contact_ms is not None:
        tx.execute(
            insert(device_contact).values(
                device=name,
                contact_ms=contact_ms,
                incarnation=bytes(16),
                boot=bytes(16),
                version="0.1.0",
                clock_offset_ms=offset_ms,
                backlog_facts=backlog,
                backlog_blobs=0,
                oldest_at_ms=contact_ms - HOUR_MS if backlog else None,
                room_bytes=10**9,
                room_s=38 * 3600,
            )
        )


def add_sensor(
    tx: Connection,
    number: int,
    name: str,
    *,
    value: int | None = 520,
    at_ms: int = NOW_MS,
    quantity: str = "temperature_c",
    history: tuple[tuple[int, int | None], ...] = (),
) -> None:
    """A sensor `{device}.{driver}.{name}`, read every 10 s; `history` is (at_ms, hundredths)."""
    owner = name.partition(".")[0]
    tx.execute(insert(sensor).values(number=number, sensor=name, device=owner, quantity=quantity, last_ms=at_ms))
    tx.execute(
        insert(sensor_latest).values(
            sensor=number,
            at_ms=at_ms,
            value=value,
            flags=0 if value is not None else 1,
            known_ms=at_ms + 500,
            interval_ms=10_000,
            time_source="device",
        )
    )
    if history:
        tx.execute(insert(reading), [{"sensor": number, "at_ms": at, "value": v, "flags": 0} for at, v in history])


def add_parcels(tx: Connection, rows: list[dict[str, object]]) -> None:
    """Parcels by what differs from one that was loaded into `van-1` a minute ago."""
    made = []
    for number, row in enumerate(rows):
        key = str(row.get("parcel", f"JD{number:016d}"))
        happened = int(str(row.get("step_ms", NOW_MS - MINUTE_MS)))
        known = int(str(row.get("step_known_ms", happened + 900)))
        made.append(
            {
                "parcel": key,
                "kind": "carrier",
                "step": "loaded",
                "status": "in_transit",
                "step_ms": happened,
                "step_known_ms": known,
                "step_source": "device",
                "step_uncertainty_ms": None,
                "step_fact_id": number.to_bytes(32, "big"),
                "step_device": "van-1",
                "step_actor": "w.chen",
                "step_place": "dock-4",
                "known_ms": known,
                "seen_ms": happened,
                "seen_known_ms": known,
                "seen_source": "device",
                "seen_device": row.get("step_device", "van-1"),
                "seen_place": row.get("step_place", "dock-4"),
                "route": "",
                "events": 1,
                **row,
            }
        )
    tx.execute(insert(parcel), made)
    tx.execute(insert(parcel_term), [{"term": str(r["parcel"]).casefold(), "parcel": r["parcel"]} for r in made])


def add_event(tx: Connection, key: str, step: str, happened_ms: int, **values: object) -> None:
    number = next(_names)
    tx.execute(
        insert(custody_event).values(
            **{
                "fact_id": b"event" + number.to_bytes(27, "big"),
                "parcel": key,
                "kind": "scan",
                "step": step,
                "happened_ms": happened_ms,
                "time_source": "device",
                "known_ms": happened_ms + 800,
                "device": "van-1",
                "incarnation": bytes(16),
                "ord": number,
                "boot": bytes(16),
                "at_ms": happened_ms,
                "mono_ms": 1000,
                "clock": "synced",
                "actor": "w.chen",
                "place": "dock-4",
                "code": key.encode(),
                "aim": "]C1",
                "code_kind": "carrier",
                "port": "usb0",
                **values,
            }
        )
    )


def add_incident(tx: Connection, kind: str, owner: str, detail: str = "", last_ms: int = NOW_MS - HOUR_MS) -> None:
    tx.execute(
        insert(incident).values(
            key=f"{kind}:{owner}",
            kind=kind,
            device=owner,
            detail=detail,
            first_ms=last_ms,
            last_ms=last_ms,
            count=1,
            closed_by="",
        )
    )
