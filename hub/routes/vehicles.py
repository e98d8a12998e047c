"""Keeps vans: what they carry, from where they drive, when, and which device rides in them."""

import re
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from datetime import date as Date  # noqa: N812 as `date` says when something happened (`hub.timeline`)
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from sqlalchemy import Connection, select

from hub import tables as t
from hub.accounts.audit import audit
from hub.errors import Refused
from hub.ledger import statements
from hub.routes.queries import Vehicle, find_vehicle, vehicles
from hub.routes.tables import vehicle
from hub.said import Said
from hub.timeline import EPOCH

MINUTES_OF_DAY: Final = 24 * 60
_ID: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


def keep_vehicle(tx: Connection, van: Vehicle, *, who: str, now_ms: int) -> None:
    """Keep a van under its id, with its line in the audit trail. Equal to what is known changes nothing.

    Raises:
        Refused: it cannot be planned with as it is said.
    """
    _refuse_unusable(tx, van)
    before = find_vehicle(tx, van.id)
    if before == van:
        return
    tx.execute(statements.latest(tx.dialect.name, vehicle), msgspec.structs.asdict(van))
    old = "" if before is None else msgspec.json.encode(before).decode()
    audit(
        tx, at_ms=now_ms, who=who, action="vehicle.keep", subject=van.id, old=old, new=msgspec.json.encode(van).decode()
    )


def _refuse_unusable(tx: Connection, van: Vehicle) -> None:
    if not _ID.fullmatch(van.id):
        raise Refused(Said("a van's id is 1 to 64 lower-case letters, digits and hyphens, not “{got}”", got=van.id))
    zone_of(van.zone)
    if not 0 <= van.shift_from_min < van.shift_to_min <= 2 * MINUTES_OF_DAY:
        raise Refused(Said("a shift begins before it ends, at most on the next day"))
    if van.device:
        if tx.execute(select(t.device.c.id).where(t.device.c.id == van.device)).first() is None:
            raise Refused(Said("there is no device {name}; register it first", name=repr(van.device)))
        other = next((one for one in vehicles(tx) if one.device == van.device and one.id != van.id), None)
        if other is not None and van.retired_ms is None:
            raise Refused(
                Said("the device {device} rides in {name}; take it out there first", device=van.device, name=other.name)
            )


def zone_of(name: str) -> ZoneInfo:
    """A time zone by its IANA name.

    Raises:
        Refused: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise Refused(
            Said("there is no time zone {name}; expected one such as Europe/Berlin or Asia/Shanghai", name=repr(name))
        ) from error


def read_day(text: str) -> Date:
    """A day as YYYY-MM-DD.

    Raises:
        Refused: it is none.
    """
    day = None
    if len(text) == len("2026-11-23"):
        with suppress(ValueError):
            day = Date.fromisoformat(text)
    if day is None:
        raise Refused(Said("expected a day such as 2026-11-23, not “{got}”", got=text[:40]))
    return day


def shift_ms(van: Vehicle, day: str) -> tuple[int, int]:
    """When a van's shift begins and ends on a day, by the clock on the wall there."""
    midnight = datetime.combine(read_day(day), time(), zone_of(van.zone))
    moments = [
        (midnight + timedelta(minutes=minutes)).astimezone(UTC) for minutes in (van.shift_from_min, van.shift_to_min)
    ]
    return (moments[0] - EPOCH) // timedelta(milliseconds=1), (moments[1] - EPOCH) // timedelta(milliseconds=1)


def today(van: Vehicle | None, now_ms: int) -> str:
    """The day that it is where a van drives; in UTC where there is no van."""
    zone = ZoneInfo(van.zone) if van is not None else UTC
    return datetime.fromtimestamp(now_ms / 1000, zone).date().isoformat()
