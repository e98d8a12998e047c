"""Incidents: what an operator must be told, counted while it repeats."""

from sqlalchemy import Connection

from contract.delivery.hub_actions import Report
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
