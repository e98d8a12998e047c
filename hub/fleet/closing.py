"""Closing an incident by a person, with a reason that stays in the audit trail."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import select

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.audit import audit
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub
from hub.incidents import close_incident
from hub.problems import PROBLEM_RESPONSES, NotFound, Problem
from hub.projector import Change
from hub.tables import incident

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["fleet"])


class Reason(BaseModel):
    """Why a person decides so."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NOTE_CHARS)] = Field(
        description="In a few words; it stays in the audit trail."
    )


class Closed(BaseModel):
    """An incident that is closed now."""

    key: str
    closed_by: str


@router.post(
    "/incidents/{key:path}/close",
    summary="Close an incident that somebody has dealt with",
    responses={409: {"description": "It was closed before"}},
)
def close(key: str, body: Reason, hub: Hub, caller: Annotated[Caller, Depends(require(Role.OPERATOR))]) -> Closed:
    """Who and when are the caller's. The same incident opens again when it repeats."""
    now_ms = hub.now_ms()
    with hub.database.write() as tx:
        found = tx.execute(select(incident.c.detail).where(incident.c.key == key)).first()
        if found is None:
            raise NotFound("incident", key)
        if not close_incident(tx, key, now_ms, caller.name):
            raise Problem(409, "Closed before", "The incident {key} is not open any more.", key=key)
        audit(
            tx, at_ms=now_ms, who=caller.name, action="incident.close", subject=key, old=found.detail, why=body.reason
        )
    hub.live.publish([Change("incident", key)])
    return Closed(key=key, closed_by=caller.name)
