"""What operators are told of: excursions, silent devices, time without data, and incidents of the hub that need somebody."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection

from hub.ahead import Ahead
from hub.coldchain.excursions import (
    ExcursionFilters,
    ExcursionKind,
    ExcursionView,
    SensorRecord,
    find_excursion,
    list_excursions,
    sensor_records,
)
from hub.coldchain.freshness import Freshness, allowed_ms, freshness_of
from hub.coldchain.queries import SensorView, sensor
from hub.fleet.queries import (
    DeviceRow,
    IncidentRow,
    devices_by_id,
    find_device,
    incidents_by_key,
    list_incidents,
    roll_call,
)
from hub.pages.glance import all_sensors
from hub.pages.naming import sensor_name
from hub.voice import HUB_DEVICE
from hub.web.formats import hundredths
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT

MAX_READ: Final = 500
"""Of each kind at a time, the newest; nobody reads more."""
EXCURSION_KEY: Final = "excursion:"
"""What keys of excursions, and of time without data, begin with."""


class Kind(StrEnum):
    """What a target may want to be told of."""

    EXCURSION = "excursion"
    SILENCE = "silence"
    NO_DATA = "no_data"
    INCIDENT = "incident"
    TEST = "test"


class Finding(Struct, frozen=True):
    """One thing that needs a person. Times are UTC epoch ms, values hundredths.

    Attributes:
        key: stays the same while it changes.
        place: where; empty where that is not known.
        subject: whose it is, as people call it.
        known_ms: when the hub first knew of it.
        ended_ms: None while it lasts.
        needs_person: nobody has acknowledged it yet.
        what, todo: keys of the catalogue; `values` fill the places in `what`.
        path: of the page that shows it.
        seen_as: key of the finding by which the same may have been told while it lasted.
    """

    key: str
    kind: Kind
    device: str
    place: str
    subject: str
    since_ms: int
    known_ms: int
    ended_ms: int | None
    needs_person: bool
    what: str
    todo: str
    path: str
    values: dict[str, str | int] = {}
    seen_as: str = ""

    @property
    def lasts(self) -> bool:
        """Whether it is still so."""
        return self.ended_ms is None


class Sources(Struct, frozen=True):
    """What findings are read from, at one instant.

    Attributes:
        silent_ms: a device is told as silent after so long.
        listening_ms: since when the hub listens; before that nobody could be heard.
    """

    reader: Connection
    ahead: Ahead
    now_ms: int
    silent_ms: int
    listening_ms: int


def findings(sources: Sources) -> list[Finding]:
    """What lasts or needs a person, the newest of it."""
    reader, now_ms = sources.reader, sources.now_ms
    places = _Places(reader)
    found = [_excursion(view, places) for view in _excursions(reader)]
    found += [_incident(row) for row in list_incidents(reader, limit=MAX_READ) if _weighs(row)]
    roll = roll_call(reader, sources.ahead, now_ms)
    found += _silences(devices_by_id(reader, sources.ahead, roll.silent), sources)
    for view in all_sensors(reader):
        if freshness_of(view.seen(sources.ahead), now_ms) is Freshness.LOST and (lost := _lost(view, sources, places)):
            found.append(lost)
    return found


def _excursions(reader: Connection) -> Iterator[ExcursionView]:
    known: dict[str, ExcursionView] = {}
    for filters in (ExcursionFilters(needs_person=True), ExcursionFilters(open=True, alarmed=True)):
        known |= {view.id: view for view in list_excursions(reader, filters, limit=MAX_READ).items}
    yield from known.values()


def find_all(keys: Iterable[str], sources: Sources) -> dict[str, Finding]:
    """Findings by their keys, whatever has become of them; those that cannot be told any more are left out."""
    places = _Places(sources.reader)
    found = {key: _find(key, sources, places) for key in keys}
    return {key: finding for key, finding in found.items() if finding is not None}


def _find(key: str, sources: Sources, places: "_Places") -> Finding | None:
    kind, _, name = key.partition(":")
    reader = sources.reader
    match kind:
        case "excursion":
            view = find_excursion(reader, name)
            return None if view is None else _excursion(view, places)
        case "incident":
            row = next(iter(incidents_by_key(reader, [name])), None)
            return None if row is None else _incident(row)
        case "silence":
            device = find_device(reader, sources.ahead, name)
            return None if device is None else _silence(device, sources)
        case "lost":
            sensor_view = sensor(reader, name)
            return None if sensor_view is None else _lost(sensor_view, sources, places)
    return None


class _Places:
    """Names and places, read once."""

    def __init__(self, reader: Connection) -> None:
        self._reader = reader
        self._records: Mapping[str, SensorRecord] = sensor_records(reader)
        self._devices: dict[str, str] = {}

    def name(self, sensor: str, device: str) -> str:
        """How people call a sensor."""
        return sensor_name(sensor, device, self._records.get(sensor))

    def of(self, sensor: str, device: str) -> str:
        """Where a sensor is: its own place, else its device's."""
        record = self._records.get(sensor)
        if record and record.place:
            return record.place
        if device not in self._devices:
            row = find_device(self._reader, Ahead(), device)
            self._devices[device] = row.place if row else ""
        return self._devices[device]


_ABOVE: Final = "above {limit} °C for longer than is allowed; furthest {extreme} °C"
_BELOW: Final = "below {limit} °C for longer than is allowed; furthest {extreme} °C"
_GAP: Final = "no data; what the temperature was is not known"
_WITHDRAWN: Final = "withdrawn: what came later shows that it never was"


def _excursion(view: ExcursionView, places: _Places) -> Finding:
    gap = view.kind is ExcursionKind.NO_DATA
    values: dict[str, str | int] = {}
    if not gap:
        values = {"limit": hundredths(view.threshold or 0), "extreme": hundredths(view.found.extreme or 0)}
    withdrawn = view.found.withdrawn
    beyond = _BELOW if view.side == "below" else _ABOVE
    return Finding(
        key=f"{EXCURSION_KEY}{view.id}",
        kind=Kind.NO_DATA if gap else Kind.EXCURSION,
        device=view.device,
        place=places.of(view.sensor, view.device),
        subject=places.name(view.sensor, view.device),
        since_ms=view.found.started_ms,
        # What matters is when it became an alarm, for then somebody had to be told.
        known_ms=view.found.alarm_known_ms or view.known_ms,
        ended_ms=view.found.started_ms if withdrawn else view.found.ended_ms,
        needs_person=view.needs_person,
        what=_WITHDRAWN if withdrawn else _GAP if gap else beyond,
        todo="Check the sensor and its cable" if gap else "Check door and cooling, then acknowledge it with a reason",
        path=f"/excursions/{view.id}",
        values=values,
        seen_as=f"lost:{view.sensor}" if gap else "",
    )


def _weighs(row: IncidentRow) -> bool:
    return INCIDENT_WORDS.get(row.kind, UNKNOWN_INCIDENT).level == "attention"


def _incident(row: IncidentRow) -> Finding:
    words = INCIDENT_WORDS.get(row.kind, UNKNOWN_INCIDENT)
    return Finding(
        key=f"incident:{row.key}",
        kind=Kind.INCIDENT,
        device=row.device,
        place="",
        subject=row.device or HUB_DEVICE,
        since_ms=row.first_ms,
        known_ms=row.last_ms,
        ended_ms=row.closed_ms,
        needs_person=row.closed_ms is None,
        what=words.what,
        todo=words.todo,
        path=f"/devices/{row.device}" if row.device else "/",
        values={"kind": row.kind},
    )


def _silences(rows: Iterable[DeviceRow], sources: Sources) -> Iterator[Finding]:
    for row in rows:
        silence = _silence(row, sources)
        # A device that was never heard is not there yet; nothing can have happened to it.
        if row.heard_ms is not None and sources.now_ms - max(row.heard_ms, sources.listening_ms) > sources.silent_ms:
            yield silence


def _silence(row: DeviceRow, sources: Sources) -> Finding:
    since_ms = row.heard_ms or row.enrolled_ms
    back = sources.now_ms - since_ms <= sources.silent_ms or row.revoked_ms is not None
    return Finding(
        key=f"silence:{row.id}",
        kind=Kind.SILENCE,
        device=row.id,
        place=row.place,
        subject=row.id,
        since_ms=since_ms,
        known_ms=since_ms + sources.silent_ms,
        ended_ms=since_ms if back else None,
        needs_person=not back,
        what="no contact; readings are kept on the device",
        todo="Ask whoever has it",
        path=f"/devices/{row.id}",
    )


def _lost(view: SensorView, sources: Sources, places: _Places) -> Finding | None:
    """It lasts until there is a reading, also while its device is silent; None where a sensor never had one."""
    seen = view.seen(sources.ahead)
    if seen.at_ms is None or seen.contact_ms is None:
        return None
    known_ms = seen.at_ms + allowed_ms(seen.every_ms)
    lasts = seen.contact_ms > known_ms
    return Finding(
        key=f"lost:{view.id}",
        kind=Kind.NO_DATA,
        device=view.device,
        place=places.of(view.id, view.device),
        subject=places.name(view.id, view.device),
        since_ms=seen.at_ms,
        known_ms=known_ms,
        ended_ms=None if lasts else seen.at_ms,
        needs_person=lasts,
        what="sensor lost: its device is in contact but has no readings of it",
        todo="Check the sensor and its cable",
        path=f"/temperature/{view.id}",
    )
