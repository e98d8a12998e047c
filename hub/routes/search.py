"""Solves planning problems with PyVRP. This is the process that `hub.routes.solver` starts.

    python -m hub.routes.search < task.msgpack > plan.msgpack

PyVRP: Wouda, Lan and Kool, "PyVRP: a high-performance VRP solver package", INFORMS Journal on Computing 36 (2024).
"""

import os
import sys
from operator import attrgetter
from typing import Any, Final

import msgspec
import numpy as np
import pyvrp
from pyvrp.stop import MaxRuntime, MultipleCriteria, NoImprovement

from hub.routes.plan import Job, Load, Plan, Problem, drive, hopeless, why_left_out
from hub.routes.solver import SEED, Task

COST_OF_SECOND: Final = 10
"""Beside 1 for a metre: an hour of a courier costs as much as 36 km."""
PRIZE: Final = 2 * 86_400 * COST_OF_SECOND
"""For a stop that is served: more than any detour of a day costs, so a stop is left out only where it cannot be done."""
UNBOUNDED: Final = 10**12
NICE: Final = 10
IDLE_ITERATIONS: Final = 5_000
"""Without a better plan it has most likely found the best; small problems end in a second then."""


def solve_here(problem: Problem, seconds: float, seed: int = SEED) -> Plan:
    """The same in this process."""
    out = hopeless(problem)
    open_jobs = [number for number in range(len(problem.jobs)) if number not in out]
    orders = _search(problem, open_jobs, seconds, seed) if open_jobs and problem.vans else [[] for _ in problem.vans]
    served = {number for order in orders for number in order}
    left = [why_left_out(problem, number) for number in open_jobs if number not in served]
    runs = tuple(drive(problem, van, order) for van, order in enumerate(orders))
    return Plan(runs, tuple(sorted([*out.values(), *left], key=attrgetter("job"))))


def _search(problem: Problem, numbers: list[int], seconds: float, seed: int) -> list[list[int]]:
    """Which van does which of these jobs, in which order."""
    locked = sorted({van for n in numbers if (van := problem.jobs[n].van) is not None})
    # Locations of depots and clients may be the same; a location of the table is one of the model.
    locations = [pyvrp.Location(0, 0) for _ in range(problem.table.size)]
    starts = [pyvrp.Depot(van.start) for van in problem.vans]
    ends = [pyvrp.Depot(van.end) for van in problem.vans]
    data = pyvrp.ProblemData(
        locations,
        [_client(problem.jobs[n], locked) for n in numbers],
        [*starts, *ends],
        [_vehicle(problem, i, locked) for i in range(len(problem.vans))],
        [_matrix(problem.table.metres, problem.table.size)],
        [_matrix(problem.table.seconds, problem.table.size)],
    )
    stop = MultipleCriteria([MaxRuntime(seconds), NoImprovement(IDLE_ITERATIONS)])
    best = pyvrp.solve(data, stop, seed=seed, collect_stats=False).best
    orders: list[list[int]] = [[] for _ in problem.vans]
    for route in best.routes():
        visits = [numbers[step.idx] for step in route.schedule() if step.is_client()]
        orders[route.vehicle_type()] = visits
    return orders if best.is_feasible() else [_feasible(problem, i, order) for i, order in enumerate(orders)]


def _feasible(problem: Problem, van: int, order: list[int]) -> list[int]:
    """Where time was too short for a plan that can be done: leave out whoever breaks it, what matters least first."""
    kept: list[int] = []
    for number in sorted(order, key=lambda n: (-problem.jobs[n].weight, order.index(n))):
        tried = sorted([*kept, number], key=order.index)
        run = drive(problem, van, tried)
        if not (run.over_s or run.overloaded or any(visit.late_s for visit in run.visits)):
            kept = tried
    return kept


def _client(job: Job, locked: list[int]) -> pyvrp.Client:
    # To be bound to one van is a load that only this van can carry.
    marks = [int(job.van == van) for van in locked]
    from_depot = int(job.at_depot and job.van is None)
    return pyvrp.Client(
        location=job.place or 0,
        delivery=[*_amounts(job.delivered), from_depot, *marks],
        pickup=[*_amounts(job.collected), 0, *(0 for _ in marks)],
        service_duration=job.service_s,
        tw_early=max(0, job.opens_s or 0),
        tw_late=UNBOUNDED if job.closes_s is None else max(0, job.closes_s),
        prize=PRIZE * job.weight,
        required=False,
    )


def _vehicle(problem: Problem, number: int, locked: list[int]) -> pyvrp.VehicleType:
    van = problem.vans[number]
    capacity = [UNBOUNDED if most is None else most for most in (van.grams, van.millilitres, van.parcels)]
    marks = [UNBOUNDED if number == other else 0 for other in locked]
    return pyvrp.VehicleType(
        1,
        capacity=[*capacity, 0 if van.has_left else UNBOUNDED, *marks],
        start_depot=number,
        end_depot=len(problem.vans) + number,
        tw_early=max(0, van.from_s),
        tw_late=max(0, van.to_s),
        unit_distance_cost=1,
        unit_duration_cost=COST_OF_SECOND,
        start_late=max(0, van.from_s) if van.has_left else None,
    )


def _amounts(load: Load) -> list[int]:
    return [load.grams, load.millilitres, load.parcels]


def _matrix(cells: bytes, size: int) -> Any:
    return np.frombuffer(cells, dtype=np.int32).reshape(size, size).astype(np.int64)


def main() -> None:
    """The process: a task on stdin, the plan on stdout."""
    os.nice(NICE)
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task)
    sys.stdout.buffer.write(msgspec.msgpack.encode(solve_here(task.problem, task.seconds, task.seed)))


if __name__ == "__main__":
    main()
