"""`/audit`: who changed what, when and why? And is the trail as it was written?"""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response, StreamingResponse

from hub.accounts.anchors import check_trail
from hub.accounts.audit import AuditFilters, AuditRow, list_audit
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext, Reader
from hub.problems import BadRequest
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.AUDITOR))])

ROWS: Final = 100
EXPORTED_AT_ONCE: Final = 1_000
DAY_MS: Final = 86_400_000
COLUMNS: Final = ("number", "at", "who", "action", "subject", "old", "new", "why", "hash")
SHOWN_WRONG: Final = 20
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would calculate."""

Part = Annotated[str, Query(max_length=256)]
Day = Annotated[str, Query(max_length=10, description="Such as 2026-05-28, in UTC.")]


def _filters(who: Part = "", action: Part = "", subject: Part = "", since: Day = "", until: Day = "") -> AuditFilters:
    """Parts of what stands there, and days, both included; empty means any."""
    until_ms = _day_ms(until)
    return AuditFilters(who, action, subject, _day_ms(since), None if until_ms is None else until_ms + DAY_MS)


def _day_ms(day: str) -> int | None:
    if not day:
        return None
    try:
        return int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000)
    except ValueError as error:
        raise BadRequest("Expected a day such as 2026-05-28, got {day}.", day=day) from error


Wanted = Annotated[AuditFilters, Depends(_filters)]


@router.get("/audit")
def audit_page(
    request: Request, reader: Reader, wanted: Wanted, before: Annotated[int | None, Query(ge=0, le=2**62)] = None
) -> Response:
    """The latest first."""
    rows = list_audit(reader, wanted, before=before, limit=ROWS + 1)
    query = {name: value for name, value in request.query_params.items() if name not in {"before", "lang"} and value}
    older = urlencode({**query, "before": str(rows[ROWS - 1].id)}) if len(rows) > ROWS else ""
    return page(
        request, "audit.html", rows=rows[:ROWS], query=query, older=older, first=before is None, export=urlencode(query)
    )


@router.get("/audit/chain")
def chain_part(request: Request, reader: Reader) -> Response:
    """Check the whole trail, and say what was found."""
    state = check_trail(reader)
    return page(request, "audit_chain.html", state=state, wrong=state.wrong[:SHOWN_WRONG])


@router.get("/audit.csv")
def export(hub: Hub, wanted: Wanted) -> Response:
    """All that is wanted, the latest first, for a spreadsheet."""
    name = datetime.fromtimestamp(hub.now_ms() / 1000, UTC).strftime("audit-%Y-%m-%d.csv")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_lines(hub, wanted), media_type="text/csv; charset=utf-8", headers=headers)


def _lines(hub: HubContext, wanted: AuditFilters) -> Iterator[str]:
    """Read piece by piece: who reads slowly must not hold a snapshot, and rows only ever come at the end."""
    # The mark by which spreadsheets know UTF-8.
    yield "\ufeff" + _line(COLUMNS)
    before: int | None = None
    while True:
        with hub.database.read() as reader:
            rows = list_audit(reader, wanted, before=before, limit=EXPORTED_AT_ONCE)
        yield "".join(_line(_cells(row)) for row in rows)
        if len(rows) < EXPORTED_AT_ONCE:
            return
        before = rows[-1].id


def _cells(row: AuditRow) -> tuple[str, ...]:
    at = datetime.fromtimestamp(row.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return (str(row.id), at, row.who, row.action, row.subject, row.old, row.new, row.why, row.hash.hex())


def _line(cells: tuple[str, ...]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells)
    return out.getvalue()
