"""One rule says whether the record of a trip, and that of a parcel, is complete."""

from sqlalchemy import Connection

from contract.event import Step
from hub.trips.history import Cause, ColdVerdict, Missing
from hub.trips.queries import TripFilters, find_trip, list_trips
from tests.hub.folding import Ledger, fold
from tests.hub.trips import test_histories
from tests.hub.trips.test_histories import COLD, NOW, WARM, WAY, assign, at, history, measured, moved

tx = test_histories.tx


def test_parcel_with_an_excursion_and_a_hole_on_a_trip_is_not_complete(tx: Connection) -> None:
    ledger = Ledger()
    moved(ledger, *WAY[1:])
    measured(ledger, "van-1.box.temperature_c", [(60, 100, WARM)])
    assign(tx, "van-1.box.temperature_c")
    parcel = history(tx, ledger)
    told = find_trip(tx, list_trips(tx, TripFilters()).items[0].id, NOW)

    assert told is not None
    assert [(one.verdict, one.complete) for one in told.parcels] == [(ColdVerdict.EXCURSION, False)]
    assert (parcel.verdict, parcel.complete) == (ColdVerdict.EXCURSION, False)


def test_what_nothing_judges_is_complete_neither_as_a_trip_nor_as_a_parcel(tx: Connection) -> None:
    ledger = Ledger()
    moved(ledger, *WAY[1:])
    measured(ledger, "van-1.box.temperature_c", [(60, 121, COLD)])
    parcel = history(tx, ledger)
    told = find_trip(tx, list_trips(tx, TripFilters()).items[0].id, NOW)

    assert told is not None
    assert (told.complete, [one.complete for one in told.parcels], parcel.complete) == (False, [False], False)


def test_trip_that_nobody_ended_is_judged_for_a_bounded_time(tx: Connection) -> None:
    ledger = Ledger()
    moved(ledger, (0, "van-1", Step.LOADED, "Van 1"))
    measured(ledger, "van-1.box.temperature_c", [(0, 60, COLD)])
    assign(tx, "van-1.box.temperature_c")
    fold(tx, ledger.facts)
    now_ms = at(0) + 400 * 86_400_000
    told = find_trip(tx, list_trips(tx, TripFilters()).items[0].id, now_ms)

    assert told is not None
    assert told.to_ms == at(0) + 31 * 86_400_000
    assert told.missing[-1] == Missing(Cause.TOO_LONG, "van-1", told.to_ms, now_ms)
