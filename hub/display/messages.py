"""What displays are told of a parcel or a sensor: JSON that a small screen can show as it is. Nothing about people.

Who scanned, who received and where a recipient lives stay at the hub: whoever reads a display's topic is nobody in particular.
"""

from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection

from hub.coldchain.excursions import ExcursionFilters, ExcursionKind, ExcursionView, list_excursions, sensor_record
from hub.coldchain.freshness import allowed_ms
from hub.coldchain.queries import sensor
from hub.tracking.custody import Deed, ParcelStatus
from hub.tracking.queries import ParcelView, parcel
from hub.web.times import utc

SHOWN_AFTER_END_MS: Final = 24 * 3_600_000
"""A parcel that was delivered or returned is shown for so long."""
SHOWN_UNSEEN_MS: Final = 30 * 24 * 3_600_000
"""A parcel of which nothing was heard for so long is no news."""
OVER: Final = frozenset({ParcelStatus.DELIVERED, ParcelStatus.RETURNED})
_INDOORS: Final = frozenset({Deed.RECEIVED, Deed.LOADED, Deed.DEPARTED, Deed.ARRIVED})
"""After any other step the place may be somebody's door, or name who took the parcel."""
OPEN_EXCURSIONS: Final = 20


class ParcelMessage(msgspec.Struct, frozen=True):
    """A parcel. `happened_at` is when its last step happened, `known_at` when the hub knew."""

    parcel: str
    status: str
    step: str
    place: str
    happened_at: datetime
    known_at: datetime
    cold_verdict: str


class SensorMessage(msgspec.Struct, frozen=True):
    """A sensor.

    Attributes:
        value: in the unit of `quantity`; null for a fault.
        measured_at: after `fresh_until` the value must not be shown as if it were fresh.
        state: `ok`, `above`, `below`, `no_data` (alarms), `attention` (beyond a limit, not yet for too long), `fault`.
        since: since when it is so; null where all is well.
    """

    sensor: str
    name: str
    place: str
    quantity: str
    value: float | None
    measured_at: datetime
    known_at: datetime
    fresh_until: datetime
    state: str
    since: datetime | None
    profile: str


def parcel_message(tx: Connection, key: str, now_ms: int) -> bytes:
    """What is said of a parcel; nothing once it has been delivered for long, or is unknown."""
    view = parcel(tx, key)
    if view is None or is_past(view, now_ms):
        return b""
    last = view.stepped or view.seen
    return msgspec.json.encode(
        ParcelMessage(
            parcel=key,
            status=view.status.value,
            step=view.step,
            place=public_place(view),
            happened_at=utc(last.at_ms),
            known_at=utc(last.known_ms),
            cold_verdict=view.cold_verdict,
        )
    )


def public_place(view: ParcelView) -> str:
    """Where a parcel is, as far as anybody may read it; empty where that may be about people."""
    return view.step_place if view.step in _INDOORS else ""


def is_past(view: ParcelView, now_ms: int) -> bool:
    """Whether displays are told of this parcel no more."""
    shown_ms = SHOWN_AFTER_END_MS if view.status in OVER else SHOWN_UNSEEN_MS
    return now_ms - view.seen.at_ms >= shown_ms


def sensor_message(tx: Connection, sensor_id: str) -> bytes:
    """What is said of a sensor; nothing while it never had a reading."""
    view = sensor(tx, sensor_id)
    if view is None or view.latest is None:
        return b""
    latest, record = view.latest, sensor_record(tx, sensor_id)
    lasting = list_excursions(tx, ExcursionFilters(sensor=sensor_id, open=True), limit=OPEN_EXCURSIONS).items
    worst = min(lasting, key=_badness, default=None)
    state = ("ok" if worst is None else _state(worst)) if latest.value is not None or worst else "fault"
    return msgspec.json.encode(
        SensorMessage(
            sensor=sensor_id,
            name=record.name if record else "",
            place=(record.place if record else "") or view.place,
            quantity=view.quantity.value,
            value=None if latest.value is None else latest.value / 100,
            measured_at=utc(latest.at_ms),
            known_at=utc(latest.known_ms),
            fresh_until=utc(latest.at_ms + allowed_ms(latest.interval_ms)),
            state=state,
            since=utc(worst.found.started_ms) if worst else None,
            profile=worst.profile if worst else record.profile if record else "",
        )
    )


def _badness(found: ExcursionView) -> tuple[bool, bool, int]:
    return not found.alarmed, found.kind is ExcursionKind.NO_DATA, found.found.started_ms


def _state(found: ExcursionView) -> str:
    if found.kind is ExcursionKind.NO_DATA:
        return ExcursionKind.NO_DATA.value
    return "attention" if not found.alarmed or found.side is None else found.side.value
