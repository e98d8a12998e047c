"""Headers of every answer, and counts of all requests. Plain ASGI, because wrapped streams would not end."""

from time import perf_counter
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.web.metrics import RequestMetrics

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' data:{origin}; "
    "connect-src 'self'{origin}; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""`{origin}` is the one host that `serve --map` may name, with a blank before it. The map's worker asks it too."""
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ONE_YEAR_S: Final = 31_536_000


class HeadersMiddleware:
    """Sets the security headers; nothing but static files may be kept by a browser."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, *, secure: bool, map_origin: str = "") -> None:
        self._app = app
        policy = CONTENT_SECURITY_POLICY.format(origin=f" {map_origin}" if map_origin else "")
        self._fixed = {"Content-Security-Policy": policy, **SECURITY_HEADERS}
        self._metrics = metrics
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._fixed.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if self._secure:
                    headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR_S}"
                self._metrics.answered(scope, message["status"], perf_counter() - began)
            await send(message)

        await self._app(scope, receive, send_with_headers)
