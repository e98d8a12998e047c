"""Incidents: what an operator must be told, counted while it repeats, closed by a person."""

from sqlalchemy import Connection, update

from contract.delivery.hub_actions import Report
from hub import tables as t
from hub.errors import Refused
from hub.ledger import statements


def report_incident(tx: Connection, report: Report, now_ms: int, count: int = 1) -> None:
    """Open an incident, or count it again."""
    row = {
        "key": report.key,
        "kind": report.kind.value,
        "device": report.device,
        "detail": report.detail,
        "first_ms": now_ms,
        "last_ms": now_ms,
        "count": count,
        "closed_by": "",
    }
    tx.execute(statements.incident(tx.dialect.name), row)


def close_incident(tx: Connection, key: str, who: str, now_ms: int) -> None:
    """A person has dealt with it; it opens again by itself when it repeats.

    Raises:
        Refused: there is no such open incident.
    """
    c = t.incident.c
    closing = update(t.incident).where(c.key == key, c.closed_ms.is_(None)).values(closed_ms=now_ms, closed_by=who)
    if tx.execute(closing).rowcount != 1:
        raise Refused(f"no open incident {key!r}")
