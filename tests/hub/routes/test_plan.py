"""What comes of an order of stops, and why some can be served by nobody."""

import pytest

from hub.routes.plan import Job, Load, Problem, Unserved, Van, Why, drive, hopeless, table_of_rows

# Three places in a row, 600 s apart; the depot is the first.
ROW = table_of_rows([[0, 600, 1200], [600, 0, 600], [1200, 600, 0]], [[0, 6, 12], [6, 0, 6], [12, 6, 0]])
VAN = Van("van 1", 0, 0, 0, 36_000, grams=1000)


def test_a_run_waits_for_windows_and_serves_in_order() -> None:
    jobs = (Job("a", 1, 3600, 7200, 100), Job("b", 2, None, None, 50))
    run = drive(Problem(jobs, (VAN,), ROW), 0, [0, 1])
    assert [(v.arrives_s, v.leaves_s, v.late_s) for v in run.visits] == [(3600, 3700, 0), (4300, 4350, 0)]
    assert (run.start_s, run.end_s, run.metres) == (3000, 5550, 24)


def test_a_van_that_has_left_does_not_wait_at_the_depot() -> None:
    van = Van("van 1", 0, 0, 0, 36_000, has_left=True)
    run = drive(Problem((Job("a", 1, 3600, 7200, 0),), (van,), ROW), 0, [0])
    assert (run.start_s, run.visits[0].arrives_s, run.visits[0].leaves_s) == (0, 600, 3600)


def test_lateness_overtime_and_overload_are_told() -> None:
    jobs = (Job("a", 2, 0, 600, 0, Load(grams=800)), Job("b", 1, None, None, 0, Load(grams=300)))
    run = drive(Problem(jobs, (Van("van 1", 0, 0, 0, 2000, grams=1000),), ROW), 0, [0, 1])
    assert (run.visits[0].late_s, run.over_s, run.overloaded) == (600, 400, True)


def test_what_is_fetched_takes_the_room_of_what_was_brought() -> None:
    jobs = (Job("a", 1, delivered=Load(grams=900)), Job("b", 2, collected=Load(grams=900)))
    problem = Problem(jobs, (VAN,), ROW)
    assert not drive(problem, 0, [0, 1]).overloaded
    assert drive(problem, 0, [1, 0]).overloaded


@pytest.mark.parametrize(
    ("job", "why", "value"),
    [
        (Job("a", None), Why.NO_PLACE, 0),
        (Job("a", 1, delivered=Load(grams=1001)), Why.TOO_HEAVY, 1000),
        (Job("a", 2, 0, 900), Why.OUT_OF_REACH, 300),
        (Job("a", 2, service_s=34_000), Why.OUT_OF_REACH, 400),
    ],
)
def test_a_stop_that_nobody_can_serve_says_why(job: Job, why: Why, value: int) -> None:
    assert hopeless(Problem((job,), (VAN,), ROW)) == {0: Unserved(0, why, value)}


def test_what_lies_at_the_depot_cannot_be_taken_by_vans_that_have_left() -> None:
    gone = Van("van 1", 1, 0, 0, 36_000, has_left=True)
    problem = Problem((Job("a", 2, at_depot=True), Job("b", 2)), (gone,), ROW)
    assert hopeless(problem) == {0: Unserved(0, Why.NOT_ABOARD)}
