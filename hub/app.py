"""The web side's composition root: routers, pages, headers and errors in one FastAPI app."""

from fastapi import FastAPI

from hub.context import HubContext


def create_app(context: HubContext) -> FastAPI:
    """The app of one hub. `context.live.close()` must be called before the server is asked to stop."""
    app = FastAPI(title="Holdfast hub", openapi_url="/api/v1/openapi.json", docs_url=None, redoc_url=None)
    app.state.hub = context
    return app
