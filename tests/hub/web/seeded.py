"""Hubs with people, devices, parcels and sensors for tests of the web side, on real SQLite."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from fastapi.testclient import TestClient
from sqlalchemy import Connection, insert

from contract.columns import FAULT, Reading, pack_readings
from contract.event import Decision, Event, Outcome, Proof, Quantity, Readings, Scan, Step, Verdict
from contract.fact import Clock
from contract.limits import MAX_BLOCK_READINGS
from hub.accounts.deps import SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.service import create_token, create_user, start_session
from hub.app import create_app
from hub.context import HubContext
from hub.db import Database
from hub.live import LiveBus
from hub.projector import Change
from hub.schema import open_database
from hub.tables import device, device_contact, incident
from tests.hub.folding import PROJECTIONS, Ledger

NOW_MS = 1_780_000_000_000
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
EVERY_MS = 10_000
BOOTED_MS = NOW_MS - 2_000 * HOUR_MS
PASSWORD = "correct horse battery"


@dataclass
class HubClock:
    """A clock that stands until it is moved."""

    ms: int = NOW_MS

    def __call__(self) -> int:
        return self.ms


@dataclass
class RunningClock(HubClock):
    """A clock that also goes on by itself."""

    began_s: float = field(default_factory=monotonic)

    def __call__(self) -> int:
        return self.ms + int((monotonic() - self.began_s) * 1000)


@dataclass
class SeededHub:
    """A hub's web side over a real database."""

    database: Database
    clock: HubClock
    live: LiveBus
    decisions: list[Decision] = field(default_factory=list)
    ready: bool = True
    on_decide: Callable[[Decision], None] = lambda _: None
    """What follows from a decision; a served hub folds it before it answers."""

    def context(self) -> HubContext:
        def decide(decision: Decision) -> bytes:
            self.decisions.append(decision)
            self.on_decide(decision)
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
def seeded_hub(folder: Path, clock: HubClock | None = None) -> Iterator[SeededHub]:
    clock = clock or HubClock()
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


class Story:
    """Facts of devices, folded by the hub's own projections."""

    def __init__(self) -> None:
        self.ledger = Ledger()

    def scan(
        self,
        parcel: str,
        step: Step = Step.LOADED,
        *,
        at_ms: int = NOW_MS - MINUTE_MS,
        known_ms: int | None = None,
        device: str = "van-1",
        place: str = "dock-4",
        actor: str = "w.chen",
        code: bytes | None = None,
        clock: Clock = Clock.SYNCED,
        verdict: Verdict = Verdict.EXPECTED,
    ) -> None:
        event = Scan(parcel.encode() if code is None else code, "]C1", "carrier", parcel, step, place, "usb0", verdict)
        self._add(event, at_ms, known_ms, device, actor, clock=clock)

    def proof(
        self,
        parcel: str,
        outcome: Outcome = Outcome.DELIVERED,
        *,
        at_ms: int,
        known_ms: int | None = None,
        device: str = "van-1",
        actor: str = "w.chen",
        recipient: str = "",
    ) -> None:
        got = (parcel,) if outcome is Outcome.DELIVERED else ()
        refused = () if got else (parcel,)
        self._add(Proof("stop-17", outcome, got, refused, recipient=recipient), at_ms, known_ms, device, actor)

    def readings(
        self,
        sensor: str,
        values: Sequence[int | None] = (520,),
        *,
        at_ms: int = NOW_MS,
        known_ms: int | None = None,
        quantity: Quantity = Quantity.TEMPERATURE_C,
    ) -> None:
        """One value every 10 s in hundredths, the last at `at_ms`; None is a fault."""
        for start in range(0, len(values), MAX_BLOCK_READINGS):
            part = values[start : start + MAX_BLOCK_READINGS]
            base = at_ms - (len(values) - 1 - start) * EVERY_MS
            offsets = (Reading(i * EVERY_MS, v, FAULT if v is None else 0) for i, v in enumerate(part))
            columns = pack_readings(list(offsets), EVERY_MS)
            block = Readings(sensor, quantity, base, base - BOOTED_MS, EVERY_MS, len(part), columns)
            last = base + (len(part) - 1) * EVERY_MS
            self._add(block, last, known_ms, sensor.partition(".")[0], "")

    def decide(
        self,
        action: str,
        subject: str,
        detail: str,
        *,
        at_ms: int,
        why: str = "",
        who: str = "w.chen",
    ) -> None:
        """What a person decides at the hub."""
        self._add(Decision(action, (), who, why, subject, detail), at_ms, None, "hub", who)

    def _add(
        self,
        event: Event,
        at_ms: int,
        known_ms: int | None,
        device: str,
        actor: str,
        *,
        clock: Clock = Clock.SYNCED,
    ) -> None:
        received = at_ms + 900 if known_ms is None else known_ms
        self.ledger.add(
            event, at_ms=at_ms, mono_ms=at_ms - BOOTED_MS, received_ms=received, device=device, actor=actor, clock=clock
        )

    def tell(self, tx: Connection) -> list[Change]:
        facts, self.ledger.facts = self.ledger.facts, []
        return [change for projection in PROJECTIONS for change in projection.fold(tx, facts)]


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
