"""`/routes/figures`: stops met on time and at the first attempt, by day, route and area, and what late facts changed of it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.deliveries.days import figure_days
from hub.deliveries.figures import figure_changes, figures_of
from hub.pages.route_words import FIGURES
from hub.pages.routes import day_of, heard_of
from hub.routes.queries import list_routes, vehicles
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

DAYS: Final = 31
CHANGES: Final = 500


@router.get("/routes/figures")
def figures_page(
    request: Request, reader: Reader, hub: Hub, *, day: Annotated[str, Query(max_length=10)] = ""
) -> Response:
    """Of a day, and of the days before it."""
    shown = day_of(day, vehicles(reader), hub.now_ms())
    views = list_routes(reader, day=shown)
    return page(
        request,
        "figures.html",
        day=shown,
        days=figure_days(reader, until=shown, limit=DAYS),
        figures=figures_of(reader, shown),
        routes={view.id: view for view in views},
        heard=heard_of(reader, hub, (view.device for view in views)),
        changes=figure_changes(reader, shown, CHANGES),
        words=FIGURES,
    )
