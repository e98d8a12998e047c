"""From stops and vans to a planning problem, and from its solution back to routes.

What happened already binds the plan: stops that somebody went to and cancelled stops stay as they are, parcels in a van stay in
it, and a van that has left takes nothing more from the depot.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct, structs
from sqlalchemy import Connection

from hub.errors import Refused
from hub.routes.plan import Job, Plan, Problem, Run, Table, Van, Why, drive, hopeless
from hub.routes.progress import Progress
from hub.routes.queries import StopView
from hub.routes.roads import Place, Roads
from hub.routes.vehicles import shift_ms
from hub.shipments.order import OrderKind, Service
from hub.tracking.positions import device_positions

WEIGHTS: Final = {Service.EXPRESS: 4, Service.STANDARD: 2, Service.ECONOMY: 1}
FRESH_POSITION_MS: Final = 15 * 60_000
"""An older position is no better than the last door."""
SECOND_MS: Final = 1000


class Planned(Struct, frozen=True):
    """A problem, and what its numbers mean. `stops` are those of its jobs; `roads` says where times come from."""

    problem: Problem
    places: tuple[Place, ...]
    stops: tuple[StopView, ...]
    routes: tuple[Progress, ...]
    base_ms: int
    roads: str

    def at_ms(self, second: int) -> int:
        """The instant of a second of the problem."""
        return self.base_ms + second * SECOND_MS


class NewOrder(Struct, frozen=True):
    """What a route is to be: its open stops in order with when the van is there."""

    route: str
    stops: tuple[tuple[str, int], ...]
    start_ms: int | None
    end_ms: int | None
    metres: int
    late: tuple[str, ...] = ()
    over_s: int = 0
    overloaded: bool = False


class Drawn(Struct, frozen=True):
    """A plan in the words of routes. `waiting`: stops on no route, each with why."""

    orders: tuple[NewOrder, ...]
    waiting: tuple[tuple[str, Why, int], ...]
    roads: str


def pose(
    conn: Connection, routes: Sequence[Progress], waiting: Sequence[StopView], roads: Roads, now_ms: int
) -> Planned:
    """The problem of these routes and waiting stops, as it is now."""
    places: list[Place] = []
    numbers: dict[Place, int] = {}

    def place(lat_e7: int, lon_e7: int) -> int:
        if (lat_e7, lon_e7) not in numbers:
            numbers[lat_e7, lon_e7] = len(places)
            places.append((lat_e7, lon_e7))
        return numbers[lat_e7, lon_e7]

    shifts = [shift_ms(one.route.vehicle, one.route.day) for one in routes]
    base_ms = min((start for start, _ in shifts), default=now_ms)
    base_ms -= base_ms % SECOND_MS
    here = _positions(conn, routes, now_ms)

    def second(at_ms: int) -> int:
        return (at_ms - base_ms) // SECOND_MS

    vans = []
    for one, (from_ms, to_ms) in zip(routes, shifts, strict=True):
        van = one.route.vehicle
        depot = place(van.depot_lat_e7, van.depot_lon_e7)
        start = place(*here[one.route.id]) if one.route.id in here else depot
        begins = second(max(now_ms, from_ms))
        vans.append(
            Van(van.name, start, depot, begins, second(to_ms), van.weight_g, van.volume_ml, van.parcels, one.has_left)
        )
    jobs: list[Job] = []
    stops: list[StopView] = []
    for number, one in enumerate(routes):
        for at in one.stops:
            if at.open:
                stops.append(at.stop)
                jobs.append(_job(at.stop, number if at.aboard or one.has_left else None, second, place))
    for stop in waiting:
        stops.append(stop)
        jobs.append(_job(stop, None, second, place))
    table, source = roads.table(places) if places else (Table(0, b"", b""), roads.name)
    return Planned(
        Problem(tuple(jobs), tuple(vans), table), tuple(places), tuple(stops), tuple(routes), base_ms, source
    )


def _positions(conn: Connection, routes: Sequence[Progress], now_ms: int) -> Mapping[str, Place]:
    """Where vans that have left are: by their receiver, else at the door where somebody was last."""
    fresh = {p.device: p for p in device_positions(conn) if now_ms - p.at_ms <= FRESH_POSITION_MS}
    found: dict[str, Place] = {}
    for one in routes:
        if not one.has_left:
            continue
        position = fresh.get(one.route.device)
        visited = [at for at in one.stops if at.outcome.first is not None and at.stop.lat_e7 is not None]
        last = max(visited, key=lambda at: at.outcome.first.happened_ms if at.outcome.first else 0, default=None)
        if position is not None:
            found[one.route.id] = position.lat_e7, position.lon_e7
        elif last is not None and last.stop.lat_e7 is not None and last.stop.lon_e7 is not None:
            found[one.route.id] = last.stop.lat_e7, last.stop.lon_e7
    return found


def _job(stop: StopView, van: int | None, second: Callable[[int], int], place: Callable[[int, int], int]) -> Job:
    where = None if stop.lat_e7 is None or stop.lon_e7 is None else place(stop.lat_e7, stop.lon_e7)
    delivered = stop.load(OrderKind.DELIVERY)
    return Job(
        stop=stop.stop,
        place=where,
        opens_s=None if stop.window_from_ms is None else second(stop.window_from_ms),
        closes_s=None if stop.window_to_ms is None else second(stop.window_to_ms),
        service_s=stop.service_s,
        delivered=delivered,
        collected=stop.load(OrderKind.PICKUP),
        van=van,
        at_depot=delivered.parcels > 0,
        weight=max((WEIGHTS[one.order.service] for one in stop.shipments), default=1),
    )


def bound(problem: Problem) -> Problem:
    """With windows that their own van cannot keep any more left out: it has the parcels, so it goes there late."""
    lost = {n for n, one in hopeless(problem).items() if one.why is Why.OUT_OF_REACH}
    jobs = [
        structs.replace(job, closes_s=None) if n in lost and job.van is not None else job
        for n, job in enumerate(problem.jobs)
    ]
    return structs.replace(problem, jobs=tuple(jobs))


def draw(planned: Planned, plan: Plan) -> Drawn:
    """What a solution means for the routes; what a van has stays in it, however late."""
    problem = planned.problem
    orders = [[visit.job for visit in run.visits] for run in plan.runs] or [[] for _ in problem.vans]
    waiting = []
    for one in plan.unserved:
        van = problem.jobs[one.job].van
        if van is None:
            waiting.append(one)
        else:
            orders[van] = _insert(problem, van, orders[van], one.job)
    return Drawn(
        tuple(_order(planned, drive(problem, van, order)) for van, order in enumerate(orders)),
        tuple((problem.jobs[one.job].stop, one.why, one.value) for one in waiting),
        planned.roads,
    )


def _insert(problem: Problem, van: int, order: Sequence[int], job: int) -> list[int]:
    """Where it lengthens the day least; behind all others where nobody knows where it is."""
    tried = [[*order[:at], job, *order[at:]] for at in range(len(order), -1, -1)]
    if problem.jobs[job].place is None:
        return tried[0]
    return min(tried, key=lambda one: drive(problem, van, one).end_s)


def _order(planned: Planned, run: Run) -> NewOrder:
    visits = run.visits
    return NewOrder(
        route=planned.routes[run.van].route.id,
        stops=tuple((planned.stops[visit.job].stop, planned.at_ms(visit.arrives_s)) for visit in visits),
        start_ms=planned.at_ms(run.start_s) if visits else None,
        end_ms=planned.at_ms(run.end_s) if visits else None,
        metres=run.metres if visits else 0,
        late=tuple(planned.stops[visit.job].stop for visit in visits if visit.late_s),
        over_s=run.over_s if visits else 0,
        overloaded=run.overloaded,
    )


def by_hand(planned: Planned, orders: Mapping[str, Iterable[str]]) -> Drawn:
    """These routes in the order that a person gives; stops that no order names wait.

    Raises:
        Refused: an order names a stop that is none of the problem's.
    """
    numbers = {stop.stop: n for n, stop in enumerate(planned.stops)}
    drawn = []
    placed: set[str] = set()
    for van, one in enumerate(planned.routes):
        names = list(orders[one.route.id])
        if unknown := [name for name in names if name not in numbers]:
            raise Refused(f"stop {unknown[0]!r} is none that is open here")
        placed.update(names)
        drawn.append(_order(planned, drive(planned.problem, van, [numbers[name] for name in names])))
    left = tuple((stop.stop, Why.TAKEN_OFF, 0) for stop in planned.stops if stop.stop not in placed)
    return Drawn(tuple(drawn), left, planned.roads)
