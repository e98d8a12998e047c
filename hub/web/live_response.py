"""One page's stream of events: a response that follows the live bus until either side ends it."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hub.live import STREAM_S, LiveBus


class LiveResponse(Response):
    """A response that follows the bus. Written by hand: library event streams encode anew for each viewer."""

    def __init__(self, bus: LiveBus, after: str) -> None:
        super().__init__(
            media_type="text/event-stream", headers={"cache-control": "no-store", "x-accel-buffering": "no"}
        )
        self._bus = bus
        self._after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until either side ends it."""
        del scope
        # Its length is not known before its end.
        headers = [header for header in self.raw_headers if header[0] != b"content-length"]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        streaming = asyncio.create_task(self._bus.stream(send, self._after))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({streaming, leaving}, timeout=STREAM_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (streaming, leaving):
                task.cancel()
            results = await asyncio.gather(streaming, leaving, return_exceptions=True)
        for result in results:
            # A socket that closed under us is a page that went away.
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
