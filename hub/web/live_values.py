"""What pages show of a thing that changed: the value of its live event. Times are epoch ms, values hundredths."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection

from hub.ahead import Ahead
from hub.coldchain.excursions import find_excursion
from hub.coldchain.queries import sensor
from hub.db import Database
from hub.fleet.queries import devices_by_id, incidents_by_key
from hub.live import Values
from hub.tracking.positions import device_position
from hub.tracking.queries import parcel

Loader = Callable[[Connection, Ahead, Sequence[str]], Mapping[str, Any]]


def _parcels(reader: Connection, ahead: Ahead, keys: Sequence[str]) -> Mapping[str, Any]:
    found = {key: row for key in keys if (row := parcel(reader, key)) is not None}
    return {
        key: {
            "status": row.status,
            "step": row.step,
            "place": row.step_place,
            "device": row.step_device or row.seen_device,
            "actor": row.step_actor,
            "happened_ms": (row.stepped or row.seen).at_ms,
            "known_ms": (row.stepped or row.seen).known_ms,
            "contact_ms": ahead.contact_ms(row.seen_device, row.contact_ms, row.seen.known_ms),
        }
        for key, row in found.items()
    }


def _sensors(reader: Connection, ahead: Ahead, keys: Sequence[str]) -> Mapping[str, Any]:
    found = {key: row for key in keys if (row := sensor(reader, key)) is not None}
    return {
        key: {
            "device": row.device,
            "at_ms": row.latest.at_ms,
            "known_ms": row.latest.known_ms,
            "value": row.latest.value,
            "every_ms": row.latest.interval_ms,
            "contact_ms": ahead.contact_ms(row.device, row.contact_ms, row.latest.known_ms),
        }
        for key, row in found.items()
        if row.latest is not None
    }


def _devices(reader: Connection, ahead: Ahead, keys: Sequence[str]) -> Mapping[str, Any]:
    return {
        row.id: {
            "contact_ms": row.heard_ms,
            "backlog": row.contact and row.contact.backlog_facts,
            "oldest_ms": row.contact and row.contact.oldest_at_ms,
            "told_ms": row.contact and row.contact.at_ms,
            "incidents": row.incidents,
        }
        for row in devices_by_id(reader, ahead, keys)
    }


def _incidents(reader: Connection, ahead: Ahead, keys: Sequence[str]) -> Mapping[str, Any]:
    del ahead
    return {
        row.key: {"kind": row.kind, "device": row.device, "last_ms": row.last_ms, "open": row.closed_ms is None}
        for row in incidents_by_key(reader, keys)
    }


def _positions(reader: Connection, ahead: Ahead, keys: Sequence[str]) -> Mapping[str, Any]:
    found = {key: row for key in keys if (row := device_position(reader, key)) is not None}
    return {
        key: {
            "at_ms": row.at_ms,
            "known_ms": row.known_ms,
            "lat": row.lat_e7 / 1e7,
            "lon": row.lon_e7 / 1e7,
            "contact_ms": ahead.contact_ms(key, row.known_ms),
        }
        for key, row in found.items()
    }


def _excursions(reader: Connection, ahead: Ahead, keys: Sequence[str]) -> Mapping[str, Any]:
    del ahead
    found = {key: row for key in keys if (row := find_excursion(reader, key)) is not None}
    return {
        key: {
            "sensor": row.sensor,
            "device": row.device,
            "kind": row.kind,
            "limit": row.limit,
            "started_ms": row.found.started_ms,
            "alarm_ms": row.found.alarm_ms,
            "ended_ms": row.found.ended_ms,
            "extreme": row.found.extreme,
            "withdrawn": row.found.withdrawn,
            "needs_person": row.needs_person,
        }
        for key, row in found.items()
    }


LOADERS: Final[Mapping[str, Loader]] = {
    "parcel": _parcels,
    "sensor": _sensors,
    "device": _devices,
    "incident": _incidents,
    "excursion": _excursions,
    "position": _positions,
}


def live_values(database: Database, ahead: Ahead) -> Values:
    """The reader of values for the live bus of a hub."""

    def values(topic: str, keys: Sequence[str]) -> Mapping[str, Any]:
        loader = LOADERS.get(topic)
        if loader is None:
            # Pages that show such things fetch them when they hear that one changed.
            return dict.fromkeys(keys)
        with database.read() as reader:
            return loader(reader, ahead, keys)

    return values
