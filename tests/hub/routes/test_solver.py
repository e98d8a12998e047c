"""Plans are as good as they must be, and keep what binds them."""

import itertools
import math
import random
import time
from datetime import UTC, datetime

import pytest

from firmware_sim.demo.city import orders
from firmware_sim.physics.codes import Code
from firmware_sim.physics.van import ROTTERDAM
from hub.routes.plan import Job, Load, Problem, Van, Why, table_of_rows
from hub.routes.roads import Estimate
from hub.routes.search import solve_here
from hub.routes.solver import solve
from tests.hub.routes.cities import HOUR_S, city


def circle(stops: int, radius: float = 10_000) -> tuple[Problem, float]:
    """Stops in convex position: the shortest way round is along the hull, so its length is known."""
    points = [
        (radius * math.cos(2 * math.pi * n / stops), radius * math.sin(2 * math.pi * n / stops)) for n in range(stops)
    ]
    rows = [[round(math.dist(a, b)) for b in points] for a in points]
    jobs = tuple(Job(f"s{n}", n) for n in random.Random(1).sample(range(1, stops), stops - 1))
    problem = Problem(jobs, (Van("van", 0, 0, 0, 10**6),), table_of_rows(rows, rows))
    return problem, stops * 2 * radius * math.sin(math.pi / stops)


def demo_city(stops: int, vans: int) -> Problem:
    """Orders of the demo that have a window, around its depot."""
    codes = ((n, Code(f"P{n}".encode())) for n in itertools.count(1))
    now = datetime(2026, 6, 1, 8, tzinfo=UTC)
    some = [one.body for one in orders(codes, 6 * stops, (1, 3), now) if "window_to" in one.body][:stops]
    places = [tuple(round(at * 1e7) for at in ROTTERDAM)]
    places += [tuple(round(float(str(body[axis])) * 1e7) for axis in ("latitude", "longitude")) for body in some]
    table, _ = Estimate().table([(lat, lon) for lat, lon in places])
    jobs = []
    for n, body in enumerate(some):
        opens_s, closes_s = (
            int((datetime.fromisoformat(str(body[end])) - now).total_seconds()) for end in ("window_from", "window_to")
        )
        jobs.append(Job(f"s{n}", n + 1, opens_s, closes_s, 150, Load(parcels=2), at_depot=True))
    return Problem(tuple(jobs), tuple(Van(f"van {n}", 0, 0, 0, 10 * HOUR_S, parcels=80) for n in range(vans)), table)


@pytest.mark.parametrize("problem", [city(100, 5), demo_city(100, 3)], ids=["any city", "demo city"])
def test_of_a_hundred_stops_with_windows_nearly_all_are_served_and_long_before_ten_seconds(problem: Problem) -> None:
    began_s = time.monotonic()
    plan = solve(problem, 0.7)
    assert time.monotonic() - began_s < 10
    assert plan.feasible
    assert len(plan.unserved) <= 1
    served = sorted(visit.job for run in plan.runs for visit in run.visits)
    assert sorted([*served, *(one.job for one in plan.unserved)]) == list(range(100))
    for run in plan.runs:
        assert [visit.late_s for visit in run.visits] == [0] * len(run.visits)


def test_a_plan_is_within_two_percent_of_a_known_optimum() -> None:
    problem, optimum = circle(48)
    [run] = solve_here(problem, 0.4).runs
    assert len(run.visits) == 47
    assert run.metres <= optimum * 1.02 + 48


def test_clusters_that_fill_a_van_each_are_driven_by_one_van_each() -> None:
    rng = random.Random(3)
    centres = [(0, 50_000), (50_000, 0), (-50_000, 0)]
    points = [(0, 0)] + [(x + rng.randrange(300), y + rng.randrange(300)) for x, y in centres for _ in range(8)]
    rows = [[round(math.dist(a, b)) for b in points] for a in points]
    jobs = tuple(Job(f"s{n}", n, delivered=Load(parcels=1)) for n in range(1, 25))
    vans = tuple(Van(f"van {n}", 0, 0, 0, 10**6, parcels=8) for n in range(3))
    plan = solve_here(Problem(jobs, vans, table_of_rows(rows, rows)), 0.4)
    assert plan.feasible
    assert sorted(tuple(sorted((v.job) // 8 for v in run.visits)) for run in plan.runs) == [(n,) * 8 for n in range(3)]


def test_what_a_van_has_on_board_stays_in_it() -> None:
    whole = city(30, 3)
    locked = tuple(
        Job(job.stop, job.place, None, None, 60, job.delivered, van=n % 3 if n < 12 else None, at_depot=True)
        for n, job in enumerate(whole.jobs)
    )
    plan = solve_here(Problem(locked, whole.vans, whole.table), 0.3)
    assert not plan.unserved
    for run in plan.runs:
        assert {visit.job % 3 for visit in run.visits if visit.job < 12} <= {run.van}


def test_a_van_that_has_left_takes_no_parcels_from_the_depot_but_fetches() -> None:
    whole = city(8, 2)
    vans = (whole.vans[0], Van("gone", 3, 0, 0, 10 * HOUR_S, has_left=True))
    jobs = (
        *(Job(job.stop, job.place, None, None, 60, job.delivered, at_depot=True) for job in whole.jobs[:7]),
        Job("fetch", 3, collected=Load(parcels=1)),
    )
    plan = solve_here(Problem(jobs, vans, whole.table), 0.3)
    assert {visit.job for visit in plan.runs[1].visits} <= {7}
    assert sum(len(run.visits) for run in plan.runs) == 8


def test_what_matters_most_is_served_where_not_all_can_be() -> None:
    whole = city(20, 1)
    jobs = tuple(
        Job(job.stop, job.place, None, None, 60, Load(100), at_depot=True, weight=4 if n < 5 else 1)
        for n, job in enumerate(whole.jobs)
    )
    van = Van("small", 0, 0, 0, 10 * HOUR_S, grams=500)
    plan = solve_here(Problem(jobs, (van,), whole.table), 0.3)
    assert sorted(visit.job for visit in plan.runs[0].visits) == [0, 1, 2, 3, 4]
    assert {one.why for one in plan.unserved} == {Why.NO_ROOM}
