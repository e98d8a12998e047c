"""`/notices`: who is told of what needs a person, and did it arrive?"""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.errors import Refused
from hub.notices.administration import TargetView, administer_notices, target_views
from hub.notices.finding import Kind
from hub.notices.outbox import ENDED_ROUND
from hub.notices.store import held_since, latest_notices
from hub.problems import PROBLEM_RESPONSES, NotFound
from hub.requests import SendTestNotice
from hub.web.render import page

router = APIRouter()
api = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["notices"])

SHOWN: Final = 50
MAX_REASON_CHARS: Final = 2_000


@router.get("/notices", dependencies=[Depends(require(Role.OPERATOR))])
def notices_page(request: Request, reader: Reader, hub: Hub) -> Response:
    """Targets, and the latest tellings."""
    targets: list[TargetView] = []
    wrong = ""
    try:
        targets = target_views(reader, hub.database)
    except Refused as error:
        wrong = str(error)
    return page(
        request,
        "notices.html",
        targets=targets,
        wrong=wrong,
        held_ms=held_since(reader, hub.now_ms()),
        notices=latest_notices(reader, SHOWN),
        test=Kind.TEST,
        ended=ENDED_ROUND,
    )


class Reason(BaseModel):
    """Why."""

    reason: str = Field(min_length=1, max_length=MAX_REASON_CHARS)


class Queued(BaseModel):
    """What was asked for is sent within seconds."""

    target: str


@api.post("/notices/{target}/test", summary="Send a test to a target of notices")
def send_test(hub: Hub, target: str, body: Reason, caller: Annotated[Caller, Depends(require(Role.ADMIN))]) -> Queued:
    """It goes through the outbox like any notice; the page says how it went. Audited."""
    try:
        administer_notices(hub.database, SendTestNotice(target, caller.name, body.reason), hub.now_ms())
    except Refused as error:
        raise NotFound("target", target) from error
    return Queued(target=target)
