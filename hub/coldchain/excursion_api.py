"""Excursions for programs, and a person's acknowledgement."""

from datetime import datetime
from typing import Annotated, Final, Self

import msgspec
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, StringConstraints

from contract.coldchain.profile import Side
from contract.event import Decision
from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.coldchain.acknowledging import AsSeen
from hub.coldchain.decisions import ACKNOWLEDGE
from hub.coldchain.excursions import (
    MAX_PAGE,
    Acknowledgement,
    ChangeView,
    ExcursionFilters,
    ExcursionKind,
    ExcursionView,
    Found,
    acknowledgements,
    excursion_changes,
    find_excursion,
    list_excursions,
)
from hub.context import Hub, Reader
from hub.problems import PROBLEM_RESPONSES, NotFound, Problem
from hub.timeline import epoch_ms
from hub.web.times import utc

router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["cold chain"])

WORDS: Final = r"^[^\x00-\x08\x0b-\x1f\x7f]*$"
"""What people write: no control characters but tabs and new lines, which not every database keeps."""

Viewer: Final = Depends(require(Role.VIEWER))


class FoundItem(BaseModel):
    """What an excursion is found to be."""

    started_at: datetime
    alarm_at: datetime | None = Field(description="When more than the allowed time was used.")
    ended_at: datetime | None = Field(description="Null: it lasts, as far as readings tell.")
    extreme: float | None = Field(description="Furthest beyond the limit; null for time without data.")
    beyond_ms: int
    alarm_known_at: datetime | None
    ended_known_at: datetime | None
    withdrawn: bool = Field(description="What came later shows that it never was.")

    @classmethod
    def fields_of(cls, found: Found) -> dict[str, object]:
        """From the query."""
        return {
            "started_at": utc(found.started_ms),
            "alarm_at": utc(found.alarm_ms),
            "ended_at": utc(found.ended_ms),
            "extreme": None if found.extreme is None else found.extreme / 100,
            "beyond_ms": found.beyond_ms,
            "alarm_known_at": utc(found.alarm_known_ms),
            "ended_known_at": utc(found.ended_known_ms),
            "withdrawn": found.withdrawn,
        }


class AcknowledgementItem(BaseModel):
    """Who acknowledged it last."""

    who: str
    reason: str
    at: datetime
    covers: bool = Field(description="False: it grew beyond what that person saw.")

    @classmethod
    def of(cls, told: Acknowledgement) -> Self:
        """From the query."""
        return cls(who=told.who, reason=told.why, at=utc(told.at_ms), covers=told.covers)


class ExcursionItem(FoundItem):
    """An excursion, or a stretch without data."""

    id: str
    sensor: str
    device: str
    kind: ExcursionKind
    limit: str
    side: Side | None
    threshold: float | None
    profile: str
    known_at: datetime
    changed_at: datetime
    needs_person: bool = Field(description="An alarm that nobody acknowledged as it is now.")
    acknowledged: AcknowledgementItem | None

    @classmethod
    def of(cls, view: ExcursionView) -> Self:
        """From the query."""
        ack = view.acknowledged
        return cls.model_validate(
            {
                **FoundItem.fields_of(view.found),
                **{
                    name: getattr(view, name) for name in ("id", "sensor", "device", "kind", "limit", "side", "profile")
                },
                "threshold": None if view.threshold is None else view.threshold / 100,
                "known_at": utc(view.known_ms),
                "changed_at": utc(view.changed_ms),
                "needs_person": view.needs_person,
                "acknowledged": ack and AcknowledgementItem.of(ack),
            }
        )


class ExcursionList(BaseModel):
    """Some excursions, the latest start first."""

    items: list[ExcursionItem]
    next_cursor: str | None


class ChangeItem(FoundItem):
    """What it was found to be from `known_at` on."""

    known_at: datetime

    @classmethod
    def of(cls, change: ChangeView) -> Self:
        """From the query."""
        return cls.model_validate({**FoundItem.fields_of(change.found), "known_at": utc(change.known_ms)})


class ExcursionDetail(BaseModel):
    """One excursion with the history of its verdict."""

    excursion: ExcursionItem
    changes: list[ChangeItem] = Field(description="Oldest first; nothing disappears.")
    acknowledgements: list[AcknowledgementItem] = Field(description="All, oldest first.")


class Reason(BaseModel):
    """Why a person acknowledges it."""

    reason: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NOTE_CHARS, pattern=WORDS)
    ] = Field(description="What was done about it.")


class Acknowledged(BaseModel):
    """The fact that was stated."""

    fact_id: str


@router.get("/excursions", summary="Excursions and time without data", dependencies=[Viewer])
def get_excursions(
    reader: Reader,
    *,
    sensor: Annotated[str, Query(max_length=256)] = "",
    device: Annotated[str, Query(max_length=64)] = "",
    kind: ExcursionKind | None = None,
    lasting: Annotated[bool | None, Query(alias="open", description="Whether it lasts.")] = None,
    alarmed: Annotated[bool | None, Query(description="Whether more than the allowed time was used.")] = None,
    needs_person: bool | None = None,
    acknowledged: Annotated[bool | None, Query(description="Whether somebody acknowledged it as it is now.")] = None,
    since: Annotated[datetime | None, Query(description="It lasted, became known or changed then or later.")] = None,
    cursor: Annotated[str, Query(max_length=256, description="`next_cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> ExcursionList:
    """The latest start first; withdrawn ones stay and say so."""
    filters = ExcursionFilters(
        open=lasting,
        sensor=sensor,
        device=device,
        kind=kind,
        since_ms=epoch_ms(since) if since else None,
        acknowledged=acknowledged,
        alarmed=alarmed,
        needs_person=needs_person,
    )
    found = list_excursions(reader, filters, cursor or None, limit)
    return ExcursionList(items=[ExcursionItem.of(view) for view in found.items], next_cursor=found.next_cursor)


@router.get("/excursions/{excursion_id}", summary="One excursion with its history", dependencies=[Viewer])
def get_excursion(reader: Reader, excursion_id: str) -> ExcursionDetail:
    """What it is found to be now, and what it was found to be before."""
    changes = [ChangeItem.of(change) for change in excursion_changes(reader, excursion_id)]
    said = [AcknowledgementItem.of(one) for one in acknowledgements(reader, excursion_id)]
    excursion = ExcursionItem.of(_found(reader, excursion_id))
    return ExcursionDetail(excursion=excursion, changes=changes, acknowledgements=said)


@router.post(
    "/excursions/{excursion_id}/acknowledge",
    summary="Acknowledge an excursion as it is now",
    responses={409: {"description": "It was acknowledged as it is now, or withdrawn"}},
)
def acknowledge(
    *,
    reader: Reader,
    hub: Hub,
    caller: Annotated[Caller, Depends(require(Role.OPERATOR))],
    excursion_id: str,
    body: Reason,
) -> Acknowledged:
    """Who and when are the caller's. Where it grows beyond what was seen, it needs somebody again."""
    view = _found(reader, excursion_id)
    if view.found.withdrawn:
        raise Problem(409, "Withdrawn", "What came later shows that it never was; there is nothing to acknowledge.")
    if view.acknowledged is not None and view.acknowledged.covers:
        raise Problem(409, "Acknowledged before", "{who} acknowledged it as it is now.", who=view.acknowledged.who)
    found = view.found
    seen = AsSeen(view.sensor, view.limit, found.started_ms, found.ended_ms, found.extreme)
    detail = msgspec.json.encode(seen).decode()
    fact = hub.decide(Decision(ACKNOWLEDGE, (), caller.name, body.reason, view.id, detail))
    return Acknowledged(fact_id=fact.hex())


def _found(reader: Reader, excursion_id: str) -> ExcursionView:
    view = find_excursion(reader, excursion_id)
    if view is None:
        raise NotFound("excursion", excursion_id)
    return view
