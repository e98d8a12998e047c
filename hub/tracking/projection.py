"""How facts change the state of parcels, their stays and the trips of vehicles."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Table, bindparam, select, update

from hub.archive.redaction import fields_in, listed
from hub.ledger import statements
from hub.projector import Change, LedgerFact
from hub.rows import plain, read_among, write
from hub.timeline import TimeSource, chunks, clock_fix, date_rows, note_fixes, redate
from hub.tracking.custody import CustodyEvent, Deed, EventKind, ParcelState, fold_parcel
from hub.tracking.stated import correction_rows, custody_rows, term_rows
from hub.tracking.tables import custody_correction, custody_event, parcel, parcel_term
from hub.tracking.undoing import reached, undoing
from hub.trips.retelling import Stretch, retell_stays, retell_trips
from hub.trips.tables import stay, trip
from hub.voice import HUB_DEVICE

REFOLD_AT_ONCE: Final = 1_000
"""Parcels whose events are in memory together."""

_event = custody_event.c
_FOLDED: Final = (
    _event.parcel,
    _event.fact_id,
    _event.kind,
    _event.step,
    _event.happened_ms,
    _event.time_source,
    _event.uncertainty_ms,
    _event.known_ms,
    _event.device,
    _event.incarnation,
    _event.ord,
    _event.actor,
    _event.place,
    _event.lat_e7,
    _event.lon_e7,
    _event.verdict,
    _event.cold_verdict,
    _event.cold_budget_s,
    _event.code_kind,
    _event.recipient,
    _event.withheld,
)
_NAMED: Final = _event.parcel.in_(bindparam("names", expanding=True))
_EVENTS_OF: Final = select(*_FOLDED).where(_NAMED)
_CORRECTIONS_OF: Final = (
    select(_event.parcel.label("of"), custody_correction)
    .join(custody_event, _event.fact_id == custody_correction.c.target)
    .where(
        _NAMED,
        custody_correction.c.parcel.in_(["", _event.parcel]),
        # A device takes back what it stated itself.
        custody_correction.c.device.in_([HUB_DEVICE, _event.device]),
    )
)

# Found five times faster than by calling the classes.
_KINDS: Final = {kind.value: kind for kind in EventKind}
_DEEDS: Final = {deed.value: deed for deed in Deed}
_SOURCES: Final = {source.value: source for source in TimeSource}


class TrackingProjection:
    """Custody events one by one, the state of each parcel folded from them, where it stayed, and the trips of vehicles."""

    name = "tracking"
    tables: Sequence[Table] = (clock_fix, custody_event, custody_correction, parcel, parcel_term, stay, trip)

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold scans, proofs, corrections and clock fixes.

        Raises:
            ProjectionError: a correction that says nothing.
        """
        dialect = tx.dialect.name
        boots = note_fixes(tx, facts)
        rows = [row for known in facts for row in custody_rows(known)]
        corrections = [row for known in facts for row in correction_rows(known)]
        touched = {row["parcel"] for row in rows}
        if rows:
            boots |= date_rows(tx, rows)
            write(tx, statements.new(dialect, custody_event), rows)
            write(tx, statements.new(dialect, parcel_term), term_rows(rows))
        touched |= {moved.row["parcel"] for moved in redate(tx, custody_event, boots)}
        targets = [row["target"] for row in corrections]
        if corrections:
            boots |= date_rows(tx, corrections)
            write(tx, statements.new(dialect, custody_correction), corrections)
        targets += [moved.row["target"] for moved in redate(tx, custody_correction, boots)]
        touched |= _parcels_of(tx, reached(tx, targets))
        names = sorted(touched)
        _refold(tx, names)
        return [Change("parcel", name) for name in names]


def tell_anew(tx: Connection, facts: Sequence[LedgerFact]) -> None:
    """Take out of the rows what these facts do not tell any more; the rows are as a rebuild would give them."""
    told = ("recipient", "reason", "lat_e7", "lon_e7", "accuracy_m", "withheld")
    rows = [
        {"the_fact": row["fact_id"], "the_parcel": row["parcel"], **{f"new_{name}": row[name] for name in told}}
        for known in facts
        for row in custody_rows(known)
    ]
    if rows:
        of = (_event.fact_id == bindparam("the_fact"), _event.parcel == bindparam("the_parcel"))
        tx.execute(update(custody_event).where(*of).values({name: bindparam(f"new_{name}") for name in told}), rows)
    # A fact that could not be folded has no rows.
    _refold(tx, sorted(_parcels_of(tx, [known.fact_id for known in facts])))


def _parcels_of(tx: Connection, fact_ids: Sequence[bytes]) -> set[str]:
    return {
        name for ids in chunks(fact_ids) for name in tx.scalars(select(_event.parcel).where(_event.fact_id.in_(ids)))
    }


def _refold(tx: Connection, names: Sequence[str]) -> None:
    loads: list[tuple[str, Stretch]] = []
    for some in chunks(names, REFOLD_AT_ONCE):
        events = custody_of(tx, some)
        rows = [_parcel_row(name, fold_parcel(events[name])) for name in some]
        write(tx, statements.latest(tx.dialect.name, parcel), rows)
        loads += retell_stays(tx, events, some)
    retell_trips(tx, loads)


def custody_of(reader: Connection, names: Sequence[str]) -> Mapping[str, list[CustodyEvent]]:
    """All events of these parcels, corrections included, in no order."""
    found: defaultdict[str, list[CustodyEvent]] = defaultdict(list)
    for row in plain(read_among(reader, _EVENTS_OF, names)):
        found[row[0]].append(_custody_event(row))
    for name, correction in _corrections_of(reader, names):
        found[name].append(correction)
    return found


def _custody_event(row: Sequence[Any]) -> CustodyEvent:
    (_, fact_id, kind, step, at_ms, source, *rest) = row
    rest[-1] = fields_in(rest[-1])
    return CustodyEvent(fact_id, _KINDS[kind], _DEEDS[step], at_ms, _SOURCES[source], *rest)


def _corrections_of(reader: Connection, names: Sequence[str]) -> Iterable[tuple[str, CustodyEvent]]:
    targets: defaultdict[tuple[str, bytes], list[bytes]] = defaultdict(list)
    of: defaultdict[bytes, set[str]] = defaultdict(set)
    rows = {}
    for row in read_among(reader, _CORRECTIONS_OF, names):
        targets[row.of, row.fact_id].append(row.target)
        rows[row.of, row.fact_id] = row
        of[row.fact_id].add(row.of)
    for row in undoing(reader, of.keys()):
        of[row.fact_id] |= of[row.target]
        for name in of[row.target]:
            targets[name, row.fact_id].append(row.target)
            rows[name, row.fact_id] = row
    for (name, fact_id), row in rows.items():
        yield (
            name,
            CustodyEvent(
                fact_id=fact_id,
                kind=EventKind.CORRECTION,
                deed=Deed(row.step) if row.step else None,
                happened_ms=row.happened_ms,
                time_source=_SOURCES[row.time_source],
                uncertainty_ms=row.uncertainty_ms,
                known_ms=row.known_ms,
                device=row.device,
                incarnation=row.incarnation,
                ord=row.ord,
                actor=row.who,
                targets=tuple(sorted(targets[name, fact_id])),
            ),
        )


def _parcel_row(name: str, state: ParcelState) -> dict[str, Any]:
    step, seen = state.step, state.seen
    return {
        "parcel": name,
        "kind": state.kind,
        "step": step.deed.value if step and step.deed else "",
        "status": state.status.value,
        "step_ms": step.happened_ms if step else None,
        "step_known_ms": step.known_ms if step else None,
        "step_source": step.time_source.value if step else "",
        "step_uncertainty_ms": step.uncertainty_ms if step else None,
        "step_fact_id": step.fact_id if step else None,
        "step_device": step.device if step else "",
        "step_actor": step.actor if step else "",
        "step_place": step.place if step else "",
        "known_ms": state.known_ms,
        "seen_ms": seen.happened_ms,
        "seen_known_ms": seen.known_ms,
        "seen_source": seen.time_source.value,
        "seen_uncertainty_ms": seen.uncertainty_ms,
        "seen_device": seen.device,
        "seen_place": seen.place,
        "lat_e7": state.lat_e7,
        "lon_e7": state.lon_e7,
        "verdict": state.verdict,
        "cold_verdict": state.cold_verdict,
        "cold_budget_s": state.cold_budget_s,
        "recipient": state.recipient,
        "withheld": listed(state.withheld),
        "events": state.events,
        "corrections": state.corrections,
        "after_delivery": len(state.ignored),
    }
