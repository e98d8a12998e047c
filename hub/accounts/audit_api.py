"""The audit trail, for programs of auditors."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from hub.accounts.anchors import check_trail
from hub.accounts.audit import AuditFilters, AuditRow, list_audit
from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Reader
from hub.problems import PROBLEM_RESPONSES
from hub.web.times import utc

router = APIRouter(
    prefix="/api/v1", tags=["audit"], responses=PROBLEM_RESPONSES, dependencies=[Depends(require(Role.AUDITOR))]
)

Part = Annotated[str, Query(max_length=256)]
MAX_WRONG = 100


class AuditItem(BaseModel):
    """One change that a person made."""

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    old: str
    new: str
    why: str
    hash: str = Field(description="SHA-256 over this row and the hash of the one before, hex.")

    @classmethod
    def of(cls, row: AuditRow) -> "AuditItem":
        """From the trail."""
        return cls(
            id=row.id,
            at=utc(row.at_ms),
            who=row.who,
            action=row.action,
            subject=row.subject,
            old=row.old,
            new=row.new,
            why=row.why,
            hash=row.hash.hex(),
        )


class AuditPage(BaseModel):
    """Some changes, the latest first."""

    items: list[AuditItem]
    next_cursor: str | None


class AuditChain(BaseModel):
    """What a check of the whole trail found."""

    rows: int
    unbroken_to: int = Field(description="The last row up to which all is as it was written.")
    wrong: list[str] = Field(description="A sentence for each row that is not, up to a hundred.")


def filters(
    who: Part = "",
    action: Part = "",
    subject: Part = "",
    since: Annotated[datetime | None, Query(description="At this time or later.")] = None,
    until: Annotated[datetime | None, Query(description="Before this time.")] = None,
) -> AuditFilters:
    """Parts of what stands there; empty means any."""
    return AuditFilters(who, action, subject, _ms(since), _ms(until))


def _ms(at: datetime | None) -> int | None:
    return None if at is None else int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


@router.get("/audit", summary="What people changed")
def get_audit(
    reader: Reader,
    wanted: Annotated[AuditFilters, Depends(filters)],
    cursor: Annotated[int | None, Query(ge=0, le=2**62, description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="At most so many items.")] = 100,
) -> AuditPage:
    """Who, when, what, old, new and why; the latest first. Nothing of it is ever altered or taken away."""
    rows = list_audit(reader, wanted, before=cursor, limit=limit)
    return AuditPage(
        items=[AuditItem.of(row) for row in rows], next_cursor=str(rows[-1].id) if len(rows) == limit else None
    )


@router.get("/audit/chain", summary="Whether the audit trail is as it was written")
def get_chain(reader: Reader) -> AuditChain:
    """Checks every row, and the whole against its anchors in the ledger; `holdfast-hub verify` does the same."""
    state = check_trail(reader)
    return AuditChain(rows=state.rows, unbroken_to=state.unbroken_to, wrong=list(state.wrong[:MAX_WRONG]))
