"""`/`: what needs a person now?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from contract.escape import escape_id
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.ahead import Ahead
from hub.coldchain.freshness import Freshness, freshness_of, sensor_counts
from hub.coldchain.queries import SensorView
from hub.context import Hub, Reader
from hub.fleet.queries import DeviceRow, IncidentRow, devices_by_id, fleet_totals, list_incidents, roll_call
from hub.pages.glance import all_sensors, probe_of
from hub.tracking.queries import parcel_counts
from hub.voice import HUB_DEVICE
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT
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
    silent_device: str = ""
    """The sentence is about this device's contact: the browser goes on counting it."""
    waiting: int = 0
    """Facts that the silent device still had to send when it was heard last."""
    quantity: str = ""
    """What the sensor measures that this is about."""
    values: dict[str, object] = field(default_factory=dict)


def _silence(row: DeviceRow) -> Finding:
    href = f"/devices?q={escape_id(row.id)}"
    if row.heard_ms is None:
        what = "has not been in contact since it was registered"
        return Finding("silence", row.id, what, "Start its agent, or check its credential", href, row.enrolled_ms)
    what = "no contact for {age}, readings are kept on the device"
    waiting = row.contact.backlog_facts if row.contact else 0
    return Finding(
        "silence", row.id, what, "Ask whoever has it", href, row.heard_ms, silent_device=row.id, waiting=waiting
    )


def _incident(row: IncidentRow) -> Finding:
    words = INCIDENT_WORDS.get(row.kind, UNKNOWN_INCIDENT)
    values: dict[str, object] = {"kind": row.kind}
    href = f"/devices?q={escape_id(row.device)}"
    return Finding(words.level, row.device or HUB_DEVICE, words.what, words.todo, href, row.last_ms, values=values)


_SENSOR_WORDS: Final = {
    Freshness.FAULT: ("sensor fault: it answers, but not with a value", "Check the sensor"),
    Freshness.LOST: (
        "sensor lost: its device is in contact but has no readings of it",
        "Check the sensor and its cable",
    ),
}


def _sensor(view: SensorView, freshness: Freshness, at_ms: int | None) -> Finding:
    what, todo = _SENSOR_WORDS[freshness]
    subject, href = f"{view.device} {probe_of(view)}", f"/temperature/{escape_id(view.id)}"
    return Finding("attention", subject, what, todo, href, at_ms, quantity=view.quantity.value)


def sensor_trouble(views: Iterable[SensorView], ahead: Ahead, now_ms: int) -> list[Finding]:
    """Sensors that somebody can repair; those of silent devices are told by their device."""
    told = ((view, view.seen(ahead)) for view in views)
    judged = ((view, freshness_of(seen, now_ms), seen.at_ms) for view, seen in told)
    return [_sensor(*one) for one in judged if one[1] in _SENSOR_WORDS]


def hub_trouble(*, storage_ok: bool, hears: bool) -> list[Finding]:
    """What ails the hub itself; no row can tell it, for then rows cannot be written, or nothing new comes."""
    troubles = []
    if not storage_ok:
        what = "cannot write to its disk: nothing new is kept here, devices keep it"
        troubles.append(
            Finding("alarm", HUB_DEVICE, what, "Make room on the hub's disk, or replace it", "/devices", None)
        )
    if not hears:
        what = "hears no device: the broker is away; devices keep what they have"
        troubles.append(
            Finding("alarm", HUB_DEVICE, what, "Start the broker, or check the hub's log", "/devices", None)
        )
    return troubles


def findings(
    silent: Sequence[DeviceRow], incidents: Sequence[IncidentRow], sensors: Sequence[Finding] = ()
) -> list[Finding]:
    """What is out of limits now, then what nobody knows any more, then what needs repair, then what was wrong.

    Inside each the newest comes first.
    """
    order: dict[str, int] = {"alarm": 0, "silence": 1, "attention": 2, "past": 3}
    found = [*sensors, *map(_incident, incidents), *map(_silence, silent)]
    return sorted(found, key=lambda f: (order[f.level], -(f.since_ms or 0), f.subject))


@router.get("/", dependencies=[Depends(require(Role.VIEWER))])
def home(request: Request, reader: Reader, hub: Hub) -> Response:
    """Findings, and the figures behind them."""
    now_ms = hub.now_ms()
    roll = roll_call(reader, hub.ahead, now_ms)
    silent = devices_by_id(reader, hub.ahead, roll.silent[:MAX_FINDINGS])
    incidents = list_incidents(reader, limit=MAX_FINDINGS)
    views = all_sensors(reader)
    own = hub_trouble(storage_ok=hub.storage_ok(), hears=hub.hears())
    return page(
        request,
        "home.html",
        findings=own + findings(silent, incidents, sensor_trouble(views, hub.ahead, now_ms)[:MAX_FINDINGS]),
        totals=fleet_totals(reader, roll),
        next_silent_ms=roll.next_silent_ms,
        parcels=parcel_counts(reader),
        sensors=sensor_counts((view.seen(hub.ahead) for view in views), now_ms),
        shown_of_each=MAX_FINDINGS,
    )
