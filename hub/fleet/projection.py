"""What devices report of themselves, folded into the latest of each driver, document and so on."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, Insert, Table, tuple_

from contract.event import Booted, Configured, Damage, SensorContact, SignedOn, Status, StoragePressure
from hub.db import insert
from hub.fleet.tables import device_report
from hub.projector import Change, LedgerFact

FOUND: Final = "found"
LOST: Final = "lost"


class FleetProjection:
    """The latest report by (device clock, order of the device, identity), so that any order of arrival gives the same rows."""

    name = "fleet"
    tables: Sequence[Table] = (device_report,)

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold the status facts among these."""
        rows = [row for fact in facts if (row := _row(fact)) is not None]
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
        "ord": known.fact.ord,
        "fact_id": known.fact_id,
        "known_ms": known.received_ms,
    }


def _if_later(tx: Connection) -> Insert:
    statement = insert(tx, device_report)
    old, new = device_report.c, statement.excluded
    later = tuple_(new.at_ms, new.ord, new.fact_id) > tuple_(old.at_ms, old.ord, old.fact_id)
    values = {name: new[name] for name in ("value", "detail", "at_ms", "ord", "fact_id", "known_ms")}
    done: Insert = statement.on_conflict_do_update(index_elements=["device", "kind", "name"], set_=values, where=later)
    return done
