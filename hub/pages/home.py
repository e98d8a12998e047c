"""`/`: what needs a person now?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from contract.escape import escape_id
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.coldchain.queries import SensorView
from hub.context import Hub, Reader
from hub.fleet.queries import DeviceRow, IncidentRow, fleet_totals, list_incidents, worst_devices
from hub.pages.glance import all_sensors, count_states, seen, short_name
from hub.tracking.queries import parcel_counts
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT
from hub.web.reading import ReadingState, state_of
from hub.web.render import page

router = APIRouter()

MAX_FINDINGS: Final = 60
"""Of each kind; who has more to do begins with these, and the count says the rest."""

Level = Literal["alarm", "attention", "silence", "past"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs a person: what and where, since when, what to do. Texts are keys of the catalogue."""

    level: Level
    subject: str
    what: str
    todo: str
    href: str
    since_ms: int | None
    contact: bool = False
    """The sentence is about contact: the browser goes on counting it."""
    values: dict[str, object] = field(default_factory=dict)


def _silence(row: DeviceRow) -> Finding:
    href = f"/devices?q={escape_id(row.id)}"
    if row.contact is None:
        what = "has not been in contact since it was registered"
        return Finding("silence", row.id, what, "Start its agent, or check its credential", href, row.enrolled_ms)
    what = "no contact for {age}, readings are kept on the device"
    return Finding("silence", row.id, what, "Ask whoever has it", href, row.contact.at_ms, contact=True)


def _incident(row: IncidentRow) -> Finding:
    words = INCIDENT_WORDS.get(row.kind, UNKNOWN_INCIDENT)
    values: dict[str, object] = {"kind": row.kind}
    href = f"/devices?q={escape_id(row.device)}"
    return Finding(words.level, row.device, words.what, words.todo, href, row.last_ms, values=values)


def _sensor(view: SensorView, state: ReadingState) -> Finding:
    href = f"/temperature/{escape_id(view.id)}"
    at_ms = view.latest.at_ms if view.latest else None
    if state is ReadingState.FAULT:
        return Finding(
            "attention", view.id, "sensor fault: it answers, but not with a value", "Check the sensor", href, at_ms
        )
    what = "sensor lost: its device is in contact but has no readings of it"
    return Finding("attention", short_name(view), what, "Check the sensor and its cable", href, at_ms)


def sensor_trouble(views: Iterable[SensorView], now_ms: int) -> list[Finding]:
    """Sensors that somebody can repair; those of silent devices are told by their device."""
    states = ((view, state_of(seen(view), now_ms)) for view in views)
    return [_sensor(view, state) for view, state in states if state in {ReadingState.FAULT, ReadingState.LOST}]


def findings(
    silent: Sequence[DeviceRow], incidents: Sequence[IncidentRow], sensors: Sequence[Finding] = ()
) -> list[Finding]:
    """Worst first: what is wrong now, then what is unknown, then what was wrong; inside each the newest first."""
    order: dict[str, int] = {"alarm": 0, "attention": 1, "silence": 2, "past": 3}
    found = [*sensors, *map(_incident, incidents), *map(_silence, silent)]
    return sorted(found, key=lambda f: (order[f.level], -(f.since_ms or 0), f.subject))


@router.get("/", dependencies=[Depends(require(Role.VIEWER))])
def home(request: Request, reader: Reader, hub: Hub) -> Response:
    """Findings, and the figures behind them."""
    now_ms = hub.now_ms()
    silent = worst_devices(reader, now_ms, only_silent=True, limit=MAX_FINDINGS)
    incidents = list_incidents(reader, limit=MAX_FINDINGS)
    views = all_sensors(reader)
    return page(
        request,
        "home.html",
        findings=findings(silent, incidents, sensor_trouble(views, now_ms)[:MAX_FINDINGS]),
        totals=fleet_totals(reader, now_ms),
        parcels=parcel_counts(reader),
        sensors=count_states(views, now_ms),
        shown_of_each=MAX_FINDINGS,
    )
