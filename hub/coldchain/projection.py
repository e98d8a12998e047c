"""How facts change what is known of sensors.

Most blocks follow the one before: their readings are appended in bulk. Where a block overlaps another, or a clock fix has moved
one, that stretch of time is told anew from all blocks that touch it.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, select, update

from contract.delivery.hub_actions import IncidentKind
from contract.event import Readings, Status
from hub.coldchain.blocks import NewBlock, new_block
from hub.coldchain.decisions import decides, fold_decision
from hub.coldchain.documents import assigned_devices, push_assignments
from hub.coldchain.hours import add_hours, hours_of, retell_hours
from hub.coldchain.judging import Following, Judging, Sensor, Touched, assigned_among
from hub.coldchain.series import Block, Span, Told, merge, union
from hub.coldchain.steps import judged_devices, received_severally, steps_of, tells
from hub.coldchain.tables import (
    course,
    excursion,
    excursion_acknowledgement,
    excursion_change,
    judged_sensor,
    reading,
    reading_block,
    reading_conflict,
    reading_hour,
    sensor,
    sensor_assignment,
    sensor_latest,
    sensor_record,
    temperature_profile,
)
from hub.ledger import statements
from hub.projector import Change, LedgerFact
from hub.rows import write
from hub.tables import incident
from hub.timeline import Boot, chunks, clock_fix, date_rows, note_fixes, redate

DAY_MS: Final = 86_400_000

_block = reading_block.c

Row = dict[str, Any]


class ColdChainProjection:
    """Readings in corrected time, the latest of each sensor, hours for charts, and what is judged by them."""

    name = "coldchain"
    tables: Sequence[Table] = (
        clock_fix,
        sensor,
        reading_block,
        reading,
        reading_conflict,
        sensor_latest,
        reading_hour,
        temperature_profile,
        sensor_record,
        sensor_assignment,
        judged_sensor,
        course,
        excursion,
        excursion_change,
        excursion_acknowledgement,
    )

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold blocks of readings, clock fixes, and decisions about profiles, sensors and excursions.

        Raises:
            ProjectionError: a block that cannot be read or is of another device's sensor.
        """
        changes: list[Change] = []
        for decision, some in groupby(facts, decides):
            if decision:
                changes += [change for known in some for change in fold_decision(tx, known)]
            else:
                changes += _fold_readings(tx, list(some))
        return list(dict.fromkeys(changes))

    def act(self, tx: Connection, changes: Sequence[Change], now_ms: int) -> None:
        """Give devices of which sensors are judged otherwise the document that says so."""
        push_assignments(tx, {change.key for change in changes if change.topic == "assignment"}, now_ms)

    def act_at_start(self, tx: Connection, now_ms: int) -> None:
        """The same for all devices: what this hub was restored from may be older than what they were given."""
        push_assignments(tx, assigned_devices(tx), now_ms)


@dataclass(frozen=True, slots=True)
class _Dated:
    """New blocks in corrected time."""

    blocks: list[tuple[Row, NewBlock]]
    boots: set[Boot]
    """With facts that must be dated anew."""
    following: list[tuple[Row, NewBlock]]
    spans: list[Span]
    """Where the others lie."""

    def without(self, devices: Container[str]) -> "_Dated":
        """The same without those of some devices."""
        blocks = [pair for pair in self.blocks if pair[0]["device"] not in devices]
        numbers = {row["sensor"] for row, _ in blocks}
        return _Dated(
            blocks,
            {boot for boot in self.boots if boot[0] not in devices},
            [pair for pair in self.following if pair[0]["device"] not in devices],
            [span for span in self.spans if span.sensor in numbers],
        )

    def unsettled(self, steps: Mapping[bytes, int]) -> set[str]:
        """Devices of which the past changes here, or that told in a later step what happened earlier."""
        device = {row["sensor"]: row["device"] for row, _ in self.blocks}
        back = {
            row["device"]
            for (before, _), (row, _) in pairwise(self.following)
            if before["sensor"] == row["sensor"] and steps[row["fact_id"]] < steps[before["fact_id"]]
        }
        return {device[span.sensor] for span in self.spans} | {boot[0] for boot in self.boots} | back


def _fold_readings(tx: Connection, facts: Sequence[LedgerFact]) -> list[Change]:
    """Fold facts at once, but step by step of their receipt those of judged devices whose past they change.

    Each change of a verdict is kept with when it became known, so what was known in between counts.
    """
    told = [known for known in facts if tells(known)]
    blocks = _unknown(
        tx, [new_block(known, known.fact.event) for known in told if isinstance(known.fact.event, Readings)]
    )
    if not told:
        return []
    numbers, fresh = _number_sensors(tx, blocks)
    assigned = assigned_among(tx, fresh)
    severally = received_severally(told)
    stepwise = judged_devices(tx, severally) if severally else set()
    fixed = stepwise & {known.fact.device for known in told if isinstance(known.fact.event, Status)}
    at_once = [known for known in told if known.fact.device not in fixed] if fixed else told
    dated = _date(tx, at_once, [block for block in blocks if block.row["device"] not in fixed], numbers)
    if stepwise:
        fixed |= stepwise & dated.unsettled(steps_of(told))
        dated = dated.without(fixed)
    changes = _fold_dated(tx, dated, at_once, assigned)
    later = [known for known in told if known.fact.device in fixed]
    for _, some in groupby(later, lambda known: known.received_ms):
        step = list(some)
        ids = {known.fact_id for known in step}
        dated = _date(tx, step, [block for block in blocks if block.fact_id in ids], numbers)
        changes += _fold_dated(tx, dated, step, assigned)
    return changes


def _date(
    tx: Connection, facts: Sequence[LedgerFact], blocks: Sequence[NewBlock], numbers: Mapping[str, int]
) -> _Dated:
    boots = note_fixes(tx, facts)
    rows = [{**block.row, "sensor": numbers[block.sensor]} for block in blocks]
    vague = date_rows(tx, rows)
    pairs = list(zip(rows, blocks, strict=True))
    following, spans = _sort_out(tx, pairs, vague)
    return _Dated(pairs, boots | vague, following, spans)


def _fold_dated(tx: Connection, dated: _Dated, facts: Sequence[LedgerFact], assigned: Container[str]) -> list[Change]:
    rows, following, spans = [row for row, _ in dated.blocks], dated.following, dated.spans
    touched = list(spans)
    write(tx, statements.sole(reading_block), rows)
    for moved in redate(tx, reading_block, dated.boots):
        number, span_ms = moved.row["sensor"], moved.row["span_ms"]
        both = [Span(number, at_ms, at_ms + span_ms) for at_ms in (moved.row["happened_ms"], moved.to.at_ms)]
        spans += both
        if moved.row["happened_ms"] != moved.to.at_ms:
            touched += both
    _append(tx, following)
    for span in union(spans):
        _retell(tx, span)
    retold = {span.sensor for span in spans}
    _note_latest(tx, [pair for pair in following if pair[0]["sensor"] not in retold])
    _find_latest(tx, retold)
    names = _names(tx, retold | {row["sensor"] for row in rows})
    news = _judge(tx, dated, touched, _Judged(names, {k.fact.device: k.received_ms for k in facts}, assigned))
    return [Change("sensor", name) for name in sorted(names.values())] + [Change("excursion", key) for key in news]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a judgement needs beside the readings.

    Attributes:
        names: ids of the sensors, by number.
        received: when facts of each device came, last.
        assigned: sensors that are judged, though maybe nothing was heard of them yet.
    """

    names: Mapping[int, str]
    received: Mapping[str, int]
    assigned: Container[str]


def _judge(tx: Connection, dated: _Dated, touched: Sequence[Span], of: _Judged) -> list[str]:
    """Judge what is new; the ids of excursions that it is news of."""
    sensors = [Sensor(number, name) for number, name in sorted(of.names.items())]
    judging = Judging(tx, sensors)
    judged = [one for one in sensors if judging.judges(one) or one.id in of.assigned]
    if not judged:
        return []
    past = {span.sensor: span for span in _whole(touched)}
    follows: defaultdict[int, list[Following]] = defaultdict(list)
    numbers = {one.number for one in judged}
    for row, block in dated.following:
        if row["sensor"] in numbers:
            follows[row["sensor"]].append(_following(row, block))
    for one in judged:
        told = follows[one.number]
        if (span := past.get(one.number)) is not None:
            from_ms = min(span.from_ms, told[0].at_ms[0]) if told else span.from_ms
            to_ms = max(span.to_ms, told[-1].at_ms[-1]) if told else span.to_ms
            judging.again(one, Touched(from_ms, to_ms), of.received[one.id.partition(".")[0]])
        elif told:
            judging.follow(one, told)
    judging.close()
    return judging.news


def _whole(spans: Iterable[Span]) -> list[Span]:
    """One stretch for each sensor, from its first instant to its last."""
    whole: dict[int, Span] = {}
    for span in spans:
        old = whole.get(span.sensor, span)
        whole[span.sensor] = Span(span.sensor, min(old.from_ms, span.from_ms), max(old.to_ms, span.to_ms))
    return list(whole.values())


def _following(row: Row, block: NewBlock) -> Following:
    base_ms = row["happened_ms"]
    return Following(
        row["known_ms"], [base_ms + told.offset_ms for told in block.readings], [told.value for told in block.readings]
    )


def _unknown(tx: Connection, blocks: list[NewBlock]) -> list[NewBlock]:
    """Each block once, and none that is stored."""
    once = {block.fact_id: block for block in blocks}
    for ids in chunks(list(once)):
        for fact_id in tx.scalars(select(_block.fact_id).where(_block.fact_id.in_(ids))).all():
            del once[fact_id]
    return list(once.values())


def _number_sensors(tx: Connection, blocks: Sequence[NewBlock]) -> tuple[dict[str, int], list[str]]:
    """The numbers of these sensors, and which of them are new: those get the next, in order of the ledger."""
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
    return numbers, fresh


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


def _names(tx: Connection, numbers: Iterable[int]) -> dict[int, str]:
    return {
        row.number: row.sensor
        for some in chunks(sorted(numbers))
        for row in tx.execute(select(sensor.c.number, sensor.c.sensor).where(sensor.c.number.in_(some)))
    }
