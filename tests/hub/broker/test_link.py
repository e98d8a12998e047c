import queue
import socket
import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from hub.broker.address import Address
from hub.broker.link import RETRY_CHILD_S, BrokerLink, Credential

REFUSED = b"\x20\x02\x00\x05"
"""CONNACK "not authorized" (MQTT 3.1.1, section 3.2)."""


@pytest.fixture
def stranger() -> Iterator[tuple[Address, queue.Queue[bytes]]]:
    """Somebody else at the broker's port, who refuses whoever comes; what each said."""
    heard: queue.Queue[bytes] = queue.Queue()
    listener = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with caller:
                heard.put(caller.recv(1024))
                caller.sendall(REFUSED)

    thread = threading.Thread(target=refuse)
    thread.start()
    yield Address("127.0.0.1", listener.getsockname()[1]), heard
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_refusal_is_said_once_however_often_the_link_tries(stranger: tuple[Address, queue.Queue[bytes]]) -> None:
    address, heard = stranger
    link = BrokerLink(address, Credential("hub", "secret"), RETRY_CHILD_S)
    with capture_logs() as logs:
        link.start(lambda _: None)
        for _ in range(5):
            heard.get(timeout=10)
        link.stop()

    assert [(entry["event"], entry["why"]) for entry in logs] == [("the broker refuses the hub", "Not authorized")]
    assert link.refusal == "Not authorized"
    assert not link.up
