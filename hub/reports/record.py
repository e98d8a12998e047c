"""What the hub remembers of the reports that it made: their seals, in the chained audit trail.

By this a report is told from one that somebody else made up and sealed.
"""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, select

from hub import tables as t
from hub.accounts.audit import audit
from hub.accounts.tables import audit_trail
from hub.reports.check import Head
from hub.reports.content import ReportInput

MADE = "report.make"
"""The action of audit rows; their subject is the seal of the content."""


class Made(Struct, frozen=True):
    """One report that this hub gave to somebody. `pdf`: the seal of the print; empty for JSON."""

    seal: str
    at_ms: int
    who: str
    kind: str
    subject: str
    pdf: str = ""


class _Note(Struct, frozen=True):
    kind: str
    subject: str
    pdf: str = ""


def record_report(tx: Connection, report: ReportInput, seal: str, pdf: str = "") -> None:
    """Note that a report was made, before it is given to anybody."""
    note = msgspec.json.encode(_Note(report.kind.value, report.subject, pdf)).decode()
    audit(tx, at_ms=report.made_ms, who=report.made_by, action=MADE, subject=seal, new=note)


def made_reports(tx: Connection, seal: str) -> tuple[Made, ...]:
    """All reports with this seal of their content that this hub made, the oldest first."""
    c = audit_trail.c
    rows = tx.execute(select(c.at_ms, c.who, c.new).where(c.action == MADE, c.subject == seal).order_by(c.id))
    notes = ((row, msgspec.json.decode(row.new, type=_Note)) for row in rows)
    return tuple(Made(seal, row.at_ms, row.who, note.kind, note.subject, note.pdf) for row, note in notes)


def unknown_heads(tx: Connection, heads: Sequence[Head]) -> Iterator[Head]:
    """Those heads that are not in this hub's chains."""
    p, s = t.position.c, t.stream.c
    for head in heads:
        placed = (
            select(p.n)
            .join(t.stream, s.id == p.stream_id)
            .where(s.device == head.device, s.lane == head.lane, p.n == head.n, p.hash == bytes.fromhex(head.hash))
        )
        if tx.execute(placed.limit(1)).first() is None:
            yield head
