"""`/excursions`: what was out of its limits, who knows, and who has seen to it?"""

from enum import StrEnum
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection, func, select

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.coldchain.excursions import (
    Acknowledgement,
    ExcursionFilters,
    ExcursionKind,
    acknowledgements,
    excursion_changes,
    find_excursion,
    list_excursions,
    profiles,
    sensor_record,
    sensor_records,
)
from hub.coldchain.profiles import find_profile, held_sensors
from hub.coldchain.queries import sensor
from hub.coldchain.tables import excursion
from hub.context import Hub, Reader
from hub.pages.affected import parcels_affected
from hub.pages.naming import sensor_name, unit_of
from hub.pages.verdicts import Step, allowed_ms, steps_of, verdict_of
from hub.problems import NotFound
from hub.web.render import page, without

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ROWS: Final = 100
SHOWN_AROUND_MS: Final = (120_000, 1_800_000)
"""Of the chart, before and behind an excursion: three times what it lasts, but so much at least and at most."""


class Shown(StrEnum):
    """Which excursions the list has."""

    WAITING = "waiting"
    OPEN = "open"
    ALL = "all"


_FILTERS: Final = {
    Shown.WAITING: ExcursionFilters(needs_person=True),
    Shown.OPEN: ExcursionFilters(open=True),
    Shown.ALL: ExcursionFilters(),
}


@router.get("/excursions")
def excursions_page(
    request: Request,
    reader: Reader,
    *,
    show: Shown = Shown.WAITING,
    q: Annotated[str, Query(max_length=256, description="Whole id of a sensor or a device.")] = "",
    kind: Annotated[ExcursionKind | None, Query()] = None,
    cursor: Annotated[str, Query(max_length=256)] = "",
) -> Response:
    """The latest start first."""
    wanted = q.strip()
    preset = _FILTERS[show]
    filters = ExcursionFilters(
        needs_person=preset.needs_person,
        open=preset.open,
        sensor=wanted if "." in wanted else "",
        device="" if "." in wanted else wanted,
        kind=kind,
    )
    found = list_excursions(reader, filters, cursor or None, ROWS)
    records = sensor_records(reader)
    known = {name: view.profile for name, view in profiles(reader).items()}
    return page(
        request,
        "excursions.html",
        rows=[(e, verdict_of(e), allowed_ms(e, known.get(e.profile))) for e in found.items],
        next_cursor=found.next_cursor,
        per_page=ROWS,
        totals=_totals(reader),
        show=show,
        q=q,
        kind=kind or "",
        first=not cursor,
        waiting=len(held_sensors(reader)),
        kept_query=without(request.query_params, "cursor", "lang"),
        name=lambda e: sensor_name(e.sensor, e.device, records.get(e.sensor)),
        unit=unit_of,
    )


@router.get("/excursions/{excursion_id}")
def excursion_page(request: Request, reader: Reader, hub: Hub, excursion_id: str) -> Response:
    """One excursion: what it is found to be, how that came to be known, and who acknowledged it."""
    found = find_excursion(reader, excursion_id)
    if found is None:
        raise NotFound("excursion", excursion_id)
    record = sensor_record(reader, found.sensor)
    view = sensor(reader, found.sensor)
    place = record.place if record and record.place else view.place if view else ""
    until_ms = hub.now_ms() if found.found.ended_ms is None else found.found.ended_ms
    return page(
        request,
        "excursion.html",
        e=found,
        verdict=verdict_of(found),
        allowed=allowed_ms(found, find_profile(reader, found.profile)),
        history=_history(reader, excursion_id),
        waits=(found.sensor, found.profile) in held_sensors(reader),
        name=sensor_name(found.sensor, found.device, record),
        parcels=parcels_affected(reader, found.device, place, found.found.started_ms, until_ms),
        unit=unit_of(found.sensor),
        around_ms=_around_ms(until_ms - found.found.started_ms),
    )


def _history(reader: Connection, excursion_id: str) -> list[Step | Acknowledgement]:
    """What became known of it, and who acknowledged it, in order of time."""
    both: list[Step | Acknowledgement] = [*steps_of(excursion_changes(reader, excursion_id))]
    both += acknowledgements(reader, excursion_id)
    return sorted(both, key=lambda one: one.known_ms if isinstance(one, Step) else one.at_ms)


def _around_ms(lasts_ms: int) -> int:
    least_ms, most_ms = SHOWN_AROUND_MS
    return min(max(3 * lasts_ms, least_ms), most_ms)


def _totals(reader: Connection) -> dict[Shown, int]:
    """How many each list has."""
    row = excursion.c
    lasts = (row.ended_ms.is_(None)) & (row.withdrawn == 0)
    alarm = row.alarm_ms.is_not(None) | (row.kind == ExcursionKind.NO_DATA.value)
    waits = alarm & (row.withdrawn == 0) & (row.ack_covers == 0)
    counted = select(func.count().filter(waits), func.count().filter(lasts), func.count())
    return dict(zip(Shown, reader.execute(counted).one(), strict=True))
