"""Whether the hub lives, can take work, and how it does; for whatever watches it."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from hub.context import Hub
from hub.problems import Problem

router = APIRouter(tags=["health"], default_response_class=PlainTextResponse)


@router.get("/healthz", summary="Whether the process answers")
def healthz() -> str:
    """Always `ok`."""
    return "ok"


@router.get(
    "/readyz", summary="Whether the hub can take work", responses={503: {"description": "Not yet, or not any more"}}
)
def readyz(hub: Hub) -> str:
    """`ready`, once the database is open and the broker is connected."""
    if not hub.ready():
        raise Problem(503, "Not ready", "The hub is starting or stopping; try again in a moment.")
    return "ready"


@router.get("/metrics", summary="Figures for Prometheus")
def metrics(request: Request) -> Response:
    """Counts only, nothing about single parcels or people."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_LATEST)
