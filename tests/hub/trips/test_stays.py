"""Where parcels stayed, by their custody events."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from contract.event import Decision, Outcome, Step
from hub.projector import LedgerFact
from hub.tracking.custody import Deed
from hub.tracking.stated import CORRECT, correction_subject
from hub.trips.tables import stay, trip
from tests.hub.folding import T0, Ledger, engine, fold, folded, proof, scan

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS


@pytest.fixture
def tx() -> Iterator[Connection]:
    made = engine()
    with made.begin() as connection:
        yield connection
    made.dispose()


def at(minutes: int) -> int:
    return T0 + minutes * MINUTE_MS


def told(tx: Connection, parcel: str = "P1") -> list[tuple[str, int, int | None]]:
    """Where, from when, to when in minutes."""
    rows = tx.execute(select(stay).where(stay.c.parcel == parcel).order_by(stay.c.from_ms))
    return [
        (
            f"on {row.device}" if row.aboard else row.place or row.device or "?",
            (row.from_ms - T0) // MINUTE_MS,
            None if row.to_ms is None else (row.to_ms - T0) // MINUTE_MS,
        )
        for row in rows
    ]


def way(*steps: tuple[int, str, Step, str]) -> list[LedgerFact]:
    """Scans of P1: minute, device, step, place."""
    ledger = Ledger()
    for minute, device, step, place in steps:
        ledger.add(scan(step=step, place=place), at_ms=at(minute), device=device)
    return ledger.facts


def test_parcel_goes_across_docks_and_vans(tx: Connection) -> None:
    fold(
        tx,
        way(
            (0, "dock", Step.RECEIVED, "Dock 4"),
            (60, "van-1", Step.LOADED, "Van 1"),
            (70, "van-1", Step.DEPARTED, "Van 1"),
            (90, "hub-2", Step.ARRIVED, "Depot 2"),
            (95, "van-2", Step.OUT_FOR_DELIVERY, "Van 2"),
            (120, "van-2", Step.DELIVERED, "Van 2"),
        ),
    )

    assert told(tx) == [("Dock 4", 0, 60), ("on van-1", 60, 90), ("Depot 2", 90, 95), ("on van-2", 95, 120)]


@pytest.mark.parametrize("step", [Step.ARRIVED, Step.COUNTED, Step.RETURNED, Step.RECEIVED])
def test_what_the_carrying_device_says_of_no_other_place_leaves_the_parcel_on_board(tx: Connection, step: Step) -> None:
    fold(tx, way((0, "van-1", Step.LOADED, "Van 1"), (9, "van-1", step, "Van 1")))

    assert told(tx) == [("on van-1", 0, None)]


def test_carrying_device_may_say_that_it_lies_elsewhere(tx: Connection) -> None:
    fold(tx, way((0, "van-1", Step.LOADED, "Van 1"), (9, "van-1", Step.ARRIVED, "Depot 2")))

    assert told(tx) == [("on van-1", 0, 9), ("Depot 2", 9, None)]


@pytest.mark.parametrize(
    ("device", "place", "where"),
    [
        ("van-2", "Van 2", "on van-2"),
        ("van-1", "Van 2", "Van 2"),
        ("van-1", "Van 1", "?"),
        ("van-1", "", "?"),
    ],
)
def test_handing_over_says_who_has_it_now(tx: Connection, device: str, place: str, where: str) -> None:
    fold(tx, way((0, "van-1", Step.LOADED, "Van 1"), (9, device, Step.HANDED_OVER, place)))

    assert told(tx) == [("on van-1", 0, 9), (where, 9, None)]


def test_late_load_does_not_begin_a_stay_after_the_delivery(tx: Connection) -> None:
    fold(tx, way((0, "van-1", Step.DELIVERED, ""), (5, "van-2", Step.LOADED, "Van 2")))

    assert told(tx) == []


def test_attempt_leaves_the_parcel_on_board_and_delivery_ends_its_way(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scan(), at_ms=at(0))
    ledger.add(proof(Outcome.ATTEMPTED, refused=["P1"]), at_ms=at(10))
    ledger.add(proof(Outcome.DELIVERED, delivered=["P1"]), at_ms=at(20))
    fold(tx, ledger.facts)

    assert told(tx) == [("on van-1", 0, 20)]


def test_corrected_delivery_leaves_the_parcel_on_board(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scan(), at_ms=at(0))
    wrong = ledger.add(scan(step=Step.DELIVERED), at_ms=at(20))
    ledger.add(_correction(wrong, Deed.ATTEMPTED), at_ms=at(60), device="hub")
    fold(tx, ledger.facts)

    assert told(tx) == [("on van-1", 0, None)]


def test_correction_counts_when_and_where_the_corrected_fact_did(tx: Connection) -> None:
    ledger = Ledger()
    wrong = ledger.add(scan(step=Step.COUNTED, place="Dock 4"), at_ms=at(0))
    ledger.add(_correction(wrong, Deed.RECEIVED), at_ms=at(60), device="hub")
    ledger.add(_correction(wrong, Deed.LOADED), at_ms=at(90), device="hub")
    fold(tx, ledger.facts)

    assert told(tx) == [("on van-1", 0, None)]
    assert tx.execute(select(stay.c.opened_by)).scalar() == wrong.fact_id


def test_vehicle_is_on_one_trip_until_it_is_empty(tx: Connection) -> None:
    ledger = Ledger()
    for parcel, load, unload in (("A", 0, 50), ("B", 30, 90), ("C", 91, 100)):
        ledger.add(scan(parcel, place="Van 1"), at_ms=at(load))
        ledger.add(scan(parcel, Step.DELIVERED), at_ms=at(unload))
    fold(tx, ledger.facts)

    assert _trips(tx) == [("van-1", 0, 90, 2, 0), ("van-1", 91, 100, 1, 0)]


def test_late_parcel_joins_two_trips_into_one(tx: Connection) -> None:
    ledger = Ledger()
    for parcel, load, unload in (("A", 0, 50), ("C", 91, 100), ("B", 30, 95)):
        ledger.add(scan(parcel, place="Van 1"), at_ms=at(load))
        ledger.add(scan(parcel, Step.DELIVERED), at_ms=at(unload))
    for fact in ledger.facts:
        fold(tx, [fact])

    assert _trips(tx) == [("van-1", 0, 100, 3, 0)]


def test_late_parcel_that_touches_part_of_a_trip_leaves_it_whole(tx: Connection) -> None:
    ledger = Ledger()
    for parcel, load, unload in (("A", 0, 50), ("B", 30, 90), ("C", 80, 85)):
        ledger.add(scan(parcel, place="Van 1"), at_ms=at(load))
        ledger.add(scan(parcel, Step.DELIVERED), at_ms=at(unload))
    fold(tx, ledger.facts[:4])
    fold(tx, ledger.facts[4:])

    assert _trips(tx) == [("van-1", 0, 90, 3, 0)]


def test_load_at_the_instant_of_the_last_unloading_belongs_to_the_trip(tx: Connection) -> None:
    ledger = Ledger()
    for parcel, load, unload in (("A", 0, 50), ("B", 50, 90)):
        ledger.add(scan(parcel, place="Van 1"), at_ms=at(load))
        ledger.add(scan(parcel, Step.DELIVERED), at_ms=at(unload))
    fold(tx, ledger.facts)

    assert _trips(tx) == [("van-1", 0, 90, 2, 0)]


def test_forgotten_parcel_holds_no_trip_open_for_more_than_a_day(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(scan("lost"), at_ms=at(0))
    ledger.add(scan("A"), at_ms=at(25 * 60))
    ledger.add(scan("A", Step.DELIVERED), at_ms=at(26 * 60))
    fold(tx, ledger.facts)

    assert _trips(tx) == [("van-1", 0, None, 1, 1), ("van-1", 25 * 60, 26 * 60, 1, 0)]


def test_trip_is_named_by_the_fact_that_loaded_first(tx: Connection) -> None:
    first, second = way((0, "van-1", Step.LOADED, ""), (9, "van-1", Step.DELIVERED, ""))
    fold(tx, [second, first])

    assert tx.execute(select(trip.c.id)).scalar() == first.fact_id.hex()[:32]


STEPS = st.sampled_from([*Step])
SCANS = st.tuples(
    st.integers(0, 30),
    st.sampled_from(["van-1", "van-2", "dock"]),
    STEPS,
    st.sampled_from(["", "Dock 4", "Van 1"]),
    st.sampled_from(["A", "B", "C"]),
)


@given(st.lists(SCANS, max_size=14), st.randoms(use_true_random=False), st.data())
def test_same_stays_and_trips_in_any_order_of_arrival(scans: list, random: object, data: st.DataObject) -> None:  # type: ignore[type-arg]  # tuples as drawn
    ledger = Ledger()
    for hours, device, step, place, parcel in scans:
        ledger.add(
            scan(parcel, step, place), at_ms=T0 + hours * 3 * HOUR_MS, device=device, received_ms=T0 + 100 * HOUR_MS
        )
    for target in data.draw(st.lists(st.sampled_from(ledger.facts), max_size=2)) if ledger.facts else []:
        deed = data.draw(st.sampled_from([None, Deed.LOADED, Deed.RETURNED]))
        ledger.add(_correction(target, deed), at_ms=T0 + 95 * HOUR_MS, device="hub", received_ms=T0 + 100 * HOUR_MS)
    shuffled = data.draw(st.permutations(ledger.facts))

    at_once, one_by_one = folded([ledger.facts]), folded([[fact] for fact in shuffled])

    assert one_by_one["stay"] == at_once["stay"]
    assert one_by_one["trip"] == at_once["trip"]


def _correction(wrong: LedgerFact, deed: Deed | None) -> Decision:
    return Decision(CORRECT, (wrong.fact_id,), "a.jansen", "scanned by mistake", correction_subject(deed))


def _trips(tx: Connection) -> list[tuple[str, int, int | None, int, int]]:
    rows = tx.execute(select(trip).order_by(trip.c.from_ms))
    return [
        (
            row.device,
            (row.from_ms - T0) // MINUTE_MS,
            None if row.to_ms is None else (row.to_ms - T0) // MINUTE_MS,
            row.parcels,
            row.aboard,
        )
        for row in rows
    ]
