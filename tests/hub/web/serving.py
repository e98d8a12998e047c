"""The web side over real HTTP, for browsers."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from hub.app import create_app
from tests.hub.web.seeded import SeededHub

START_S = 20.0


@contextmanager
def served(hub: SeededHub) -> Iterator[str]:
    """The address of the hub's pages; ends the streams first, as `serve` does."""
    config = uvicorn.Config(
        create_app(hub.context()), port=0, log_level="error", ws="none", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + START_S
    while not server.started:
        assert thread.is_alive()
        assert time.monotonic() < until
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        hub.live.close()
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive(), "the server did not end with pages open"
