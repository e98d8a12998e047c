"""Corrected time: when a fact happened, by the best that is known, and how sure that is.

A device states three things with each fact: its wall clock, its monotonic clock in this boot, and whether the wall clock was
synchronised. At each contact that tells better it states a fix: at this monotonic instant the hub's clock read so much. From
these follows one time for each fact, the same whatever came first:

- A fix of the same boot carries over along the monotonic clock, and gets vaguer with the distance by DRIFT_PPM. The fix that
  is least vague at the fact's instant counts.
- A synchronised wall clock that agrees with the fix stays (`device`); otherwise the fix counts (`hub_fix`).
- Without a fix the wall clock stays (`device`, or `device_unsynced`), unless it cannot be right: before PLAUSIBLE_FROM_MS, or
  later than the hub knew of it. Then the fact is dated no later than it was received, and facts of that boot keep their
  distances (`received`): at most that late, in the right order, never 1970 and never in the future.

Raw clock values are never overwritten, so a later fix dates the facts of its boot anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, TypeVar

from msgspec import Struct, structs
from sqlalchemy import Connection, RowMapping, Table, bindparam, select, update
from sqlmodel import Field, SQLModel

from contract.event import ClockFix, Status
from contract.fact import Clock
from hub.db import table_of
from hub.ledger import statements
from hub.projector import LedgerFact
from hub.rows import write

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DRIFT_PPM: Final = 50
"""A plain quartz at warehouse to cold-store temperatures; NTP (RFC 5905) reckons with 15 for disciplined ones."""
AGREE_MS: Final = 1_000
"""Network time on a handheld is that good; closer than this, two right clocks cannot be told apart."""
PLAUSIBLE_FROM_MS: Final = 1_704_067_200_000
"""2024-01-01: older than this software, so a clock that says less was never set."""
MAX_AHEAD_MS: Final = 60_000
"""Two synchronised clocks differ by less; a fact cannot be received before it happened."""


class TimeSource(StrEnum):
    """Where a corrected time comes from."""

    DEVICE = "device"
    """The device's own synchronised clock."""
    HUB_FIX = "hub_fix"
    """The hub's clock, carried over along the device's monotonic clock."""
    DEVICE_UNSYNCED = "device_unsynced"
    """The device's clock, which nobody has compared with another."""
    RECEIVED = "received"
    """Only that it was no later than its receipt."""


class ClockFixRow(SQLModel, table=True):
    """A fix that a device stated, by which facts of that boot are dated."""

    __tablename__ = "clock_fix"
    __table_args__ = ({"sqlite_with_rowid": False},)

    device: str = Field(primary_key=True, max_length=64)
    boot: bytes = Field(primary_key=True)
    fact_id: bytes = Field(primary_key=True)
    mono_ms: int
    hub_ms: int
    uncertainty_ms: int


class DatedRow(SQLModel):
    """What every table keeps whose rows are dated here: what the clocks said, and the corrected time that follows."""

    device: str = Field(max_length=64)
    boot: bytes
    at_ms: int
    """The device's wall clock at the row's (first) instant."""
    mono_ms: int
    span_ms: int = 0
    """From the first to the last instant of a block."""
    made_mono_ms: int
    """The monotonic clock when the fact was made."""
    clock: str = Field(max_length=8)
    known_ms: int
    """When the hub took the fact."""
    happened_ms: int
    """Corrected time of the (first) instant."""
    time_source: str = Field(max_length=16)
    uncertainty_ms: int | None = None


clock_fix = table_of(ClockFixRow)

_CLOCKS: Final = {clock.value: clock for clock in Clock}
"""Found five times faster than by calling the class."""

Boot = tuple[str, bytes]
"""A device and the id of one of its boots: the range of one monotonic clock."""


class Stamped(Struct, frozen=True, gc=False):
    """What is known of an instant before it is dated; fields as in `DatedRow`."""

    at_ms: int
    mono_ms: int
    made_mono_ms: int
    clock: Clock
    known_ms: int
    span_ms: int = 0

    @property
    def latest_ms(self) -> int:
        """A first instant after this one would put the last instant into the hub's future."""
        return self.known_ms + MAX_AHEAD_MS - self.span_ms

    @property
    def received_bound_ms(self) -> int:
        """The hub's clock when the device's monotonic clock was 0, at the latest."""
        return self.known_ms - max(self.made_mono_ms, self.mono_ms + self.span_ms)


class Dated(Struct, frozen=True, gc=False):
    """A corrected time. `uncertainty_ms` is None where nothing bounds it."""

    at_ms: int
    source: TimeSource
    uncertainty_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """A row as it was, and where it belongs now."""

    row: RowMapping
    to: Dated


def date(stamp: Stamped, fixes: Sequence[ClockFix], received_bound_ms: int | None = None) -> Dated:
    """The corrected time of one instant.

    Args:
        stamp: what the clocks said.
        fixes: all fixes of that boot, in any order.
        received_bound_ms: the least bound of all facts of that boot that only their receipt dates.
    """
    if fixes and (fixed := _by_fix(stamp, fixes)) is not None:
        return fixed
    if PLAUSIBLE_FROM_MS <= stamp.at_ms <= stamp.latest_ms:
        return Dated(stamp.at_ms, TimeSource.DEVICE if stamp.clock is Clock.SYNCED else TimeSource.DEVICE_UNSYNCED)
    bound_ms = stamp.received_bound_ms if received_bound_ms is None else received_bound_ms
    return Dated(max(0, bound_ms + stamp.mono_ms), TimeSource.RECEIVED)


def _by_fix(stamp: Stamped, fixes: Sequence[ClockFix]) -> Dated | None:
    carried = sorted(
        (fix.uncertainty_ms + abs(stamp.mono_ms - fix.mono_ms) * DRIFT_PPM // 1_000_000, fix.hub_ms - fix.mono_ms)
        for fix in fixes
    )
    for vague_ms, offset_ms in carried:
        at_ms = offset_ms + stamp.mono_ms
        if not PLAUSIBLE_FROM_MS <= at_ms <= stamp.latest_ms:
            continue
        apart_ms = abs(at_ms - stamp.at_ms)
        if stamp.clock is Clock.SYNCED and apart_ms <= vague_ms + AGREE_MS:
            return Dated(stamp.at_ms, TimeSource.DEVICE, vague_ms + apart_ms)
        return Dated(at_ms, TimeSource.HUB_FIX, vague_ms)
    return None


def date_boot(stamps: Sequence[Stamped], fixes: Sequence[ClockFix]) -> list[Dated]:
    """The corrected times of all instants of one boot, each of which may depend on the others."""
    dates = [date(stamp, fixes) for stamp in stamps]
    bounds = [
        stamp.received_bound_ms
        for stamp, dated in zip(stamps, dates, strict=True)
        if dated.source is TimeSource.RECEIVED
    ]
    if not bounds:
        return dates
    return [date(stamp, fixes, min(bounds)) for stamp in stamps]


def note_fixes(tx: Connection, facts: Iterable[LedgerFact]) -> set[Boot]:
    """Keep the fixes among these facts and name their boots, whose facts must be dated anew.

    Several projections call this with the same facts; the first one keeps the fixes.
    """
    rows: list[dict[str, object]] = []
    boots: set[Boot] = set()
    for known in facts:
        event = known.fact.event
        if isinstance(event, Status) and isinstance(fix := event.detail, ClockFix):
            device = known.fact.device
            rows.append({"device": device, "fact_id": known.fact_id, **structs.asdict(fix)})
            boots.add((device, fix.boot))
    if rows:
        write(tx, statements.new(tx.dialect.name, clock_fix), rows)
    return boots


def fixes_of(tx: Connection, boots: Iterable[Boot]) -> dict[Boot, list[ClockFix]]:
    """All fixes of these boots; a boot without any has an empty list."""
    found: dict[Boot, list[ClockFix]] = {boot: [] for boot in boots}
    c = clock_fix.c
    for some in chunks(sorted(found)):
        # The device too, for it leads the key: without it all fixes there ever were would be read.
        named = c.device.in_({device for device, _ in some}) & c.boot.in_([boot for _, boot in some])
        for row in tx.execute(select(clock_fix).where(named)):
            if (row.device, row.boot) in found:
                found[row.device, row.boot].append(ClockFix(row.boot, row.mono_ms, row.hub_ms, row.uncertainty_ms))
    return found


def stamp_columns(known: LedgerFact) -> dict[str, Any]:
    """The columns of `DatedRow` that say what the clocks said when a fact was made."""
    fact = known.fact
    return {
        "device": fact.device,
        "boot": fact.boot,
        "at_ms": fact.at_ms,
        "mono_ms": fact.mono_ms,
        "span_ms": 0,
        "made_mono_ms": fact.mono_ms,
        "clock": fact.clock.value,
        "known_ms": known.received_ms,
    }


def date_rows(tx: Connection, rows: Sequence[dict[str, Any]]) -> set[Boot]:
    """Give new rows for a `DatedRow` table their corrected times; the boots to give to `redate` once they are stored.

    These boots have facts that only their receipt dates, and such dates depend on each other.
    """
    fixes = fixes_of(tx, {(row["device"], row["boot"]) for row in rows})
    vague: set[Boot] = set()
    for row in rows:
        boot = row["device"], row["boot"]
        to = date(stamp_of(row), fixes[boot])
        if to.source is TimeSource.RECEIVED:
            vague.add(boot)
        row["happened_ms"], row["time_source"], row["uncertainty_ms"] = to.at_ms, to.source.value, to.uncertainty_ms
    return vague


def stamp_of(row: Mapping[Any, Any]) -> Stamped:
    """What the clocks said for a row of a `DatedRow` table."""
    return Stamped(
        row["at_ms"], row["mono_ms"], row["made_mono_ms"], _CLOCKS[row["clock"]], row["known_ms"], row["span_ms"]
    )


def redate(tx: Connection, table: Table, boots: Iterable[Boot]) -> list[Moved]:
    """Date all rows of these boots anew in a `DatedRow` table and tell which have moved."""
    moved: list[Moved] = []
    for (device, boot), fixes in fixes_of(tx, boots).items():
        rows = tx.execute(select(table).where(table.c.boot == boot, table.c.device == device)).mappings().all()
        dates = date_boot([stamp_of(row) for row in rows], fixes)
        moved += (Moved(row, dated) for row, dated in zip(rows, dates, strict=True) if _dated(row) != dated)
    changes = {
        m.row["fact_id"]: {
            "key": m.row["fact_id"],
            "at": m.to.at_ms,
            "source": m.to.source.value,
            "vague": m.to.uncertainty_ms,
        }
        for m in moved
    }
    if changes:
        change = (
            update(table)
            .where(table.c.fact_id == bindparam("key"))
            .values(happened_ms=bindparam("at"), time_source=bindparam("source"), uncertainty_ms=bindparam("vague"))
        )
        tx.execute(change, list(changes.values()))
    return moved


def _dated(row: RowMapping) -> Dated:
    return Dated(row["happened_ms"], TimeSource(row["time_source"]), row["uncertainty_ms"])


T = TypeVar("T")


def chunks(items: Sequence[T], size: int = 10_000) -> Iterator[Sequence[T]]:
    """Items in parts that fit the parameters of one statement (SQLite takes 32,766)."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def epoch_ms(moment: datetime) -> int:
    """UTC epoch ms of a moment; without a zone it is taken for UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - EPOCH) // timedelta(milliseconds=1)
