import queue
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.statement import password_of
from contract.topics import down_topic, up_topic
from hub.broker.address import Address, with_free_port
from hub.broker.link import BrokerLink, read_credential
from hub.broker.mosquitto import write_mosquitto_config
from hub.intake import Incoming
from hub.registry import EnrolledDevice
from tests.hub.broker.visitor import Visitor

VAN, DOCK, NEW = (
    EnrolledDevice(name, name.encode().ljust(32, b"."), "", 0, None) for name in ("van-1", "dock-1", "new-1")
)
# Debian puts it where only root's PATH leads.
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


def test_the_configuration_is_for_its_owner_only_and_the_hub_keeps_its_password(tmp_path: Path) -> None:
    listen = Address("127.0.0.1", 1883)
    files = write_mosquitto_config(tmp_path, listen, [VAN])
    first = read_credential(tmp_path / "hub.toml")
    write_mosquitto_config(tmp_path, listen, [VAN, DOCK])

    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert read_credential(tmp_path / "hub.toml") == first
    assert first.password not in repr(first)
    assert password_of(VAN.key) not in (tmp_path / "passwords").read_text()


class Mosquitto:
    def __init__(self, folder: Path) -> None:
        assert MOSQUITTO is not None
        self.address = with_free_port(Address("127.0.0.1", 0))
        self.folder = folder
        self.write([VAN, DOCK])
        # As root it would give up its rights to a user who may not read pytest's folders.
        with (folder / "mosquitto.conf").open("a") as file:
            file.write("user root\n")
        self.process = subprocess.Popen([MOSQUITTO, "-c", folder / "mosquitto.conf"], stderr=subprocess.DEVNULL)

    def write(self, devices: list[EnrolledDevice]) -> None:
        write_mosquitto_config(self.folder, self.address, devices)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    running = Mosquitto(tmp_path)
    yield running
    running.process.terminate()
    running.process.wait()


@pytest.fixture
def hub(mosquitto: Mosquitto) -> "Iterator[tuple[BrokerLink, queue.Queue[Incoming]]]":
    heard: queue.Queue[Incoming] = queue.Queue()
    link = BrokerLink(mosquitto.address, read_credential(mosquitto.folder / "hub.toml"))
    link.start(heard.put)
    assert link.wait_until_up(10)
    yield link, heard
    link.stop()


@pytest.mark.slow
def test_f096_on_mosquitto_too_a_device_hears_and_speaks_on_its_own_topics_only(
    mosquitto: Mosquitto, hub: "tuple[BrokerLink, queue.Queue[Incoming]]"
) -> None:
    link, heard = hub
    with Visitor(mosquitto.address, VAN.id, password_of(VAN.key)) as van:
        for topic in ("#", "hf1/#", "hf1/down/+", down_topic("dock-1"), "hf1/up/#", down_topic("van-1")):
            van.client.subscribe(topic)
            van.subscribed.get(timeout=5)
        van.client.publish(up_topic("dock-1"), b"forged")
        van.client.publish(down_topic("van-1"), b"forged")
        van.client.publish(up_topic("van-1"), b"true")
        assert heard.get(timeout=5) == Incoming(up_topic("van-1"), b"true")
        link.publish("dock-1", b"not yours")
        link.publish("van-1", b"yours")
        assert van.heard.get(timeout=5) == (down_topic("van-1"), b"yours")
        assert van.heard.empty()


@pytest.mark.slow
def test_f106_mosquitto_lets_nobody_in_without_a_credential_and_new_devices_after_a_reload(
    mosquitto: Mosquitto,
) -> None:
    until_s = time.monotonic() + 10
    while time.monotonic() < until_s:
        try:
            with Visitor(mosquitto.address, "", "") as stranger:
                assert stranger.connected.get(timeout=5) is False
            break
        except OSError:
            time.sleep(0.05)
    with Visitor(mosquitto.address, NEW.id, password_of(NEW.key)) as new:
        assert new.connected.get(timeout=5) is False
    mosquitto.write([VAN, DOCK, NEW])
    mosquitto.process.send_signal(signal.SIGHUP)
    time.sleep(0.3)
    with Visitor(mosquitto.address, NEW.id, password_of(NEW.key)) as new:
        assert new.connected.get(timeout=5) is True


@pytest.mark.slow
def test_f104_mosquitto_cuts_off_a_packet_beyond_the_limit(
    mosquitto: Mosquitto, hub: "tuple[BrokerLink, queue.Queue[Incoming]]"
) -> None:
    _, heard = hub
    with Visitor(mosquitto.address, VAN.id, password_of(VAN.key)) as van:
        assert van.connected.get(timeout=5)
        van.client.publish(up_topic("van-1"), bytes(400_000))
        assert van.gone.wait(5)
    with Visitor(mosquitto.address, VAN.id, password_of(VAN.key)) as van:
        van.client.publish(up_topic("van-1"), bytes(256 * 1024))
        assert len(heard.get(timeout=5).payload) == 256 * 1024
