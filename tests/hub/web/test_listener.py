"""Sockets of browsers: small answers do not wait for each other."""

import socket
import time
from http.client import HTTPConnection
from pathlib import Path

from hub.context import HubContext
from hub.live import LiveBus
from hub.schema import open_database
from hub.web.server import serving

ANSWERS = 20
DELAYED_S = 0.04
"""The least that Linux waits with an acknowledgement where it has nothing else to say."""


def test_an_answer_in_two_pieces_is_not_held_back_until_the_first_is_acknowledged(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    failures: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))
    context = HubContext(database, LiveBus(lambda: 0), lambda _: b"", lambda: 0)
    with listener, serving(context, listener, failures.append):
        connection = HTTPConnection("127.0.0.1", listener.getsockname()[1])
        took_s = []
        for _ in range(ANSWERS):
            began_s = time.perf_counter()
            connection.request("GET", "/login")
            assert connection.getresponse().read()
            took_s.append(time.perf_counter() - began_s)
        connection.close()
        on = listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    database.close()

    assert failures == []
    assert on
    assert min(took_s) < DELAYED_S
