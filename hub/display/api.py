"""Screens without a login, for programs of administrators."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints

from hub.accounts.api import Admin, Why, refusals
from hub.context import Hub, Reader
from hub.display.credentials import list_displays
from hub.problems import PROBLEM_RESPONSES
from hub.requests import AddDisplay, RevokeDisplay
from hub.web.times import utc

router = APIRouter(
    prefix="/api/v1",
    tags=["displays"],
    responses={**PROBLEM_RESPONSES, 409: {"description": "What is there does not allow it"}},
)


class DisplayItem(BaseModel):
    """A screen."""

    name: str
    made_at: datetime
    made_by: str
    revoked_at: datetime | None
    last_seen_at: datetime | None


class Displays(BaseModel):
    """All of them, by name."""

    items: list[DisplayItem]
    next_cursor: str | None = None


class NewDisplay(BaseModel):
    """A screen to let in."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=48)]


class MadeDisplay(BaseModel):
    """What the screen needs. It is told once."""

    name: str
    token: str
    user: str
    password: str


@router.get("/displays", summary="Screens without a login")
def get_displays(reader: Reader, _: Admin) -> Displays:
    """Revoked ones too."""
    return Displays(
        items=[
            DisplayItem(
                name=row.name,
                made_at=utc(row.made_ms),
                made_by=row.made_by,
                revoked_at=utc(row.revoked_ms),
                last_seen_at=utc(row.last_seen_ms),
            )
            for row in list_displays(reader)
        ]
    )


@router.post("/displays", status_code=201, summary="Let a screen in")
def add(body: NewDisplay, hub: Hub, caller: Admin) -> MadeDisplay:
    """Open `/display/tracking?token=...` once on the wall; user and password read `hf1/display/#` at the broker."""
    with refusals():
        made = hub.administer(AddDisplay(body.name, caller.name))
    return MadeDisplay(name=made.name, token=made.token, user=made.user, password=made.password)


@router.post("/displays/{name}/revoke", status_code=204, summary="Let a screen in no more")
def revoke(name: str, body: Why, hub: Hub, caller: Admin) -> None:
    """On the wall and at the broker, at once."""
    with refusals():
        hub.administer(RevokeDisplay(name, caller.name, body.reason))
