"""How facts change what is known of sensors.

Most blocks follow the one before: their readings are appended in bulk. Where a block overlaps another, or a clock fix has moved
one, that stretch of time is told anew from all blocks that touch it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, select, update

from contract.delivery.hub_actions import IncidentKind
from contract.event import Readings
from hub.coldchain.blocks import NewBlock, new_block
from hub.coldchain.hours import add_hours, hours_of, retell_hours
from hub.coldchain.series import Block, Span, Told, merge, union
from hub.coldchain.tables import reading, reading_block, reading_conflict, reading_hour, sensor, sensor_latest
from hub.ledger import statements
from hub.projector import Change, LedgerFact
from hub.rows import write
from hub.tables import incident
from hub.timeline import Boot, chunks, clock_fix, date_rows, note_fixes, redate

DAY_MS: Final = 86_400_000

_block = reading_block.c

Row = dict[str, Any]


class ColdChainProjection:
    """Readings in corrected time, the latest of each sensor, and hours for charts."""

    name = "coldchain"
    tables: Sequence[Table] = (
        clock_fix,
        sensor,
        reading_block,
        reading,
        reading_conflict,
        sensor_latest,
        reading_hour,
    )

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold blocks of readings and clock fixes.

        Raises:
            ProjectionError: a block that cannot be read or is of another device's sensor.
        """
        boots = note_fixes(tx, facts)
        blocks = _unknown(
            tx, [new_block(known, known.fact.event) for known in facts if isinstance(known.fact.event, Readings)]
        )
        if not (blocks or boots):
            return []
        numbers = _number_sensors(tx, blocks)
        rows = [{**block.row, "sensor": numbers[block.sensor]} for block in blocks]
        vague = date_rows(tx, rows)
        following, spans = _sort_out(tx, list(zip(rows, blocks, strict=True)), vague)
        write(tx, statements.sole(reading_block), rows)
        for moved in redate(tx, reading_block, boots | vague):
            number, span_ms = moved.row["sensor"], moved.row["span_ms"]
            spans += [Span(number, at_ms, at_ms + span_ms) for at_ms in (moved.row["happened_ms"], moved.to.at_ms)]
        _append(tx, following)
        for span in union(spans):
            _retell(tx, span)
        retold = {span.sensor for span in spans}
        _note_latest(tx, [pair for pair in following if pair[0]["sensor"] not in retold])
        _find_latest(tx, retold)
        return [Change("sensor", name) for name in _names(tx, retold | {row["sensor"] for row in rows})]


def _unknown(tx: Connection, blocks: list[NewBlock]) -> list[NewBlock]:
    """Each block once, and none that is stored."""
    once = {block.fact_id: block for block in blocks}
    for ids in chunks(list(once)):
        for fact_id in tx.scalars(select(_block.fact_id).where(_block.fact_id.in_(ids))).all():
            del once[fact_id]
    return list(once.values())


def _number_sensors(tx: Connection, blocks: Sequence[NewBlock]) -> dict[str, int]:
    """The numbers of these sensors; new ones get the next, in order of the ledger."""
    told: dict[str, str] = {}
    for block in blocks:
        told[block.sensor] = min(block.quantity, told.get(block.sensor, block.quantity))
    numbers: dict[str, int] = {}
    for names in chunks(list(told)):
        for row in tx.execute(select(sensor).where(sensor.c.sensor.in_(names))):
            numbers[row.sensor] = row.number
            if told[row.sensor] < row.quantity:
                # A sensor that changed what it measures: which of the two is shown may not depend on what came first.
                tx.execute(update(sensor).where(sensor.c.number == row.number).values(quantity=told[row.sensor]))
    fresh = [name for name in told if name not in numbers]
    if fresh:
        last = tx.scalar(select(func.max(sensor.c.number))) or 0
        numbers |= {name: last + i for i, name in enumerate(fresh, 1)}
        rows = [
            {"number": numbers[name], "sensor": name, "device": name.partition(".")[0], "quantity": told[name]}
            for name in fresh
        ]
        write(tx, statements.sole(sensor), rows)
    return numbers


def _sort_out(
    tx: Connection, blocks: Sequence[tuple[Row, NewBlock]], vague: set[Boot]
) -> tuple[list[tuple[Row, NewBlock]], list[Span]]:
    """Which new blocks simply follow all that is stored of their sensor, and where the others lie."""
    ends: dict[int, int] = {}
    for numbers in chunks(list({row["sensor"] for row, _ in blocks})):
        latest = select(sensor_latest).where(sensor_latest.c.sensor.in_(numbers))
        ends |= {row.sensor: row.at_ms for row in tx.execute(latest)}
    following: list[tuple[Row, NewBlock]] = []
    spans: list[Span] = []
    for row, block in sorted(blocks, key=lambda pair: (pair[0]["sensor"], pair[0]["happened_ms"])):
        number, first_ms = row["sensor"], row["happened_ms"]
        last_ms = first_ms + row["span_ms"]
        if first_ms > ends.get(number, -1) and block.distinct and (row["device"], row["boot"]) not in vague:
            following.append((row, block))
        else:
            spans.append(Span(number, first_ms, last_ms))
        ends[number] = max(ends.get(number, last_ms), last_ms)
    return following, spans


def _append(tx: Connection, blocks: Sequence[tuple[Row, NewBlock]]) -> None:
    rows: list[Row] = []
    hours: list[Row] = []
    for row, block in blocks:
        number, base_ms = row["sensor"], row["happened_ms"]
        rows += [
            {"sensor": number, "at_ms": base_ms + r.offset_ms, "value": r.value, "flags": r.flags}
            for r in block.readings
        ]
        hours += hours_of(number, base_ms, block.readings)
    write(tx, statements.new(tx.dialect.name, reading), rows)
    add_hours(tx, hours)


def _blocks_in(tx: Connection, span: Span) -> list[Block]:
    query = select(
        _block.fact_id,
        _block.happened_ms,
        _block.last_ms,
        _block.interval_ms,
        _block.count,
        _block.columns,
        _block.replaces.is_not(None),
        _block.known_ms,
        _block.time_source,
        _block.uncertainty_ms,
    ).where(_block.sensor == span.sensor, _block.last_ms >= span.from_ms, _block.happened_ms <= span.to_ms)
    return [Block(*row) for row in tx.execute(query)]


def _retell(tx: Connection, span: Span) -> None:
    """Tell a stretch of time anew from all blocks that touch it."""
    for table in (reading, reading_conflict):
        there = table.c.at_ms.between(span.from_ms, span.to_ms)
        tx.execute(delete(table).where(table.c.sensor == span.sensor, there))
    holds, contradicts = merge(_blocks_in(tx, span), span.from_ms, span.to_ms)
    write(tx, statements.sole(reading), [_reading_row(span.sensor, told) for told in holds])
    if contradicts:
        rows = [{**_reading_row(span.sensor, told), "fact_id": told.block.fact_id} for told in contradicts]
        write(tx, statements.new(tx.dialect.name, reading_conflict), rows)
        _report(tx, span.sensor, contradicts)
    retell_hours(tx, span.sensor, span.from_ms, span.to_ms)


def _reading_row(number: int, told: Told) -> Row:
    return {"sensor": number, "at_ms": told.at_ms, "value": told.value, "flags": told.flags}


def _report(tx: Connection, number: int, contradicts: Sequence[Told]) -> None:
    """One incident for each day of a sensor; folding again repeats none."""
    row = tx.execute(select(sensor).where(sensor.c.number == number)).one()
    first = {told.at_ms // DAY_MS: told for told in reversed(contradicts)}
    incidents = [
        {
            "key": f"{IncidentKind.READING_CONFLICT}:{row.sensor}:{day}",
            "kind": IncidentKind.READING_CONFLICT.value,
            "device": row.device,
            "detail": f"sensor {row.sensor} has two different readings at {told.at_ms}; both are kept",
            "first_ms": told.block.known_ms,
            "last_ms": told.block.known_ms,
            "count": 1,
            "closed_by": "",
        }
        for day, told in first.items()
    ]
    write(tx, statements.new(tx.dialect.name, incident), incidents)


def _note_latest(tx: Connection, following: Sequence[tuple[Row, NewBlock]]) -> None:
    """Blocks that follow all others hold the latest readings; they come in order of time."""
    last = {row["sensor"]: (row, block) for row, block in following}
    rows = [
        {
            "sensor": number,
            "at_ms": row["happened_ms"] + row["span_ms"],
            "value": block.readings[-1].value,
            "flags": block.readings[-1].flags,
            **{name: row[name] for name in ("known_ms", "interval_ms", "time_source", "uncertainty_ms")},
        }
        for number, (row, block) in last.items()
    ]
    write(tx, statements.latest(tx.dialect.name, sensor_latest), rows)


def _find_latest(tx: Connection, numbers: Iterable[int]) -> None:
    """The latest readings of sensors whose past has changed."""
    rows = []
    for number in sorted(numbers):
        at_ms = tx.scalar(select(func.max(reading.c.at_ms)).where(reading.c.sensor == number))
        if at_ms is None:
            continue
        told = merge(_blocks_in(tx, Span(number, at_ms, at_ms)), at_ms, at_ms)[0][0]
        block = told.block
        rows.append(
            {
                **_reading_row(number, told),
                "known_ms": block.known_ms,
                "interval_ms": block.interval_ms,
                "time_source": block.time_source,
                "uncertainty_ms": block.uncertainty_ms,
            }
        )
    write(tx, statements.latest(tx.dialect.name, sensor_latest), rows)


def _names(tx: Connection, numbers: Iterable[int]) -> list[str]:
    return sorted(
        name
        for some in chunks(sorted(numbers))
        for name in tx.scalars(select(sensor.c.sensor).where(sensor.c.number.in_(some)))
    )
