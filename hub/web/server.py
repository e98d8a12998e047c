"""The pages and the API on their own thread: uvicorn around the app."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvicorn

from hub.app import create_app
from hub.context import HubContext
from hub.errors import Refused

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

STOP_S: Final = 3
"""Event streams are ended first, so what is left are short requests."""


@contextmanager
def serving(context: HubContext, listener: socket.socket, failed: Callable[[str], None]) -> Iterator[None]:
    """Answer on a listening socket; `failed` is told in a sentence when that ends by itself.

    Raises:
        Refused: it does not start.
    """
    # asyncio does so for the sockets that it makes itself, and not for those of a listener that it is given. An answer is
    # written in two pieces, of which the second would wait 40 ms until the first is acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        create_app(context),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
    )
    server = uvicorn.Server(config)
    started = threading.Event()

    def run() -> None:
        try:
            server.run(sockets=[listener])
        except (Exception, SystemExit) as error:
            log.exception("the web side failed")
            failed(f"the web side failed: {error!r}")
        finally:
            started.set()

    thread = threading.Thread(target=run, name="web", daemon=True)
    thread.start()
    while not server.started and not started.wait(0.01):
        pass
    try:
        if not server.started:
            raise Refused("the web side does not start; see the log above")
        yield
    finally:
        # Open event streams would otherwise never end.
        context.live.close()
        server.should_exit = True
        thread.join(STOP_S + 1)
