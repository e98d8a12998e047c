"""`GET /api/v1/live`: everything that changes, as it changes."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub
from hub.problems import PROBLEM_RESPONSES
from hub.web.live_response import LiveResponse

router = APIRouter(prefix="/api/v1", tags=["live"], responses=PROBLEM_RESPONSES)


@router.get(
    "/live",
    summary="Changes as server-sent events",
    dependencies=[Depends(require(Role.VIEWER))],
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Endless"}},
)
async def live(
    hub: Hub,
    after: Annotated[str, Query(max_length=64, description="Id of the last event seen.")] = "",
    last_event_id: Annotated[str, Header(max_length=64)] = "",
) -> Response:
    """Events `parcel sensor device incident excursion`, each `{key, kept, value}`, the latest state of that thing.

    `kept` is false for a value that ran ahead of its fact. `beat` brings the hub's time (epoch ms) at least every 10 s;
    `refetch` says that something was missed: fetch what you show again. The stream ends after 15 minutes; connect again.
    """
    return LiveResponse(hub.live, last_event_id or after or hub.live.position)
