"""What of today's routes needs a person: late stops, vans that leave without a parcel, devices that contradict each other."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection

from contract.escape import escape_id
from hub.pages.finding import Action, Finding
from hub.pages.verdicts import SIGNS
from hub.routes.progress import Progress, read_progress
from hub.routes.queries import list_routes, stops_of, vehicles
from hub.routes.vehicles import today

RANK_LATE: Final = 4
RANK_CONTRADICTION: Final = 5
LEAVES_SOON_MS: Final = 30 * 60_000
"""So long before its start a van should be loaded."""


def routes_today(reader: Connection, now_ms: int) -> list[Progress]:
    """How far the routes of today are, wherever their vans drive."""
    days = sorted({today(van, now_ms) for van in vehicles(reader)})
    views = [view for day in days for view in list_routes(reader, day=day) if view.device]
    return read_progress(reader, views, stops_of(reader, [view.id for view in views]), now_ms)


def route_findings(told: Iterable[Progress], now_ms: int) -> list[Finding]:
    """Findings of these routes."""
    return [found for one in told for found in (_late(one), _unloaded(one, now_ms), _contradiction(one)) if found]


def _late(one: Progress) -> Finding | None:
    if not one.late:
        return None
    first = one.late[0]
    closed_ms = min(at.stop.window_to_ms or one.now_ms for at in one.late)
    what = "{n} stops are late, or most likely will be"
    # What will be late only has no time since when it is.
    since_ms = closed_ms if closed_ms <= one.now_ms else None
    found = _finding(one, "late", RANK_LATE, what, len(one.late), "Plan anew, or call the courier", since_ms)
    path = f"{found.href}#stop-{first.stop.stop}"
    return replace(found, kind="late", href=path, action=Action("Open", path), more={"first": first})


def _unloaded(one: Progress, now_ms: int) -> Finding | None:
    missing = sum(len(at.missing) for at in one.stops if at.open)
    start_ms = one.route.start_ms
    if one.has_left or not missing or start_ms is None or now_ms < start_ms - LEAVES_SOON_MS:
        return None
    what = "{n} parcels are not scanned on loading"
    return _finding(one, "unloaded", RANK_LATE, what, missing, "Find them before the van leaves", start_ms)


def _contradiction(one: Progress) -> Finding | None:
    if not one.conflicts:
        return None
    known_ms = max(proof.known_ms for at in one.stops if at.outcome.conflict for proof in at.outcome.proofs)
    what = "devices say different things about {n} stops"
    todo = "Ask both couriers, then correct the wrong proof"
    return _finding(one, "contradiction", RANK_CONTRADICTION, what, one.conflicts, todo, known_ms)


def _finding(  # noqa: PLR0917 - as many as the sentence has parts
    one: Progress, key: str, rank: int, what: str, n: int, todo: str, since_ms: int | None
) -> Finding:
    path = f"/routes/{escape_id(one.route.id)}"
    return Finding(
        f"{key} {one.route.id}",
        rank,
        "attention",
        SIGNS["attention"],
        one.route.name,
        what,
        todo,
        path,
        since_ms,
        Action("Open", path),
        values={"n": n},
    )
