"""Where devices are and were: blocks of positions, the track unpacked from them, and the latest of each device."""

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Table, delete, select

from contract.columns import Position, unpack_positions
from contract.errors import Malformed
from contract.event import Positions
from hub.errors import ProjectionError
from hub.ledger import statements
from hub.projector import Change, LedgerFact
from hub.rows import write
from hub.timeline import TimeSource, chunks, clock_fix, date_rows, note_fixes, redate, stamp_columns
from hub.tracking.tables import device_position as latest_position
from hub.tracking.tables import position_block

_block = position_block.c


class DevicePosition(Struct, frozen=True):
    """Where a device was last. Degrees in 1e-7, speed in cm/s, heading in hundredths of a degree."""

    device: str
    receiver: str
    at_ms: int
    source: TimeSource
    known_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    speed_cm_s: int
    heading_c: int


class TrackPoint(Struct, frozen=True):
    """One position of a track."""

    at_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    speed_cm_s: int
    heading_c: int


class PositionProjection:
    """Blocks of positions in corrected time, and the latest position of each device."""

    name = "positions"
    tables: Sequence[Table] = (clock_fix, position_block, latest_position)

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold blocks of positions and clock fixes.

        Raises:
            ProjectionError: a block that cannot be read.
        """
        boots = note_fixes(tx, facts)
        blocks = [_block_row(known, known.fact.event) for known in facts if isinstance(known.fact.event, Positions)]
        if blocks:
            boots |= date_rows(tx, blocks)
            write(tx, statements.new(tx.dialect.name, position_block), blocks)
        touched = {moved.row["device"] for moved in redate(tx, position_block, boots)}
        touched |= {row["device"] for row in blocks}
        _find_latest(tx, sorted(touched))
        return [Change(topic, device) for device in sorted(touched) for topic in ("device", "position")]


def _block_row(known: LedgerFact, block: Positions) -> dict[str, Any]:
    try:
        positions = unpack_positions(block.columns, block.count, block.interval_ms)
    except Malformed as error:
        raise ProjectionError(known.fact_id, str(error)) from error
    offsets = [position.offset_ms for position in positions]
    if offsets[0] != 0 or offsets != sorted(offsets):
        raise ProjectionError(known.fact_id, "positions are not in order of time from the block's base on")
    if offsets[-1] > known.received_ms:
        raise ProjectionError(known.fact_id, f"positions span {offsets[-1]} ms, more than the time since 1970")
    return {
        **stamp_columns(known),
        "at_ms": block.base_at_ms,
        "mono_ms": block.base_mono_ms,
        "span_ms": offsets[-1],
        "fact_id": known.fact_id,
        "receiver": block.receiver,
        "interval_ms": block.interval_ms,
        "count": block.count,
        "columns": block.columns,
    }


def _find_latest(tx: Connection, devices: Sequence[str]) -> None:
    rows = []
    for device in devices:
        newest = (
            select(position_block)
            .where(_block.device == device)
            .order_by(_block.last_ms.desc(), _block.fact_id)
            .limit(1)
        )
        row = tx.execute(newest).mappings().one()
        last = unpack_positions(row["columns"], row["count"], row["interval_ms"])[-1]
        rows.append(
            {
                "device": device,
                "receiver": row["receiver"],
                "at_ms": row["last_ms"],
                "time_source": row["time_source"],
                "known_ms": row["known_ms"],
                **_where(last),
            }
        )
    for some in chunks(devices):
        tx.execute(delete(latest_position).where(latest_position.c.device.in_(some)))
    write(tx, statements.sole(latest_position), rows)


def _where(position: Position) -> dict[str, int]:
    return {
        "lat_e7": position.lat_e7,
        "lon_e7": position.lon_e7,
        "accuracy_m": position.accuracy_m,
        "speed_cm_s": position.speed_cm_s,
        "heading_c": position.heading_c,
    }


def device_positions(conn: Connection) -> tuple[DevicePosition, ...]:
    """The latest position of every device that has one."""
    query = select(latest_position).order_by(latest_position.c.device)
    return tuple(_device_position(row) for row in conn.execute(query))


def device_position(conn: Connection, device: str) -> DevicePosition | None:
    """The latest position of one device."""
    row = conn.execute(select(latest_position).where(latest_position.c.device == device)).first()
    return None if row is None else _device_position(row)


def _device_position(row: Sequence[Any]) -> DevicePosition:
    device, receiver, at_ms, source, *rest = row
    return DevicePosition(device, receiver, at_ms, TimeSource(source), *rest)


def track(conn: Connection, device: str, from_ms: int, to_ms: int, points: int = 2000) -> tuple[TrackPoint, ...]:
    """The track of a device, both ends included, thinned evenly to at most `points` with first and last kept.

    Where two blocks speak of one instant the one of lower identity holds.
    """
    query = (
        select(_block.happened_ms, _block.columns, _block.count, _block.interval_ms)
        .where(_block.device == device, _block.last_ms >= from_ms, _block.happened_ms <= to_ms)
        .order_by(_block.fact_id)
    )
    found: dict[int, Position] = {}
    for base_ms, columns, count, interval_ms in conn.execute(query):
        for position in unpack_positions(columns, count, interval_ms):
            found.setdefault(base_ms + position.offset_ms, position)
    at = sorted(at_ms for at_ms in found if from_ms <= at_ms <= to_ms)
    return tuple(TrackPoint(at_ms, **_where(found[at_ms])) for at_ms in _thinned(at, points))


def _thinned(times: Sequence[int], points: int) -> Iterable[int]:
    if len(times) <= points:
        return times
    last = len(times) - 1
    return [times[last * i // (points - 1)] for i in range(points)] if points > 1 else times[:points]
