"""A dispatcher's afternoon as pages show it: vans on their way, planned by hand so that no search decides what a test sees."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from contract.event import Outcome
from hub.routes.queries import waiting_stops
from tests.hub.routes.dispatching import DAWN_MS, DAY, HOUR_MS, NOW_MS, Dispatch, dispatch, order
from tests.hub.web.seeded import add_device

ZONE: Final = "Asia/Shanghai"
SHIFT: Final = {"zone": ZONE, "shift_from_min": 8 * 60, "shift_to_min": 18 * 60}
MORNING_MS: Final = DAWN_MS
"""08:00 there, when the shift begins."""
LONG: Final = "Donaudampfschifffahrtsgesellschaftsstraße 112b, 乌鲁木齐市沙依巴克区阿勒泰路北国春小区东区, 200041"
NAMES: Final = (
    "Wang Xiaoming",
    "买买提·阿布都拉·乌斯曼江·吐尔逊",
    "Rechtsschutzversicherungsgesellschaften Nord",
    "Li Na",
    "上海市第一人民医院药剂科",
)
VANS: Final = ("van-1", "van-2", "van-3")


def clock_text(at_ms: int) -> str:
    """As shippers write it, at the depot's clock."""
    hours, minutes = divmod((at_ms - DAWN_MS) // 60_000 + 8 * 60, 60)
    return f"{hours:02}:{minutes:02}"


def window(from_h: float, to_h: float) -> dict[str, str]:
    """Hours after the shift began."""
    ends = {"window_from": from_h, "window_to": to_h}
    return {name: f"{DAY}T{clock_text(DAWN_MS + round(h * HOUR_MS))}:00+08:00" for name, h in ends.items()}


def parcels_of(day: Dispatch, van: str) -> dict[str, Sequence[str]]:
    """Keys of parcels by stop."""
    return {stop["stop"]: stop["parcels"] for stop in day.route(van)["items"]}


def lay(day: Dispatch, van: str, orders: Sequence[Mapping[str, Any]]) -> list[str]:
    """Make these orders the stops of this van, in this order; their keys."""
    day.ships(*(dict(one) for one in orders))
    day.routes(van, optimise=False)
    with day.database.read() as conn:
        waiting = {stop.address: stop.stop for stop in waiting_stops(conn, DAY)}
    stops = [waiting[str(one["address"])] for one in orders]
    day.ask("PATCH", f"/routes/{DAY}-{van}", json={"stops": [*day.stops(van), *stops]})
    return stops


def assign(day: Dispatch, van: str) -> None:
    day.ask("POST", f"/routes/{DAY}-{van}/assign", json={})


def deliver(day: Dispatch, van: str, stops: Sequence[str], *, from_ms: int, every_ms: int = 600_000) -> list[str]:
    """The van's courier hands over what these stops get; the proofs."""
    parcels = parcels_of(day, van)
    return [
        day.prove(
            van, stop, Outcome.DELIVERED, *parcels[stop], at_ms=from_ms + n * every_ms, recipient="Wang",
            relation="consignee",
        )
        for n, stop in enumerate(stops)
    ]  # fmt: skip


@contextmanager
def afternoon(folder: Path, vans: Sequence[str] = VANS) -> Iterator[Dispatch]:
    """A hub at 08:00 with these vans and their devices; its clock is moved by hand."""
    with dispatch(folder, MORNING_MS) as day:
        for van in vans:
            with day.database.write() as tx:
                add_device(tx, van, place="Depot North", contact_ms=NOW_MS - 20_000)
            day.van(van, van, **SHIFT)
        yield day


@contextmanager
def late_day(folder: Path) -> Iterator[Dispatch]:
    """14:00, with a van that is behind by more than an hour, one that is on time, and one that goes in the evening."""
    with afternoon(folder) as day:
        slow = [
            order(n, consignee=NAMES[n % len(NAMES)], address=LONG if n == 6 else f"Nanjing W. Rd {n + 1}, 200041",
                  **(window(0, 8) if n < 4 else window(4, 5.5) if n < 7 else {}), checks=["signature", "cold"])
            for n in range(10)
        ]  # fmt: skip
        first = lay(day, "van-1", slow)
        good = lay(
            day, "van-2", [order(n, address=f"Huaihai M. Rd {n}, 200021", **window(0, 9.5)) for n in range(10, 18)]
        )
        lay(day, "van-3", [order(n, address=f"Century Ave {n}, 200120") for n in range(18, 22)])
        for van in ("van-1", "van-2", "van-3"):
            day.load(van, *(parcel for several in parcels_of(day, van).values() for parcel in several))
            assign(day, van)
        deliver(day, "van-1", first[:4], from_ms=NOW_MS - 2 * HOUR_MS, every_ms=1_500_000)
        deliver(day, "van-2", good[:5], from_ms=NOW_MS - HOUR_MS, every_ms=660_000)
        day.clock.ms = NOW_MS
        yield day


@contextmanager
def free_day(folder: Path) -> Iterator[Dispatch]:
    """08:00, with two vans that have their routes and are not loaded, so that every stop may go anywhere."""
    with afternoon(folder, VANS[:2]) as day:
        for van, stops in (("van-1", range(5)), ("van-2", range(10, 14))):
            lay(day, van, [order(n, address=f"Huaihai M. Rd {n}, 200021", consignee=f"Consignee {n}") for n in stops])
            day.clock.ms += 1_000
            assign(day, van)
        day.clock.ms += 60_000
        yield day
