"""The day folded from what this device kept, in any order; and a map without tiles."""

import random

import msgspec
import pytest

from contract.event import Correction, Outcome, Proof, Step
from contract.fact import encode_core, fact_id
from contract.route import Route, StopChange, route_changes
from mobile_ui.core.day import KeptFact, StopState, fold_day
from mobile_ui.core.map_points import map_points
from tests.mobile_ui.kit import HOUR_MS, NOON_MS, fact, parcel, route, scan_event, stop


def kept(event: object, n: int) -> KeptFact:
    made = fact(event, n)  # type: ignore[arg-type] # any event
    return KeptFact(fact_id(encode_core(made)), made)


def proof(
    stop_key: str, outcome: Outcome = Outcome.DELIVERED, delivered: tuple[str, ...] = (), **more: object
) -> Proof:
    return Proof(stop_key, outcome, delivered, **more)  # type: ignore[arg-type] # fields of a proof


@pytest.mark.parametrize(
    ("events", "state"),
    [
        ([], StopState.OPEN),
        ([proof("s1", delivered=(parcel(1, 0), parcel(1, 1)))], StopState.DELIVERED),
        ([proof("s1", delivered=(parcel(1, 0),), refused=(parcel(1, 1),))], StopState.PARTLY),
        ([proof("s1", delivered=(parcel(1, 0),))], StopState.PARTLY),
        ([proof("s1", Outcome.ATTEMPTED)], StopState.ATTEMPTED),
        ([proof("s1", Outcome.ATTEMPTED), proof("s1", delivered=(parcel(1, 0), parcel(1, 1)))], StopState.DELIVERED),
        ([proof("s1", delivered=(parcel(1, 0),)), proof("s1", delivered=(parcel(1, 1),))], StopState.DELIVERED),
        ([proof("s1", Outcome.PICKED_UP)], StopState.PICKED_UP),
        ([proof("s2", Outcome.REFUSED)], StopState.OPEN),
    ],
)
def test_the_state_of_a_stop_is_what_its_last_proof_says(events: list[Proof], state: StopState) -> None:
    facts = [kept(event, n) for n, event in enumerate(events, 1)]
    random.Random(7).shuffle(facts)

    day = fold_day(route(), facts)

    found = day.find("s1")
    assert found is not None
    assert found.state is state


def test_the_last_proof_is_the_one_made_last_also_when_the_clock_went_back() -> None:
    first = fact(proof("s1", Outcome.ATTEMPTED), 1, at_ms=NOON_MS)
    last = fact(proof("s1", delivered=(parcel(1, 0), parcel(1, 1))), 2, at_ms=NOON_MS - HOUR_MS)

    found = fold_day(route(), [KeptFact(b"2" * 32, last), KeptFact(b"1" * 32, first)]).find("s1")

    assert found is not None
    assert (found.state, found.said) == (StopState.DELIVERED, (first.event, last.event))


def test_the_next_stop_is_the_first_open_one() -> None:
    day = fold_day(route(3), [kept(proof("s1", Outcome.REFUSED), 1)])

    assert (day.next_stop and day.next_stop.number, day.done) == (2, 1)


def test_what_was_loaded_is_no_longer_missing_until_its_scan_is_taken_back() -> None:
    one = kept(scan_event(parcel(1, 0)), 1)
    assert parcel(1, 0) not in {p.parcel for p in fold_day(route(), [one]).not_loaded}

    day = fold_day(route(), [one, kept(Correction(one.fact_id, "wrong parcel"), 2)])

    assert parcel(1, 0) in {p.parcel for p in day.not_loaded}
    assert [(s.scan.parcel, s.taken_back) for s in day.scans] == [(parcel(1, 0), "wrong parcel")]


def test_a_scan_at_a_stop_loads_nothing() -> None:
    day = fold_day(route(), [kept(scan_event(parcel(1, 0), Step.OUT_FOR_DELIVERY), 1)])

    assert day.loaded == frozenset()


def test_a_proof_at_a_stop_that_the_hub_cancelled_is_kept_and_shown_as_a_conflict() -> None:
    plan = route(3)
    cancelled = msgspec.structs.replace(
        plan, stops=(msgspec.structs.replace(plan.stops[0], cancelled=True), *plan.stops[1:])
    )
    facts = [kept(proof("s1", delivered=(parcel(1, 0), parcel(1, 1))), 1)]

    day = fold_day(cancelled, facts, route_changes(plan, cancelled))

    found = day.find("s1")
    assert found is not None
    assert (found.state, found.conflict, found.change) == (StopState.DELIVERED, True, StopChange.CANCELLED)
    untouched = fold_day(cancelled, []).find("s1")
    assert untouched is not None
    assert (untouched.state, untouched.conflict) == (StopState.CANCELLED, False)


def test_a_stop_that_was_taken_off_is_told_until_the_courier_looked() -> None:
    plan = route(3)
    after = msgspec.structs.replace(plan, stops=plan.stops[:2])

    assert fold_day(after, [], route_changes(plan, after)).removed == ("s3",)


def test_what_was_proved_at_a_stop_stays_listed_when_it_is_taken_off() -> None:
    plan = route(3)
    after = msgspec.structs.replace(plan, stops=plan.stops[:2])
    facts = [kept(proof("s3", delivered=(parcel(3),), recipient="Li Na"), 1), kept(proof("s1", Outcome.REFUSED), 2)]

    day = fold_day(after, facts, known={one.stop: one for one in plan.stops})

    (left,) = day.left
    assert (left.stop.name, left.state, left.number) == (plan.stops[2].name, StopState.DELIVERED, 0)
    assert ([one.number for one in day.stops], day.find("s3"), day.find_left("s3")) == ([1, 2], None, left)
    unknown = fold_day(after, facts).find_left("s3")
    assert unknown is not None
    assert (unknown.stop.name, unknown.stop.address, unknown.state) == ("Li Na", parcel(3), StopState.DELIVERED)


def test_proofs_of_the_day_before_are_not_listed() -> None:
    one = kept(proof("s3", Outcome.ATTEMPTED, refused=(parcel(3),)), 1)
    tomorrow = msgspec.structs.replace(route(2), day="2026-03-03")

    assert [left.stop.name for left in fold_day(route(2), [one]).left] == [parcel(3)]
    assert fold_day(tomorrow, [one]).left == ()
    assert fold_day(None, [one], today="2026-03-03").left == fold_day(None, [one]).left == ()


def test_what_was_proved_today_stays_listed_when_the_whole_route_is_withdrawn() -> None:
    plan, one = route(3), kept(proof("s3", Outcome.ATTEMPTED, refused=(parcel(3),)), 1)

    (left,) = fold_day(None, [one], known={one.stop: one for one in plan.stops}, today=plan.day).left

    assert (left.stop, left.state, left.number) == (plan.stops[2], StopState.ATTEMPTED, 0)


def test_a_route_of_2000_stops_is_folded() -> None:
    day = fold_day(Route("r", "R", "2026-03-02", stops=tuple(stop(n) for n in range(1, 2_001))), [])

    assert len(day.stops) == 2_000


def test_the_map_fits_all_stops_into_its_square() -> None:
    points = map_points(route(40))

    assert [p.number for p in points] == list(range(41))
    assert all(-1e-9 <= c <= 1 + 1e-9 for p in points for c in (p.x, p.y))
    assert map_points(Route("r", "R", "2026-03-02")) == ()
    assert len(map_points(Route("r", "R", "2026-03-02", stops=(stop(1),)))) == 1
