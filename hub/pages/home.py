"""`/`: what needs a person now?"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from contract.coldchain.profile import Profile
from contract.escape import escape_id
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.coldchain.excursions import (
    ExcursionFilters,
    ExcursionKind,
    ExcursionView,
    SensorRecord,
    list_excursions,
    open_by_sensor,
    profiles,
    sensor_records,
)
from hub.coldchain.freshness import Freshness, sensor_counts
from hub.context import Hub, Reader
from hub.fleet.queries import (
    DeviceRow,
    IncidentRow,
    devices_by_id,
    fleet_totals,
    list_incidents,
    list_quarantine,
    roll_call,
)
from hub.pages.affected import parcels_affected
from hub.pages.finding import Action, Finding
from hub.pages.glance import all_sensors
from hub.pages.naming import sensor_name, unit_of
from hub.pages.route_findings import route_findings, routes_today
from hub.pages.standing import NEVER_HEARD, Standing, all_standings
from hub.pages.verdicts import SIGNS, allowed_ms, verdict_of
from hub.tracking.queries import parcel_counts
from hub.voice import HUB_DEVICE
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT
from hub.web.render import page

router = APIRouter()

MAX_FINDINGS: Final = 60
"""Of each kind; who has more to do begins with these, and the count says the rest."""

# How much a person can still save, the most first. Late routes come behind silence.
RANK_HUB: Final = 0
RANK_ALARM: Final = 1
RANK_BEYOND: Final = 2
RANK_SILENCE: Final = 3
RANK_REPAIR: Final = 5
RANK_ALARM_SEEN: Final = 6
RANK_PAST: Final = 7
RANK_LATER: Final = 8


def _opens(path: str, word: str = "Open") -> Action:
    return Action(word, path)


def _silence(row: DeviceRow) -> Finding:
    path = f"/devices/{escape_id(row.id)}"
    what, todo, since_ms = "no contact for {age}, readings are kept on the device", "Ask whoever has it", row.heard_ms
    if row.heard_ms is None:
        what = "has not been in contact since it was registered"
        todo, since_ms = "Start its agent, or check its credential", row.enrolled_ms
    return Finding(
        f"silence {row.id}",
        RANK_SILENCE,
        "silence",
        SIGNS["silence"],
        row.id,
        what,
        todo,
        path,
        since_ms,
        _opens(path, "Watch"),
        silent_device="" if row.heard_ms is None else row.id,
        waiting=row.contact.backlog_facts if row.contact else 0,
    )


def _incident(row: IncidentRow) -> Finding:
    words = INCIDENT_WORDS.get(row.kind, UNKNOWN_INCIDENT)
    return Finding(
        f"incident {row.key}",
        RANK_REPAIR if words.level == "attention" else RANK_PAST,
        words.level,
        SIGNS[words.level],
        row.device or HUB_DEVICE,
        words.what,
        words.todo,
        f"/devices/{escape_id(row.device)}" if row.device not in {"", HUB_DEVICE} else "/devices",
        row.last_ms,
        Action("Close", f"/api/v1/incidents/{escape_id(row.key)}/close", reason=True),
        values={"kind": row.kind},
    )


_SENSOR_WORDS: Final = {
    Freshness.FAULT: ("sensor fault: it answers, but not with a value", "Check the sensor"),
    Freshness.LOST: (
        "sensor lost: its device is in contact but has no readings of it",
        "Check the sensor and its cable",
    ),
    None: ("was described, but never heard", "Check its id and its cable"),
}


def sensor_trouble(standings: Iterable[Standing]) -> list[Finding]:
    """Sensors that somebody can repair; those of silent devices are told by their device."""
    return [_sensor(one) for one in standings if one.freshness in _SENSOR_WORDS]


def _sensor(one: Standing) -> Finding:
    what, todo = _SENSOR_WORDS[one.freshness]
    path = f"/temperature/{escape_id(one.id)}"
    return Finding(
        f"sensor {one.id}",
        RANK_REPAIR if one.word.text != NEVER_HEARD else RANK_LATER,
        "attention",
        SIGNS["attention"],
        one.name,
        what,
        todo,
        path,
        one.seen.at_ms,
        _opens(path),
        kind="sensor",
        more={"unit": one.unit},
    )


def calibration_due(standings: Iterable[Standing], records: dict[str, SensorRecord], now_ms: int) -> list[Finding]:
    """Sensors in use whose calibration is overdue."""
    found = []
    for one in standings:
        record = records.get(one.id)
        if record is None or record.calibration_due_ms is None or record.replaced_by:
            continue
        if record.calibration_due_ms < now_ms:
            path = f"/temperature/{escape_id(one.id)}"
            found.append(
                Finding(
                    f"calibration {one.id}",
                    RANK_LATER,
                    "attention",
                    SIGNS["attention"],
                    one.name,
                    "calibration is overdue",
                    "Have it calibrated, then enter the next date",
                    path,
                    record.calibration_due_ms,
                    _opens(path),
                )
            )
    return found


def excursion_findings(
    reader: Connection,
    views: Iterable[ExcursionView],
    standings: Iterable[Standing],
    known: dict[str, Profile],
    now_ms: int,
) -> list[Finding]:
    """Excursions in sentences."""
    by_id = {one.id: one for one in standings}
    return [_excursion(reader, view, by_id.get(view.sensor), known, now_ms) for view in views]


def _excursion(
    reader: Connection, e: ExcursionView, one: Standing | None, known: dict[str, Profile], now_ms: int
) -> Finding:
    verdict = verdict_of(e)
    path = f"/excursions/{e.id}"
    if e.lasts:
        seen = e.covered
        rank = RANK_ALARM_SEEN if seen else RANK_ALARM if e.alarmed else RANK_BEYOND
        if e.kind is ExcursionKind.NO_DATA:
            rank = RANK_ALARM_SEEN if seen else RANK_SILENCE
    else:
        rank = RANK_PAST
    waits = e.needs_person
    allowed = allowed_ms(e, known.get(e.profile))
    until_ms = now_ms if e.found.ended_ms is None else e.found.ended_ms
    acknowledging = Action("Acknowledge", f"/api/v1/excursions/{e.id}/acknowledge", reason=True)
    return Finding(
        f"excursion {e.id}",
        rank,
        verdict.level,
        verdict.sign,
        one.name if one else sensor_name(e.sensor, e.device, None),
        verdict.word,
        _todo(e),
        path,
        e.found.started_ms,
        acknowledging if waits else _opens(path),
        kind="lasting" if e.lasts else "past",
        acknowledged=e.covered,
        more={
            "e": e,
            "seen": one.seen if one else None,
            "freshness": one.freshness if one else None,
            "unit": unit_of(e.sensor),
            "allowed_ms": allowed,
            "parcels": parcels_affected(reader, e.device, one.place if one else "", e.found.started_ms, until_ms),
        },
    )


def _todo(e: ExcursionView) -> str:
    if not e.lasts:
        return "Say what was done with the load" if e.kind is ExcursionKind.EXCURSION else "Say why, if it is known"
    if e.kind is ExcursionKind.NO_DATA:
        return "Check the sensor and its device"
    return "Save the load: call whoever has it" if e.alarmed else "Close the door, check the cooling"


def quarantine_finding(reader: Connection, held: int) -> list[Finding]:
    """That something waits in quarantine."""
    oldest = next(iter(list_quarantine(reader, limit=1)), None)
    if oldest is None:
        return []
    path = f"/devices/{escape_id(oldest.device)}" if oldest.device not in {"", HUB_DEVICE} else "/devices"
    return [
        Finding(
            "quarantine",
            RANK_REPAIR,
            "attention",
            SIGNS["attention"],
            oldest.device or HUB_DEVICE,
            "{n} entries wait in quarantine; their bytes are kept",
            "Update the hub, then: holdfast-hub quarantine replay",
            path,
            oldest.at_ms,
            _opens(path),
            values={"n": held},
        )
    ]


def hub_trouble(*, storage_ok: bool, hears: bool, changes_ok: bool = True) -> list[Finding]:
    """What ails the hub itself; no row can tell it, for then rows cannot be written, or nothing new comes."""
    told = (
        (
            storage_ok,
            "cannot write to its disk: nothing new is kept here, devices keep it",
            "Make room on the hub's disk, or replace it",
        ),
        (
            hears,
            "hears no device: the broker is away; devices keep what they have",
            "Start the broker, or check the hub's log",
        ),
        (
            changes_ok or not storage_ok,
            "takes no changes: its disk is nearly full, and what is left is for facts",
            "Make room on the hub's disk, or replace it",
        ),
    )
    return [
        Finding(f"hub {what}", RANK_HUB, "alarm", "▲", HUB_DEVICE, what, todo, "/devices", None, _opens("/devices"))
        for well, what, todo in told
        if not well
    ]


def worst_first(found: Iterable[Finding]) -> list[Finding]:
    """What can still be saved, then what nobody sees, then what needs repair, then what was wrong; in each the newest first."""
    return sorted(found, key=lambda f: (f.rank, -(f.since_ms or 0), f.subject, f.key))


def _told_already(silent: Sequence[str], standings: Iterable[Standing]) -> Callable[[ExcursionView], bool]:
    """Time without data that another finding explains: its device is silent, or the sensor itself is in trouble."""
    troubled = {one.id for one in standings if one.freshness in _SENSOR_WORDS}
    away = set(silent)
    return lambda e: e.kind is ExcursionKind.NO_DATA and (e.device in away or e.sensor in troubled)


@router.get("/", dependencies=[Depends(require(Role.VIEWER))])
def home(request: Request, reader: Reader, hub: Hub) -> Response:
    """Findings, and the figures behind them."""
    now_ms = hub.now_ms()
    roll = roll_call(reader, hub.ahead, now_ms)
    views = all_sensors(reader)
    standings = all_standings(reader, hub.ahead, views, now_ms)
    known = {name: view.profile for name, view in profiles(reader).items()}
    told = _told_already(roll.silent, standings)
    lasting = [e for several in open_by_sensor(reader).values() for e in several if not told(e)]
    lasting.sort(key=lambda e: (not e.needs_person, -e.found.started_ms))
    waiting = list_excursions(reader, ExcursionFilters(needs_person=True, open=False), None, MAX_FINDINGS)
    totals = fleet_totals(reader, roll)
    routes = routes_today(reader, now_ms)
    found = [
        *hub_trouble(storage_ok=hub.storage_ok(), hears=hub.hears(), changes_ok=hub.changes_ok()),
        *excursion_findings(reader, [*lasting[:MAX_FINDINGS], *waiting.items], standings, known, now_ms),
        *map(_silence, devices_by_id(reader, hub.ahead, roll.silent[:MAX_FINDINGS])),
        *sensor_trouble(standings)[:MAX_FINDINGS],
        *map(_incident, list_incidents(reader, limit=MAX_FINDINGS)),
        *route_findings(routes, now_ms)[:MAX_FINDINGS],
        *quarantine_finding(reader, totals.held),
        *calibration_due(standings, sensor_records(reader), now_ms)[:MAX_FINDINGS],
    ]
    levels = [one.word.level for one in standings]
    return page(
        request,
        "home.html",
        findings=worst_first(found),
        totals=totals,
        next_silent_ms=roll.next_silent_ms,
        parcels=parcel_counts(reader),
        sensors=sensor_counts((one.seen for one in standings if one.freshness is not None), now_ms),
        cold={level: levels.count(level) for level in ("ok", "alarm", "attention", "silence", "past")},
        signs=SIGNS,
        routes=routes,
        routes_on_time=sum(not one.late for one in routes),
        hub_well=hub.storage_ok() and hub.hears(),
        shown_of_each=MAX_FINDINGS,
        more_past=waiting.next_cursor is not None or len(lasting) > MAX_FINDINGS,
    )
