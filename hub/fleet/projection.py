"""What devices report of themselves, folded into the latest of each driver, document and so on."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, Insert, Table, func, select, tuple_

from contract.event import Booted, Configured, Damage, SensorContact, SignedOn, Status, StoragePressure
from hub import tables as t
from hub.db import insert
from hub.fleet.tables import device_report
from hub.projector import Change, LedgerFact

FOUND: Final = "found"
LOST: Final = "lost"
BLOB_REFUSED: Final = "blob_refused"
"""The kind of a report that an attachment will not come; its name is the SHA-256 in hex, its detail says why."""


class FleetProjection:
    """The latest report by the device's own order, so that any order of arrival gives the same rows and no clock counts.

    That is: incarnations in the order in which the ledger came to know them, then `ord`, then the identity. Incarnations that
    the ledger knows only by what later ones told of them come first.
    """

    name = "fleet"
    tables: Sequence[Table] = (device_report,)

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold the status facts among these."""
        rows = [row for fact in facts if (row := _row(fact)) is not None]
        if not rows:
            return []
        known = _incarnations(tx, {str(row["device"]) for row in rows})
        for row in rows:
            row["stream_id"] = known.get((row["device"], row.pop("incarnation")), 0)
        statement = _if_later(tx)
        for row in rows:
            tx.execute(statement, row)
        return [Change("device", device) for device in dict.fromkeys(str(row["device"]) for row in rows)]


def _row(known: LedgerFact) -> dict[str, object] | None:
    event = known.fact.event
    if not isinstance(event, Status):
        return None
    match event.detail:
        case Booted(version, reason):
            told = ("started", "", version, reason)
        case SensorContact(driver, found, why):
            told = ("driver", driver, FOUND if found else LOST, why)
        case Configured(document, version):
            told = ("document", document, str(version), "")
        case StoragePressure(level, free_bytes):
            told = ("storage", "", level, str(free_bytes))
        case SignedOn(on):
            told = ("signed_on", "", known.fact.actor if on else "", "")
        case Damage(kind, detail) if kind == BLOB_REFUSED:
            # One row for each attachment: whoever looks for it is to hear that it will not come.
            digest, _, why = detail.partition(": ")
            told = (kind, digest, "", why)
        case Damage(kind, detail):
            told = ("damage", "", kind, detail)
        case _:
            return None
    kind, name, value, detail = told
    return {
        "device": known.fact.device,
        "kind": kind,
        "name": name[:256],
        "value": value,
        "detail": detail,
        "at_ms": known.fact.at_ms,
        "incarnation": known.fact.incarnation,
        "ord": known.fact.ord,
        "fact_id": known.fact_id,
        "known_ms": known.received_ms,
    }


def _incarnations(tx: Connection, devices: Collection[str]) -> Mapping[tuple[object, object], int]:
    """The first stream of each incarnation of these devices."""
    c = t.stream.c
    rows = tx.execute(
        select(c.device, c.incarnation, func.min(c.id)).where(c.device.in_(devices)).group_by(c.device, c.incarnation)
    )
    return {(device, incarnation): first for device, incarnation, first in rows}


def _if_later(tx: Connection) -> Insert:
    statement = insert(tx, device_report)
    old, new = device_report.c, statement.excluded
    later = tuple_(new.stream_id, new.ord, new.fact_id) > tuple_(old.stream_id, old.ord, old.fact_id)
    values = {name: new[name] for name in ("value", "detail", "at_ms", "stream_id", "ord", "fact_id", "known_ms")}
    done: Insert = statement.on_conflict_do_update(index_elements=["device", "kind", "name"], set_=values, where=later)
    return done
