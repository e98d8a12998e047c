"""The web side's composition root: routers, pages, headers and errors in one FastAPI app."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Final

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.responses import Response
from starlette.types import Scope

from hub.accounts import api as accounts_api
from hub.accounts import audit_api
from hub.accounts.throttle import LoginThrottle
from hub.coldchain import api as coldchain_api
from hub.coldchain import excursion_api, record_api
from hub.context import HubContext
from hub.deliveries import api as deliveries_api
from hub.display import api as display_api
from hub.fleet import api as fleet_api
from hub.fleet import closing, enrolling
from hub.map import api as map_api
from hub.map import page as map_page
from hub.notices import page as notices_page
from hub.pages import (
    account,
    audit,
    deliveries,
    devices,
    display,
    excursions,
    figures,
    home,
    login,
    photos,
    route,
    routes,
    sensor,
    sensor_new,
    shipments,
    temperature,
)
from hub.pages import tracking as tracking_pages
from hub.pages import trips as trips_pages
from hub.problems import DescribedApp, install_problems
from hub.reports.api import reports_router
from hub.routes import again_api, route_api
from hub.routes import api as vehicle_api
from hub.shipments import api as shipments_api
from hub.shipments.reading import MAX_FILE_BYTES
from hub.tracking import api as tracking_api
from hub.trips import api as trips_api
from hub.trips.report_input import parcel_report, trip_report
from hub.web import health, live_api
from hub.web.headers import HeadersMiddleware
from hub.web.live_values import live_values
from hub.web.metrics import RequestMetrics

OPEN_PATHS: Final = frozenset(
    {"/login", "/logout", "/healthz", "/readyz", "/metrics", "/static", "/api/v1/openapi.json"}
)
"""What answers without anybody signed in; every other route requires a role. A test walks them all."""

DESCRIPTION: Final = """What the hub knows: parcels, sensors, devices, and the ledger of facts behind them.

Times are RFC 3339 in UTC. Lists are `{"items": [...], "next_cursor": ...}`: pass `next_cursor` as `cursor` for the next page.
Errors are problem details (RFC 9457). Send a bearer token, or the session of the pages."""


class _StaticFiles(StaticFiles):
    """Static files that a browser asks about again each time; unchanged ones cost a 304."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


MAX_BODY_BYTES: Final = MAX_FILE_BYTES + 1024 * 1024
"""Of any request: a file of orders in a form is the largest."""


def create_app(context: HubContext) -> FastAPI:
    """The app of one hub. `context.live.close()` must be called before the server is asked to stop."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        context.live.start(live_values(context.database, context.ahead))
        yield
        await context.live.stop()

    app = DescribedApp(
        title="Holdfast hub",
        version="1",
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        # Bodies are read before anybody asks who sends them.
        max_body_size=MAX_BODY_BYTES,
    )
    app.state.hub = context
    app.state.throttle = LoginThrottle()
    app.state.metrics = RequestMetrics(context)
    install_problems(app)
    app.add_middleware(
        HeadersMiddleware, metrics=app.state.metrics, secure=context.secure, map_origin=context.map.origin
    )
    for router in (
        tracking_api.router,
        coldchain_api.router,
        excursion_api.router,
        record_api.router,
        fleet_api.router,
        closing.router,
        enrolling.router,
        accounts_api.router,
        audit_api.router,
        display_api.router,
        live_api.router,
        health.router,
    ):
        app.include_router(router)
    for router in (
        home.router,
        login.router,
        tracking_pages.router,
        photos.router,
        temperature.router,
        sensor_new.router,
        sensor.router,
        excursions.router,
        devices.router,
        account.router,
        audit.router,
        display.router,
    ):
        app.include_router(router, include_in_schema=False)
    app.include_router(trips_api.router)
    app.include_router(reports_router(trip_report, parcel_report))
    app.include_router(trips_pages.router, include_in_schema=False)
    for router in (shipments_api.router, again_api.router, vehicle_api.router, route_api.router, deliveries_api.router):
        app.include_router(router)
    for router in (shipments.router, figures.router, routes.router, route.router, deliveries.router):
        app.include_router(router, include_in_schema=False)
    app.include_router(map_api.router)
    app.include_router(map_page.router, include_in_schema=False)
    app.include_router(notices_page.api)
    app.include_router(notices_page.router, include_in_schema=False)
    app.mount("/static", _StaticFiles(directory=str(files("hub") / "static")), name="static")
    return app
