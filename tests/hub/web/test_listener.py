"""Sockets of browsers: answers do not wait for each other."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from hub.accounts.roles import Role
from hub.accounts.service import create_token
from hub.context import HubContext
from hub.live import LiveBus
from hub.schema import open_database
from hub.web.server import serving

ANSWERS = 20
DELAYED_S = 0.04
"""The least that Linux waits with an acknowledgement where it has nothing else to say."""


BROWSERS = 200
POOL_WAIT_S = 30
"""How long a thread waits for a connection to the database before it gives up."""


@contextmanager
def _served(folder: Path) -> Iterator[tuple[socket.socket, str]]:
    """Where a hub listens, and a token of it."""
    database = open_database(folder)
    failures: list[str] = []
    with database.write() as tx:
        token = create_token(tx, Role.VIEWER, "page", 1, now_ms=0)
    listener = socket.create_server(("127.0.0.1", 0), backlog=BROWSERS)
    context = HubContext(database, LiveBus(lambda: 0), lambda _: b"", lambda: 0)
    with listener, serving(context, listener, failures.append):
        yield listener, token
    database.close()
    assert failures == []


def test_an_answer_in_two_pieces_is_not_held_back_until_the_first_is_acknowledged(tmp_path: Path) -> None:
    with _served(tmp_path) as (listener, _):
        connection = HTTPConnection("127.0.0.1", listener.getsockname()[1])
        took_s = []
        for _ in range(ANSWERS):
            began_s = time.perf_counter()
            connection.request("GET", "/login")
            assert connection.getresponse().read()
            took_s.append(time.perf_counter() - began_s)
        connection.close()
        on = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert on
    assert min(took_s) < DELAYED_S


def test_browsers_that_come_back_all_at_once_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with _served(tmp_path) as (listener, token):
        browsers = [
            HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=POOL_WAIT_S / 2) for _ in range(BROWSERS)
        ]
        for browser in browsers:
            browser.request("GET", "/api/v1/incidents", headers={"Authorization": f"Bearer {token}"})
        answers = [browser.getresponse() for browser in browsers]
        told = {(answer.status, bool(answer.read())) for answer in answers}
        for browser in browsers:
            browser.close()

    assert told == {(200, True)}
