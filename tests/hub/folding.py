"""Facts for tests of projections, a database for them, and dumps to compare."""

import atexit
import functools
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, select
from sqlalchemy.pool import StaticPool

from contract.columns import Reading, pack_readings
from contract.event import ClockFix, Event, Outcome, Proof, Quantity, Readings, Scan, Status, Step
from contract.fact import CORE_VERSION, Clock, Fact, encode_core, fact_id
from hub.coldchain.tables import sensor
from hub.projections import all_projections
from hub.projector import LedgerFact
from hub.schema import metadata

T0 = 1_780_000_000_000
"""An instant in 2026."""
BOOTED_BEFORE_MS = 100_000_000
BOOT = b"b" * 16
INCARNATION = b"i" * 16


def engine() -> Engine:
    """An empty database in memory, with all tables. A statement is compiled once for all of them: that took a fifth."""
    like = _first()
    pool = StaticPool(lambda: sqlite3.connect(":memory:", check_same_thread=False))  # type: ignore[arg-type]  # it is one
    made = Engine(pool, like.dialect, like.url)
    made.update_execution_options(compiled_cache=_compiled)
    _sqlite(made).deserialize(_all_tables())
    return made


_compiled: dict[Any, Any] = {}


@functools.cache
def _first() -> Engine:
    made = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(made)
    return made


@functools.cache
def _all_tables() -> bytes:
    """Made once: a property asks for hundreds of them."""
    return bytes(_sqlite(_first()).serialize())


def _sqlite(made: Engine) -> sqlite3.Connection:
    with made.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        return driver


class Ledger:
    """Makes facts in the order of one device's counter and gives each its receipt."""

    def __init__(self) -> None:
        self.facts: list[LedgerFact] = []

    def add(
        self,
        event: Event,
        *,
        at_ms: int = T0,
        mono_ms: int | None = None,
        received_ms: int | None = None,
        clock: Clock = Clock.SYNCED,
        device: str = "van-1",
        boot: bytes = BOOT,
        incarnation: bytes = INCARNATION,
        actor: str = "w.chen",
    ) -> LedgerFact:
        n = len(self.facts) + 1
        mono = at_ms - T0 + BOOTED_BEFORE_MS if mono_ms is None else mono_ms
        salt = n.to_bytes(8, "big")
        fact = Fact(CORE_VERSION, device, incarnation, boot, n, salt, at_ms, max(mono, 0), clock, actor, event)
        core = encode_core(fact)
        received = max(at_ms, T0) + 60_000 if received_ms is None else received_ms
        self.facts.append(LedgerFact(n, fact_id(core), fact, received))
        return self.facts[-1]


def scan(parcel: str = "P1", step: Step = Step.LOADED, place: str = "dock-4", **more: Any) -> Scan:
    return Scan(
        code=parcel.encode(), aim="]C0", kind="plain", parcel=parcel, step=step, place=place, port="usb", **more
    )


def proof(outcome: Outcome, delivered: Iterable[str] = (), refused: Iterable[str] = (), **more: Any) -> Proof:
    return Proof("stop-1", outcome, tuple(delivered), tuple(refused), **more)


def fix(hub_ms: int, mono_ms: int, uncertainty_ms: int = 20, boot: bytes = BOOT) -> Status:
    return Status(ClockFix(boot, mono_ms, hub_ms, uncertainty_ms))


def block(
    readings: Sequence[tuple[int, int | None]],
    *,
    base_at_ms: int = T0,
    base_mono_ms: int | None = None,
    sensor_id: str = "van-1.probe.air",
    replaces: bytes | None = None,
    flags: int = 0,
    interval_ms: int = 10_000,
) -> Readings:
    mono_ms = base_at_ms - T0 + BOOTED_BEFORE_MS if base_mono_ms is None else base_mono_ms
    packed = pack_readings([Reading(offset, value, flags) for offset, value in readings], interval_ms)
    return Readings(
        sensor_id, Quantity.TEMPERATURE_C, base_at_ms, mono_ms, interval_ms, len(readings), packed, replaces
    )


PROJECTIONS = all_projections()


def fold(tx: Connection, facts: Sequence[LedgerFact]) -> list[tuple[str, str]]:
    return [(c.topic, c.key) for projection in PROJECTIONS for c in projection.fold(tx, facts)]


def dump(tx: Connection) -> dict[str, list[dict[str, Any]]]:
    """All rows of all projections, in an order of their own; sensors by name, as their numbers follow the ledger's order."""
    names = {row.number: row.sensor for row in tx.execute(select(sensor))}
    tables: dict[str, Table] = {table.name: table for projection in PROJECTIONS for table in projection.tables}
    return {name: _rows(tx, table, names) for name, table in tables.items()}


def _rows(tx: Connection, table: Table, names: dict[int, str]) -> list[dict[str, Any]]:
    rows = [dict(row) for row in tx.execute(select(table)).mappings()]
    for row in rows:
        row.pop("number", None)
        if isinstance(row.get("sensor"), int):
            row["sensor"] = names[row["sensor"]]
    return sorted(rows, key=repr)


def folded(batches: Iterable[Sequence[LedgerFact]]) -> dict[str, list[dict[str, Any]]]:
    """The dump after folding these batches one after the other into an empty database."""
    made = _reused()
    _sqlite(made).deserialize(_all_tables())
    with made.begin() as tx:
        for facts in batches:
            fold(tx, facts)
        return dump(tx)


@functools.cache
def _reused() -> Engine:
    """One for all properties: a new engine would compile all statements anew. Closed when the tests end."""
    made = engine()
    atexit.register(made.dispose)
    return made
