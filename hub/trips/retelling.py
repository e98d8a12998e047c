"""How stays and trips are told anew when events of parcels change. Called with each refold of parcels."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import reduce
from typing import Any, Final

from msgspec import Struct, structs
from sqlalchemy import Connection, bindparam, delete, select

from hub.ledger import statements
from hub.rows import plain, read, read_among, write
from hub.tracking.custody import CustodyEvent
from hub.trips.runs import Load, Run, runs_of
from hub.trips.stays import Stay, stays_of
from hub.trips.tables import stay, trip

Row = dict[str, Any]

_stay, _trip = stay.c, trip.c
_STORED: Final = select(_stay.parcel, *(_stay[name] for name in Stay.__struct_fields__)).where(
    _stay.parcel.in_(bindparam("names", expanding=True))
)
_FORGET_STAY: Final = delete(stay).where(
    _stay.parcel == bindparam("old_parcel"), _stay.opened_by == bindparam("old_opened_by")
)
_TOUCHED: Final = (
    (_trip.device == bindparam("vehicle"))
    & (_trip.until_ms >= bindparam("from"))
    & (_trip.from_ms <= bindparam("until"))
)
_TRIPS: Final = select(_trip.from_ms, _trip.until_ms).where(_TOUCHED)
_FORGET_TRIPS: Final = delete(trip).where(_TOUCHED)
_LOADS: Final = select(
    _stay.from_ms, _stay.opened_by, _stay.to_ms, _stay.known_ms, _stay.closed_known_ms, _stay.parcel
).where(
    _stay.device == bindparam("vehicle"),
    _stay.aboard.is_(True),
    _stay.until_ms >= bindparam("from"),
    _stay.from_ms <= bindparam("until"),
)


class Stretch(Struct, frozen=True, gc=False):
    """Some time of a vehicle."""

    from_ms: int
    until_ms: int

    def with_(self, other: "Stretch") -> "Stretch":
        """The shortest stretch that holds both."""
        return Stretch(min(self.from_ms, other.from_ms), max(self.until_ms, other.until_ms))


def retell_stays(
    tx: Connection, events: Mapping[str, Collection[CustodyEvent]], names: Sequence[str]
) -> Iterator[tuple[str, Stretch]]:
    """Tell the stays of these parcels anew; vehicles, and when their loads are others now."""
    told = {(name, one.opened_by): one for name in names for one in stays_of(events[name])}
    rows = plain(read_among(tx, _STORED, names))
    stored = {(name, opened_by): Stay(opened_by, *row) for name, opened_by, *row in rows}
    fresh = {key: one for key, one in told.items() if stored.get(key) != one}
    gone = {key: one for key, one in stored.items() if key not in told}
    write(tx, _FORGET_STAY, [{"old_parcel": parcel, "old_opened_by": opened_by} for parcel, opened_by in gone])
    write(tx, statements.latest(tx.dialect.name, stay), [_stay_row(parcel, one) for (parcel, _), one in fresh.items()])
    before = (stored[key] for key in fresh if key in stored)
    for one in (*gone.values(), *before, *fresh.values()):
        if one.aboard:
            yield one.device, Stretch(one.from_ms, one.until_ms)


def retell_trips(tx: Connection, loads: Iterable[tuple[str, Stretch]]) -> None:
    """Tell the trips of vehicles anew whose loads are others now."""
    changed: dict[str, Stretch] = {}
    for device, stretch in loads:
        changed[device] = changed.get(device, stretch).with_(stretch)
    for device in sorted(changed):
        _retell_trips(tx, device, changed[device])


def _stay_row(parcel: str, told: Stay) -> Row:
    return {"parcel": parcel, **structs.asdict(told), "until_ms": told.until_ms}


def _retell_trips(tx: Connection, device: str, changed: Stretch) -> None:
    """Trips that the change touches are taken apart; what else they hold lies between their ends, so no other can join."""
    touched = [Stretch(*row) for row in plain(read(tx, _TRIPS, **_there(device, changed)))]
    there = _there(device, reduce(Stretch.with_, touched, changed))
    if touched:
        write(tx, _FORGET_TRIPS, [there])
    loads = [
        Load(from_ms, opened_by, to_ms, max(known_ms, closed_known_ms or 0), parcel)
        for from_ms, opened_by, to_ms, known_ms, closed_known_ms, parcel in plain(read(tx, _LOADS, **there))
    ]
    write(tx, statements.sole(trip), [_trip_row(device, run) for run in runs_of(loads)])


def _there(device: str, stretch: Stretch) -> Row:
    return {"vehicle": device, "from": stretch.from_ms, "until": stretch.until_ms}


def _trip_row(device: str, run: Run) -> Row:
    return {
        "id": run.id,
        "device": device,
        "from_ms": run.from_ms,
        "to_ms": run.to_ms,
        "until_ms": run.until_ms,
        "parcels": len({load.parcel for load in run.loads}),
        "aboard": sum(load.to_ms is None for load in run.loads),
        "known_ms": max(load.known_ms for load in run.loads),
    }
