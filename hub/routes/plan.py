"""The planning problem and its solution, as plain values. Pure: no clock, no road network, no solver.

Times are seconds from the problem's own zero; places are numbers in its table of road times.
"""

from array import array
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

_CELL: Final = "i"


class Why(StrEnum):
    """Why a stop is on no route."""

    NO_PLACE = "no_place"
    """Nobody knows where it is."""
    TOO_HEAVY = "too_heavy"
    """More grams than any van carries; the value is the most that one does."""
    TOO_LARGE = "too_large"
    """The same in millilitres."""
    TOO_MANY = "too_many"
    """The same in parcels."""
    OUT_OF_REACH = "out_of_reach"
    """No van can be there in its window; the value is by how many seconds the best one is late."""
    NOT_ABOARD = "not_aboard"
    """All vans have left, and none has it."""
    NO_ROOM = "no_room"
    """What fits into the vans is taken by other stops."""
    NO_TIME = "no_time"
    """Other stops take the time that the vans have."""
    TAKEN_OFF = "taken_off"
    """A person took it off its route."""


class Table(Struct, frozen=True):
    """Road times and lengths from each place to each other one, row by row: `seconds` and `metres` are arrays of int32."""

    size: int
    seconds: bytes
    metres: bytes

    def second(self, start: int, end: int) -> int:
        """From one place to another."""
        return memoryview(self.seconds).cast(_CELL)[start * self.size + end]

    def metre(self, start: int, end: int) -> int:
        """From one place to another."""
        return memoryview(self.metres).cast(_CELL)[start * self.size + end]


def table_of_rows(seconds: Sequence[Sequence[int]], metres: Sequence[Sequence[int]]) -> Table:
    """A table from rows of numbers."""
    packed = [array(_CELL, [cell for row in rows for cell in row]).tobytes() for rows in (seconds, metres)]
    return Table(len(seconds), *packed)


class Load(Struct, frozen=True):
    """How much something is."""

    grams: int = 0
    millilitres: int = 0
    parcels: int = 0


class Job(Struct, frozen=True):
    """A stop to be planned.

    Attributes:
        place: where; None: nobody knows.
        opens_s: from when on somebody is there; None: always.
        delivered: leaves the van there.
        collected: comes into the van there.
        van: the one van that may do it, because its parcels are in it; None: any.
        at_depot: its parcels lie at the depot, so only a van that has not left can take it.
        weight: how much it matters beside others.
    """

    stop: str
    place: int | None
    opens_s: int | None = None
    closes_s: int | None = None
    service_s: int = 0
    delivered: Load = Load()
    collected: Load = Load()
    van: int | None = None
    at_depot: bool = False
    weight: int = 1


class Van(Struct, frozen=True):
    """A van: from where and when it can drive, and when it must be at its end. None as capacity: as much as wanted."""

    name: str
    start: int
    end: int
    from_s: int
    to_s: int
    grams: int | None = None
    millilitres: int | None = None
    parcels: int | None = None
    has_left: bool = False


class Problem(Struct, frozen=True):
    """All that a plan follows from."""

    jobs: tuple[Job, ...]
    vans: tuple[Van, ...]
    table: Table


class Visit(Struct, frozen=True):
    """A job on a run: `arrives_s` at its door, `leaves_s` after waiting and service."""

    job: int
    arrives_s: int
    leaves_s: int
    late_s: int = 0
    """After its window closed."""


class Run(Struct, frozen=True):
    """What one van does, in order."""

    van: int
    visits: tuple[Visit, ...]
    start_s: int
    end_s: int
    metres: int
    over_s: int = 0
    """After its shift."""
    overloaded: bool = False


class Unserved(Struct, frozen=True):
    """A job that no van does; `value` is what `why` says it with."""

    job: int
    why: Why
    value: int = 0


class Plan(Struct, frozen=True):
    """A solution."""

    runs: tuple[Run, ...]
    unserved: tuple[Unserved, ...] = ()

    @property
    def feasible(self) -> bool:
        """Whether all of it can be done as it stands."""
        return not any(run.over_s or run.overloaded or any(v.late_s for v in run.visits) for run in self.runs)


def drive(problem: Problem, van: int, order: Sequence[int]) -> Run:
    """What comes of a van doing these jobs in this order, leaving as late as it can without being later anywhere."""
    start_s = _start(problem, van, order)
    run = _drive_from(problem, van, order, start_s)
    loads = _loads(problem, order)
    own = problem.vans[van]
    over = any(
        most is not None and load > most
        for step in loads
        for load, most in zip(step, (own.grams, own.millilitres, own.parcels), strict=True)
    )
    return Run(van, run.visits, start_s, run.end_s, run.metres, max(0, run.end_s - own.to_s), over)


def _start(problem: Problem, van: int, order: Sequence[int]) -> int:
    """Waiting at the first doors is spent at the depot instead, as far as that makes nobody wait."""
    own = problem.vans[van]
    if own.has_left:
        return own.from_s
    at_s, spare_s, waited_s = own.from_s, None, 0
    here = own.start
    for number in order:
        job = problem.jobs[number]
        if job.place is None:
            continue
        at_s += problem.table.second(here, job.place)
        here = job.place
        slack_s = None if job.closes_s is None else max(0, job.closes_s - at_s) + waited_s
        spare_s = slack_s if spare_s is None else spare_s if slack_s is None else min(spare_s, slack_s)
        wait_s = max(0, (job.opens_s or 0) - at_s) if job.opens_s is not None else 0
        waited_s += wait_s
        at_s += wait_s + job.service_s
    return own.from_s + (waited_s if spare_s is None else min(waited_s, spare_s))


def _drive_from(problem: Problem, van: int, order: Sequence[int], start_s: int) -> Run:
    own, table = problem.vans[van], problem.table
    at_s, here, metres = start_s, own.start, 0
    visits = []
    for number in order:
        job = problem.jobs[number]
        if job.place is not None:
            at_s += table.second(here, job.place)
            metres += table.metre(here, job.place)
            here = job.place
        arrives_s = at_s
        begins_s = at_s if job.opens_s is None else max(at_s, job.opens_s)
        late_s = 0 if job.closes_s is None else max(0, begins_s - job.closes_s)
        at_s = begins_s + job.service_s
        visits.append(Visit(number, arrives_s, at_s, late_s))
    at_s += table.second(here, own.end)
    return Run(van, tuple(visits), start_s, at_s, metres + table.metre(here, own.end))


def _loads(problem: Problem, order: Sequence[int]) -> list[tuple[int, int, int]]:
    """What is in the van from door to door."""
    jobs = [problem.jobs[number] for number in order]
    steps = [tuple(sum(_amounts(job.delivered)[i] for job in jobs) for i in range(3))]
    for job in jobs:
        out, into = _amounts(job.delivered), _amounts(job.collected)
        steps.append(tuple(load - out[i] + into[i] for i, load in enumerate(steps[-1])))
    return [(grams, millilitres, parcels) for grams, millilitres, parcels in steps]


def _amounts(load: Load) -> tuple[int, int, int]:
    return load.grams, load.millilitres, load.parcels


def hopeless(problem: Problem) -> dict[int, Unserved]:
    """Jobs that no van could do even if it had nothing else to do, each with why."""
    found = {}
    for number, job in enumerate(problem.jobs):
        if (why := _hopeless(problem, job)) is not None:
            found[number] = Unserved(number, *why)
    return found


def _hopeless(problem: Problem, job: Job) -> tuple[Why, int] | None:
    if job.place is None:
        return Why.NO_PLACE, 0
    vans = [van for i, van in enumerate(problem.vans) if job.van in (None, i)]
    if job.at_depot and job.van is None:
        vans = [van for van in vans if not van.has_left]
    if not vans:
        return Why.NOT_ABOARD, 0
    for why, name in ((Why.TOO_HEAVY, "grams"), (Why.TOO_LARGE, "millilitres"), (Why.TOO_MANY, "parcels")):
        amount = max(getattr(job.delivered, name), getattr(job.collected, name))
        most = [getattr(van, name) for van in vans]
        if None not in most and amount > max(most):
            return why, max(most)
    late_s = min(_late(problem, van, job, job.place) for van in vans)
    return None if late_s <= 0 else (Why.OUT_OF_REACH, late_s)


def _late(problem: Problem, van: Van, job: Job, place: int) -> int:
    at_s = van.from_s + problem.table.second(van.start, place)
    begins_s = max(at_s, job.opens_s if job.opens_s is not None else at_s)
    after_s = begins_s + job.service_s + problem.table.second(place, van.end) - van.to_s
    return max(after_s, begins_s - (job.closes_s if job.closes_s is not None else begins_s))


def why_left_out(problem: Problem, number: int) -> Unserved:
    """Why a job that could be done alone is left out beside the others."""
    jobs, vans = problem.jobs, problem.vans
    for name in ("grams", "millilitres", "parcels"):
        most = [getattr(van, name) for van in vans]
        if None not in most and sum(getattr(job.delivered, name) for job in jobs) > sum(most):
            return Unserved(number, Why.NO_ROOM)
    return Unserved(number, Why.NO_TIME)
