"""How good a plan is after how long, by the number of stops: PyVRP in its own process, as the hub runs it."""

import time
from collections.abc import Iterator
from pathlib import Path

from hub.routes.plan import Plan, Problem, drive
from hub.routes.solver import solve
from tests.bench.figure import Figure
from tests.hub.routes.cities import city

SIZES = ((50, 3, 2.0), (100, 5, 5.0), (300, 12, 8.0), (1000, 30, 15.0))
"""Stops, vans, and seconds to search."""
PROMISED, PROMISED_S = 100, 10
"""So many stops are planned within so many seconds, and 99 % of them can be served."""
IDS = (*(f"plan.{stops}_s" for stops, _, _ in SIZES), "plan.100_driven_h")


def figures(folder: Path) -> Iterator[Figure]:
    """Measure."""
    del folder
    for stops, vans, seconds in SIZES:
        problem = city(stops, vans)
        began_s = time.monotonic()
        plan = solve(problem, seconds)
        took_s = time.monotonic() - began_s
        served = 100 * (stops - len(plan.unserved)) / stops
        can = "can" if plan.feasible else "cannot"
        note = f"{vans} vans, windows of 2 to 4 h; {served:.1f} % served, and that {can} be done"
        if stops == PROMISED:
            met = took_s <= PROMISED_S and len(plan.unserved) <= 1
            aim = f"at most {PROMISED_S}"
            yield Figure("plan.100_s", took_s, "s", "given to the search", seconds, aim, met, note)
            yield _driven(problem, plan)
        else:
            yield Figure(f"plan.{stops}_s", took_s, "s", "given to the search", seconds, note=note)


def _driven(problem: Problem, plan: Plan) -> Figure:
    own_h = sum(run.end_s - run.start_s for run in plan.runs if run.visits) / 3600
    nearest = _nearest_first(problem)
    return Figure(
        "plan.100_driven_h",
        own_h,
        "h of vans",
        "nearest stop first that can still be met",
        nearest[0],
        aim="at most 1",
        met=own_h <= nearest[0] or 100 - len(plan.unserved) > nearest[1],
        note=f"{100 - len(plan.unserved)} stops against {nearest[1]}",
    )


def _nearest_first(problem: Problem) -> tuple[float, int]:
    """What a person with a map does: van by van the nearest stop whose window can still be kept. Hours, and stops served."""
    left = set(range(len(problem.jobs)))
    hours = 0.0
    for van in range(len(problem.vans)):
        order: list[int] = []
        while True:
            here = problem.jobs[order[-1]].place if order else problem.vans[van].start
            near = sorted(left, key=lambda n: problem.table.second(here or 0, problem.jobs[n].place or 0))
            fits = next((n for n in near if _can(problem, van, [*order, n])), None)
            if fits is None:
                break
            order.append(fits)
            left.remove(fits)
        run = drive(problem, van, order)
        hours += (run.end_s - run.start_s) / 3600 if order else 0
    return hours, len(problem.jobs) - len(left)


def _can(problem: Problem, van: int, order: list[int]) -> bool:
    run = drive(problem, van, order)
    return not (run.over_s or run.overloaded or any(visit.late_s for visit in run.visits))
