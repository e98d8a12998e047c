"""Rows that a group of messages will write, gathered so that each table gets few statements of many rows."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from contract.delivery.hub_actions import Contact, FactRow, Report
from contract.delivery.hub_view import BranchHead
from contract.messages import Mark
from hub import tables as t
from hub.incidents import incident_row
from hub.ledger import statements
from hub.rows import write

Row = dict[str, Any]
Placed = tuple[int, int, int]
"""Stream number, n, branch."""


class WriteBuffer:
    """Pending rows of one transaction. `flush` writes them; whoever reads a device's rows flushes first if it is `dirty`."""

    def __init__(self, tx: Connection) -> None:
        self._tx = tx
        self.dirty: set[str] = set()
        self._positions: list[Row] = []
        self._branches: dict[tuple[int, int], Row] = {}
        self._facts: list[Row] = []
        self._gaps: list[Row] = []
        self._quarantine: list[Row] = []
        self._incidents: dict[str, Row] = {}
        self._contacts: dict[str, Row] = {}
        self._incarnations: list[Row] = []
        self._boots: dict[tuple[str, bytes], Row] = {}
        self._claims: list[Row] = []
        self._forgotten: list[Row] = []

    def position(self, stream_id: int, branch: int, n: int, whole_hash: bytes, fact_id: bytes | None) -> None:
        """A position of a branch."""
        self._positions.append(
            {"stream_id": stream_id, "n": n, "branch": branch, "hash": whole_hash, "fact_id": fact_id}
        )

    def head(self, stream_id: int, head: BranchHead, forks_after_n: int | None) -> None:
        """Where a branch ends now."""
        row = self._branches.setdefault(
            (stream_id, head.branch), {"stream_id": stream_id, "branch": head.branch, "forks_after_n": forks_after_n}
        )
        row |= {"n": head.n, "hash": head.hash}

    def fact(self, seq: int, device: str, fact: FactRow, placed: Placed | None, now_ms: int) -> None:
        """A fact, with content or with the cause why it has none."""
        stream_id, n, branch = placed or (None, None, None)
        self._facts.append(
            {
                "seq": seq,
                "fact_id": fact.fact_id,
                "device": device,
                "stream_id": stream_id,
                "n": n,
                "branch": branch,
                "core": fact.core,
                "cause": fact.cause,
                "received_ms": now_ms,
                "problem": fact.problem,
            }
        )

    def gap(self, stream_id: int, first_n: int, last_n: int, cause: str, now_ms: int) -> None:
        """Positions that will not come."""
        self._gaps.append(
            {"stream_id": stream_id, "first_n": first_n, "last_n": last_n, "cause": cause, "stated_ms": now_ms}
        )

    def quarantine(
        self, kind: str, device: str, why: str, now_ms: int, *, fact_id: bytes | None = None, raw: bytes | None = None
    ) -> None:
        """Something that cannot be read; for facts the bytes are in the ledger itself."""
        self._quarantine.append(
            {
                "kind": kind,
                "device": device,
                "fact_id": fact_id,
                "projection": "",
                "raw": raw,
                "why": why,
                "at_ms": now_ms,
                "state": "held",
            }
        )

    def incident(self, report: Report, now_ms: int) -> None:
        """An incident, opened or repeated."""
        known = self._incidents.get(report.key)
        if known is None:
            self._incidents[report.key] = incident_row(report, now_ms)
        else:
            known |= {"detail": report.detail, "last_ms": now_ms, "count": known["count"] + 1}

    def contact(self, contact: Contact, claims: Iterable[tuple[int, Mark]], now_ms: int) -> None:
        """What a hello told."""
        device, hello = contact.device, contact.hello
        self._incarnations.append({"device": device, "incarnation": hello.incarnation, "first_ms": now_ms})
        self._boots[device, hello.boot] = {"device": device, "boot": hello.boot, "last_mono_ms": hello.mono_ms}
        self._contacts[device] = {
            "device": device,
            "contact_ms": now_ms,
            "incarnation": hello.incarnation,
            "boot": hello.boot,
            "version": hello.version,
            "clock_offset_ms": hello.at_ms - now_ms,
            "backlog_facts": hello.backlog.facts,
            "backlog_blobs": hello.backlog.blobs,
            "oldest_at_ms": hello.backlog.oldest_at_ms,
            "room_bytes": hello.backlog.room_bytes,
            "room_s": hello.backlog.room_s,
        }
        self._claims += [{**_claim(stream_id, head), "at_ms": now_ms} for stream_id, head in claims]

    def forget_claims(self, stream_id: int, marks: Iterable[Mark]) -> None:
        """Announced heads that nobody need look for."""
        self._forgotten += [_claim(stream_id, head) for head in marks]

    def flush(self) -> None:
        """Write what is pending."""
        dialect = self._tx.dialect.name
        write(self._tx, statements.sole(t.position), self._positions)
        write(self._tx, statements.moved_branch(dialect), self._branches.values())
        write(self._tx, statements.fact(dialect), self._facts)
        write(self._tx, statements.new(dialect, t.gap), self._gaps)
        write(self._tx, statements.new(dialect, t.quarantine), self._quarantine)
        write(self._tx, statements.incident(dialect), self._incidents.values())
        write(self._tx, statements.new(dialect, t.incarnation), self._incarnations)
        write(self._tx, statements.latest(dialect, t.device_boot), self._boots.values())
        write(self._tx, statements.latest(dialect, t.device_contact), self._contacts.values())
        write(self._tx, statements.latest(dialect, t.claim), self._claims)
        write(self._tx, statements.forgotten_claim(), self._forgotten)
        for listed in (
            self._positions,
            self._facts,
            self._gaps,
            self._quarantine,
            self._incarnations,
            self._claims,
            self._forgotten,
        ):
            listed.clear()
        for keyed in (self._branches, self._incidents, self._boots, self._contacts):
            keyed.clear()
        self.dirty.clear()


def _claim(stream_id: int, head: Mark) -> Row:
    return {"stream_id": stream_id, "head_n": head.n, "head_hash": head.hash}
