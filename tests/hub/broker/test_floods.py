"""Floods of connections, topics and subscriptions at the embedded broker: who works there goes on working."""

import contextlib
import queue
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.statement import password_of
from contract.topics import up_topic
from hub.broker import nats_config
from hub.broker.address import Address
from hub.broker.embedded import EmbeddedBroker
from hub.broker.link import BrokerLink
from hub.intake import Incoming
from hub.registry import DisplayUser, EnrolledDevice
from tests.hub.broker.visitor import Visitor

pytestmark = pytest.mark.slow

VAN = EnrolledDevice("van-1", b"v" * 32, "", 0, None)
SCREEN = DisplayUser("display-hall", "secret")
FLOOD = 400
TOPICS = 65_000


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedBroker]:
    monkeypatch.setattr(nats_config, "MAX_SUBSCRIPTIONS", 50)
    running = EmbeddedBroker(tmp_path, Address("127.0.0.1", 0), [VAN], [SCREEN])
    running.wait_started()
    yield running
    running.stop()


@pytest.fixture
def heard(broker: EmbeddedBroker) -> "Iterator[queue.Queue[Incoming]]":
    taken: queue.Queue[Incoming] = queue.Queue()
    link = BrokerLink(broker.address, broker.credential)
    link.start(taken.put)
    assert link.wait_until_up(10)
    yield taken
    assert link.up
    link.stop()


def says(broker: EmbeddedBroker, heard: "queue.Queue[Incoming]", words: bytes) -> None:
    with Visitor(broker.address, VAN.id, password_of(VAN.key)) as van:
        assert van.connected.get(timeout=10)
        van.client.publish(up_topic("van-1"), words)
        assert heard.get(timeout=10) == Incoming(up_topic("van-1"), words)


def test_f104_a_flood_of_connections_that_say_nothing_or_rubbish_keeps_no_device_out(
    broker: EmbeddedBroker, heard: "queue.Queue[Incoming]"
) -> None:
    address = (broker.address.host, broker.address.port)
    with contextlib.ExitStack() as stack:
        for n in range(FLOOD):
            stranger = stack.enter_context(socket.create_connection(address, timeout=5))
            if n % 2:
                # CONNECT of a packet that is announced and never comes, and bytes that are no packet at all.
                stranger.sendall(b"\x10\xff\xff\xff\x7f" if n % 4 == 1 else b"\xff" * 64)
        says(broker, heard, b"in the flood")
    says(broker, heard, b"after the flood")


def test_f104_a_device_that_names_65_000_topics_makes_none_of_them(
    broker: EmbeddedBroker, heard: "queue.Queue[Incoming]"
) -> None:
    with Visitor(broker.address, VAN.id, password_of(VAN.key)) as van:
        assert van.connected.get(timeout=10)
        for n in range(TOPICS):
            van.client.publish(f"hf1/display/parcel/{n}", b"x", retain=True)
        van.client.publish(up_topic("van-1"), b"last")
        assert heard.get(timeout=60) == Incoming(up_topic("van-1"), b"last")
    with Visitor(broker.address, SCREEN.user, SCREEN.password) as screen:
        assert screen.may_subscribe("hf1/display/#")
        with pytest.raises(queue.Empty):
            screen.heard.get(timeout=0.5)


def test_f104_nobody_subscribes_without_end(broker: EmbeddedBroker, heard: "queue.Queue[Incoming]") -> None:
    with Visitor(broker.address, SCREEN.user, SCREEN.password) as screen:
        assert screen.connected.get(timeout=10)
        granted = 0
        with contextlib.suppress(queue.Empty):
            for n in range(200):
                granted += screen.may_subscribe(f"hf1/display/parcel/{n}")
        assert 0 < granted <= 50
    says(broker, heard, b"after that")
