"""Incidents: what an operator must be told, counted while it repeats."""

from typing import Any

from sqlalchemy import Connection, update

from contract.delivery.hub_actions import Report
from hub import tables as t
from hub.ledger import statements

BY_THE_HUB = "hub"
"""Who closed an incident that ended by itself."""


def incident_row(report: Report, now_ms: int) -> dict[str, Any]:
    """An incident as it is opened."""
    return {
        "key": report.key,
        "kind": report.kind.value,
        "device": report.device,
        "detail": report.detail,
        "first_ms": now_ms,
        "last_ms": now_ms,
        "count": 1,
        "closed_by": "",
    }


def report_incident(tx: Connection, report: Report, now_ms: int) -> None:
    """Open an incident, or count it again."""
    tx.execute(statements.incident(tx.dialect.name), incident_row(report, now_ms))


def close_incident(tx: Connection, key: str, now_ms: int, by: str = BY_THE_HUB) -> bool:
    """Close an incident whose cause is gone, or that a person has dealt with; whether it was open. It opens when it repeats."""
    c = t.incident.c
    ended = update(t.incident).where(c.key == key, c.closed_ms.is_(None))
    return tx.execute(ended.values(closed_ms=now_ms, closed_by=by)).rowcount == 1
