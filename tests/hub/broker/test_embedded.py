import contextlib
import errno
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.statement import password_of
from contract.topics import down_topic, up_topic
from hub.broker.address import Address
from hub.broker.embedded import EmbeddedBroker
from hub.broker.link import BrokerLink
from hub.errors import Refused
from hub.intake import Incoming
from hub.registry import EnrolledDevice
from tests.hub.broker.visitor import Visitor

pytestmark = pytest.mark.slow


def device(name: str) -> EnrolledDevice:
    return EnrolledDevice(name, name.encode().ljust(32, b"."), "", 0, None)


VAN, DOCK = device("van-1"), device("dock-1")


def visiting(broker: EmbeddedBroker, visitor: EnrolledDevice, client_id: str = "") -> Visitor:
    return Visitor(broker.address, visitor.id, password_of(visitor.key), client_id)


class HubEnd:
    """The hub's link, with what it heard."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        self.heard: queue.Queue[Incoming] = queue.Queue()
        self.link = BrokerLink(broker.address, broker.credential)
        self.link.start(self.heard.put)
        assert self.link.wait_until_up(10)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[EmbeddedBroker]:
    running = EmbeddedBroker(tmp_path, Address("127.0.0.1", 0), [VAN, DOCK])
    running.wait_started()
    yield running
    running.stop()


@pytest.fixture
def hub(broker: EmbeddedBroker) -> Iterator[HubEnd]:
    end = HubEnd(broker)
    yield end
    end.link.stop()


def test_device_and_hub_hear_each_other(broker: EmbeddedBroker, hub: HubEnd) -> None:
    with visiting(broker, VAN) as van:
        assert van.may_subscribe(down_topic("van-1"))
        van.client.publish(up_topic("van-1"), b"up")
        assert hub.heard.get(timeout=5) == Incoming(up_topic("van-1"), b"up")
        hub.link.publish("van-1", b"down")
        assert van.heard.get(timeout=5) == (down_topic("van-1"), b"down")


def test_f096_device_may_hear_and_speak_on_its_own_topics_only(broker: EmbeddedBroker, hub: HubEnd) -> None:
    with visiting(broker, VAN) as van, visiting(broker, DOCK) as dock:
        foreign = ("#", "hf1/#", "hf1/down/+", "hf1/down/dock-1", "hf1/up/#", "$SYS/#", "$share/g/hf1/up/#")
        assert {topic: van.may_subscribe(topic) for topic in foreign} == dict.fromkeys(foreign, False)
        dock.may_subscribe(down_topic("dock-1"))
        van.client.publish(up_topic("dock-1"), b"forged")
        van.client.publish(down_topic("dock-1"), b"forged")
        dock.client.publish(up_topic("dock-1"), b"true")
        assert hub.heard.get(timeout=5) == Incoming(up_topic("dock-1"), b"true")
        assert dock.heard.empty()


def test_f106_nobody_connects_without_a_credential(broker: EmbeddedBroker) -> None:
    for user, password in (("", ""), ("van-1", ""), ("van-1", "van-1"), ("hub", "hub"), ("admin", "admin")):
        stranger = Visitor(broker.address, user, password)
        assert stranger.connected.get(timeout=5) is False, user
        stranger.close()
    config = broker._folder / "nats.conf"
    assert config.stat().st_mode & 0o777 == 0o600


def test_f060_a_revoked_device_loses_its_connection_and_the_others_keep_theirs(broker: EmbeddedBroker) -> None:
    with visiting(broker, VAN) as van, visiting(broker, DOCK) as dock:
        assert van.connected.get(timeout=5)
        assert dock.connected.get(timeout=5)
        broker.update([DOCK])
        assert van.gone.wait(5)
        assert van.connected.get(timeout=10) is False
        assert not dock.gone.is_set()
        assert dock.may_subscribe(down_topic("dock-1"))


def test_a_new_device_is_let_in_without_a_restart(broker: EmbeddedBroker) -> None:
    pid = broker.pid
    new = device("new-1")
    broker.update([VAN, DOCK, new])
    for _ in range(50):
        with visiting(broker, new) as visitor:
            if visitor.connected.get(timeout=5):
                break
        time.sleep(0.05)
    else:
        pytest.fail("the new device was never let in")
    assert broker.pid == pid


def test_f020_a_killed_broker_is_back_on_its_port_within_two_seconds(broker: EmbeddedBroker, hub: HubEnd) -> None:
    assert broker.pid is not None
    began = time.monotonic()
    os.kill(broker.pid, signal.SIGKILL)
    while True:
        try:
            visitor = Visitor(broker.address, VAN.id, password_of(VAN.key))
            break
        except OSError:
            assert time.monotonic() - began < 2
            time.sleep(0.02)
    assert visitor.connected.get(timeout=5)
    visitor.close()
    while not hub.link.up:
        assert time.monotonic() - began < 10
        time.sleep(0.05)


def test_a_broker_that_cannot_be_started_again_at_once_is_tried_again(
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen
    refused = threading.Event()

    def start_later(*args: Any, **kwargs: Any) -> "subprocess.Popen[bytes]":
        if not refused.is_set():
            refused.set()
            raise OSError(errno.EMFILE, "Too many open files")
        return start(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", start_later)
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGKILL)
    assert refused.wait(5)
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        with contextlib.suppress(OSError), visiting(broker, VAN) as van:
            assert van.connected.get(timeout=5)
            return
        time.sleep(0.02)
    pytest.fail("the broker never came back")


def test_a_broker_that_cannot_be_started_at_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(Refused, match="Too many open files"):
        EmbeddedBroker(tmp_path, Address("127.0.0.1", 0), [VAN]).wait_started()


def test_a_broker_that_is_killed_while_it_starts_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen
    killed: list[int] = []

    def start_and_kill(*args: Any, **kwargs: Any) -> "subprocess.Popen[bytes]":
        process = start(*args, **kwargs)
        if len(killed) < 2:
            killed.append(process.pid)
            process.kill()
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_kill)
    broker = EmbeddedBroker(tmp_path, Address("127.0.0.1", 0), [VAN])
    broker.wait_started()
    try:
        with visiting(broker, VAN) as van:
            assert van.connected.get(timeout=10)
        assert broker.pid not in killed
    finally:
        broker.stop()


def test_f098_two_devices_with_one_client_id_are_never_taken_for_each_other(
    broker: EmbeddedBroker, hub: HubEnd
) -> None:
    with visiting(broker, VAN, "same") as van:
        assert van.connected.get(timeout=5)
        with visiting(broker, DOCK, "same") as dock:
            assert dock.connected.get(timeout=5)
            dock.client.publish(up_topic("van-1"), b"forged")
            dock.client.publish(up_topic("dock-1"), b"mine")
            assert hub.heard.get(timeout=5) == Incoming(up_topic("dock-1"), b"mine")


def test_f104_a_packet_beyond_the_limit_never_reaches_the_hub(broker: EmbeddedBroker, hub: HubEnd) -> None:
    with visiting(broker, VAN) as van:
        assert van.connected.get(timeout=5)
        van.client.publish(up_topic("van-1"), bytes(400_000))
        assert van.gone.wait(5)
    with visiting(broker, VAN) as van:
        van.client.publish(up_topic("van-1"), bytes(256 * 1024))
        assert len(hub.heard.get(timeout=5).payload) == 256 * 1024
