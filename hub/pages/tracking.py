"""`/tracking`: where is everything? And the chain of custody of one parcel, with its temperature."""

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from sqlalchemy import Connection, select

from contract.escape import escape_id
from contract.identity import display, identify
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.ahead import Ahead
from hub.coldchain.means import Mean, means, telling
from hub.context import Hub, Reader
from hub.pages.photos import shown_by
from hub.pages.route_words import OUTCOMES, REASONS, STATUSES, said
from hub.pages.ways import VERDICTS, WHY_MISSING, chart_of, held_at, sentence_of
from hub.problems import BadRequest, NotFound
from hub.routes.again import visits_of
from hub.routes.queries import RouteView, find_route, list_routes, vehicles
from hub.routes.vehicles import today
from hub.tables import device
from hub.tracking.api import correct_parcel
from hub.tracking.correcting import CorrectionUnusable
from hub.tracking.custody import Deed, ParcelStatus
from hub.tracking.queries import (
    BadCursor,
    EventView,
    ParcelFilters,
    ParcelView,
    parcel,
    parcel_counts,
    parcel_events,
    parcels_page,
)
from hub.tracking.typed import as_scanned, as_shown
from hub.tracking.urls import RawPathRoute, parcel_key
from hub.trips.history import Judged
from hub.trips.now import cold_now
from hub.trips.queries import parcel_history
from hub.web.render import page, without

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))], route_class=RawPathRoute)

ROWS: Final = 100
PARCEL_PREFIX: Final = "/tracking/"
SINCE_H: Final = (1, 24, 7 * 24)
MAX_PLACES: Final = 500
"""Offered while a place is typed; more are no help."""
MAX_ROUTES: Final = 200
FACT_HEX: Final = 64

Text = Annotated[str, Query(max_length=256)]
Typed = Annotated[str, Form(max_length=4_096)]


@router.get("/tracking")
def tracking_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    *,
    q: Annotated[str, Query(max_length=8_192)] = "",
    status: Annotated[str, Query(max_length=32)] = "",
    step: Annotated[str, Query(max_length=32)] = "",
    place: Text = "",
    route: Text = "",
    since: Annotated[int | None, Query(ge=1, le=24 * 366, description="Known within so many hours.")] = None,
    scan: Annotated[bool, Query(description="A scanner sent this: open the parcel when there is just one.")] = False,
    cursor: Annotated[str, Query(max_length=1024)] = "",
) -> Response:
    """Parcels, latest seen first."""
    wanted = ParcelFilters(
        q=as_scanned(q),
        status=_one_of(ParcelStatus, "status", status),
        step=_one_of(Deed, "step", step) or "",
        place=place.strip(),
        route=route.strip(),
        since_ms=None if since is None else hub.now_ms() - since * 3_600_000,
    )
    narrowed = bool(status or step or wanted.place or wanted.route or since or cursor)
    if wanted.q and not narrowed and (meant := _meant(reader, wanted.q, scan=scan)):
        return RedirectResponse(PARCEL_PREFIX + escape_id(meant), HTTPStatus.SEE_OTHER)
    try:
        found = parcels_page(reader, wanted, cursor or None, ROWS)
    except BadCursor as error:
        raise BadRequest(str(error)) from error
    if scan and len(found.items) == 1:
        return RedirectResponse(PARCEL_PREFIX + escape_id(found.items[0].key), HTTPStatus.SEE_OTHER)
    return page(
        request,
        "tracking.html",
        rows=found.items,
        cold=cold_now(reader, [row.key for row in found.items]),
        next_cursor=found.next_cursor,
        totals=parcel_counts(reader),
        statuses=list(ParcelStatus),
        steps=list(Deed),
        places=_places(reader),
        since_hours=SINCE_H,
        q=as_shown(q),
        status=status,
        step=step,
        place=wanted.place,
        route=wanted.route,
        routes=_routes(reader, wanted.route, hub.now_ms()),
        since=since,
        narrowed=narrowed or bool(wanted.q),
        first=not cursor,
        kept_query=without(request.query_params, "cursor", "lang", "scan"),
        kept_filters=without(request.query_params, "cursor", "lang", "scan", "status"),
        heard_ms=partial(heard_ms, hub.ahead),
    )


E = TypeVar("E", ParcelStatus, Deed)


def _one_of(kind: type[E], name: str, text: str) -> E | None:
    if text and text not in set(kind):
        said = "There is no {name} {text}; expected one of {known}."
        raise BadRequest(said, name=name, text=text, known=", ".join(kind))
    return kind(text) if text else None


def _meant(reader: Connection, q: str, *, scan: bool) -> str | None:
    """The parcel that this very code names: a serialised number, however typed; any code where a scanner sent it."""
    identity = identify(q.encode("utf-8", "replace"))
    if not (scan or identity.serialised):
        return None
    return identity.key if parcel(reader, identity.key) is not None else None


def _routes(reader: Connection, chosen: str, now_ms: int) -> list[RouteView]:
    """Those of today, and the chosen one."""
    there = list_routes(reader, day=today(next(iter(vehicles(reader)), None), now_ms), limit=MAX_ROUTES)
    other = find_route(reader, chosen) if chosen and all(one.id != chosen for one in there) else None
    return [*([other] if other else []), *there]


def _places(reader: Connection) -> list[str]:
    query = select(device.c.place).where(device.c.place != "").distinct().order_by(device.c.place)
    return list(reader.scalars(query.limit(MAX_PLACES)))


@router.get("/tracking/{segment}/chart")
def parcel_chart(reader: Reader, hub: Hub, segment: str) -> Response:
    """What the chart of a parcel's way draws (`hub.pages.sensor_chart.ChartData`)."""
    key = parcel_key(segment)
    told = parcel_history(reader, key, hub.now_ms())
    if told is None:
        raise NotFound("parcel", key)
    data = chart_of(told.readings, told.judged, told.missing, told.from_ms, told.to_ms)
    return Response(msgspec.json.encode(data), media_type="application/json")


@router.post("/tracking/{segment}/corrections")
def correct(
    request: Request,
    *,
    hub: Hub,
    caller: Annotated[Caller, Depends(require(Role.DISPATCHER))],
    segment: str,
    fact: Typed = "",
    step: Typed = "",
    reason: Typed = "",
) -> Response:
    """Take a fact back; it stays in the chain beside its correction. Answers with the page anew, or with what is wrong."""
    key = parcel_key(segment)
    try:
        target = bytes.fromhex(fact) if len(fact) == FACT_HEX else b""
        correct_parcel(hub, key, (target,), _one_of(Deed, "step", step), who=caller.name, why=reason)
    except CorrectionUnusable as problem:
        typed = {"fact": fact, "step": step, "reason": reason}
        with hub.database.read() as reader:
            return _page(request, reader, hub, key, HTTPStatus.UNPROCESSABLE_ENTITY, problem=problem, typed=typed)
    except ValueError as error:
        said = "Expected the identity of a fact, 64 hexadecimal digits, got {fact}."
        raise BadRequest(said, fact=fact[:80]) from error
    return Response(status_code=HTTPStatus.NO_CONTENT, headers={"HX-Refresh": "true"})


@router.get("/tracking/{segment:path}")
def parcel_page(request: Request, reader: Reader, hub: Hub, segment: str) -> Response:
    """The chain of custody of one parcel, oldest first, and how cold it was on its way."""
    return _page(request, reader, hub, parcel_key(segment))


def _page(
    request: Request,
    reader: Connection,
    hub: Hub,
    key: str,
    code: int = HTTPStatus.OK,
    *,
    problem: CorrectionUnusable | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    row = parcel(reader, key)
    if row is None:
        raise NotFound("parcel", key)
    events = parcel_events(reader, key)
    told = parcel_history(reader, key, hub.now_ms())
    caller = getattr(request.state, "caller", None)
    return page(
        request,
        "parcel.html",
        code,
        row=row,
        events=events,
        visits=visits_of(reader, key),
        statuses=STATUSES,
        outcomes=OUTCOMES,
        then={event.fact_id: held_at(told.readings, event.happened.at_ms) for event in events} if told else {},
        corrections=_corrections(events),
        shown=shown_by(reader, events),
        told=told,
        kinetic=[_kinetic(way) for way in told.judged] if told else [],
        verdict=VERDICTS[told.verdict] if told else None,
        sentence=sentence_of(told) if told else "",
        why_missing=WHY_MISSING,
        heard_ms=partial(heard_ms, hub.ahead),
        display=display,
        reasons=REASONS,
        said=said,
        may_correct=bool(caller and caller.secret and caller.may(Role.DISPATCHER)),
        correctable=[e for e in events if not e.targets and e.corrected_by is None],
        undoable=[e for e in events if e.targets and e.corrected_by is None],
        steps=list(Deed),
        problem=problem,
        typed=typed or {"fact": "", "step": "", "reason": ""},
    )


def _kinetic(way: Judged) -> tuple[Mean, ...]:
    ends = way.judgement.from_ms, way.judgement.to_ms
    return tuple(means(way.readings, *ends, way.profile.no_data_s, telling(*ends)))


def _corrections(events: Sequence[EventView]) -> Mapping[bytes, EventView]:
    """By the fact that was corrected, the correction."""
    by_id = {event.fact_id: event for event in events}
    return {e.fact_id: by_id[e.corrected_by] for e in events if e.corrected_by in by_id}


def heard_ms(ahead: Ahead, row: ParcelView) -> int | None:
    """When the device that saw it last was heard: what it told of this parcel is a sign of life too."""
    return ahead.contact_ms(row.seen_device, row.contact_ms, row.seen.known_ms)
