"""The wire over paho against a real broker, and against things that are no broker."""

import contextlib
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.mqtt import Arrived, Closed, Incoming, MqttWire, Opened
from contract.event import Lane
from contract.messages import Document
from contract.statement import password_of
from tests.agent.agent_process import run_cli, run_json, running, write_config
from tests.agent.brokers import Broker, LedgerHub, hub_behind_broker
from tests.contract.delivery.memory import KEY

DEVICE = "van-1"


def _wire(port: int, password: str = password_of(KEY)) -> MqttWire:
    return MqttWire("127.0.0.1", port, device=DEVICE, password=password, client_id=f"{DEVICE}-test", tls=None)


@contextlib.contextmanager
def _released(wire: MqttWire) -> Iterator[MqttWire]:
    try:
        yield wire
    finally:
        wire.release()


def _next(wire: MqttWire, within_s: float = 10.0) -> Incoming:
    until_s = time.monotonic() + within_s
    while time.monotonic() < until_s:
        for incoming in wire.poll(0.2):
            return incoming
    raise AssertionError("nothing came")


@contextlib.contextmanager
def _not_a_broker(answer: bytes) -> Iterator[int]:
    """Takes connections, answers whatever is said with these bytes, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def test_a_refused_connection_is_told() -> None:
    with _released(_wire(1)) as wire:
        wire.open()
        incoming = _next(wire)

    assert incoming == Closed("Connection refused")


def test_a_host_that_cannot_be_one_is_told() -> None:
    wire = MqttWire("a" * 300, 1883, device=DEVICE, password="", client_id="x", tls=None)
    with _released(wire):
        wire.open()
        incoming = _next(wire)

    assert isinstance(incoming, Closed)


def test_f033_a_captive_portal_is_told_as_closed() -> None:
    portal = (
        b"HTTP/1.1 302 Found\r\nLocation: http://login.hotel/\r\nContent-Length: 0\r\n\r\n<html>sign in</html>" * 20
    )
    with _not_a_broker(portal) as port, _released(_wire(port)) as wire:
        wire.open()
        assert isinstance(_next(wire), Closed)


def test_f033_any_bytes_in_place_of_a_broker_end_in_closed() -> None:
    chance = random.Random(1)
    for _ in range(100):
        answer = bytes([chance.choice([0x20, 0x30, 0x40, 0x90, 0xD0, chance.randrange(256)])]) + chance.randbytes(
            chance.randrange(40)
        )
        if chance.random() < 0.5:
            answer = b"\x20\x02\x00\x00" + answer
        with _not_a_broker(answer) as port, _released(_wire(port)) as wire:
            wire.open()
            happened = [_next(wire)]
            while not isinstance(happened[-1], Closed):
                happened.append(_next(wire))
            assert all(isinstance(one, Opened | Arrived | Closed) for one in happened)


def test_a_wait_ends_at_once_when_another_thread_wakes_it() -> None:
    with _released(_wire(1)) as wire:
        threading.Timer(0.05, wire.wake).start()
        began_s = time.monotonic()
        assert wire.poll(30) == []
        wire.wake()
        wire.wake()
        wire.poll(30)

    # Of the 60 s that it would have waited.
    assert time.monotonic() - began_s < 30


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "broker")
    yield broker
    broker.kill()


@pytest.mark.slow
def test_a_wrong_password_is_told_as_a_matter_of_credentials(broker: Broker) -> None:
    with _released(_wire(broker.port, "wrong")) as wire:
        wire.open()
        incoming = _next(wire)

    assert isinstance(incoming, Closed)
    assert incoming.credentials


@pytest.mark.slow
def test_messages_travel_both_ways_without_delay(broker: Broker) -> None:
    hub = LedgerHub(broker.port)
    with _released(_wire(broker.port)) as wire:
        wire.open()
        assert _next(wire) == Opened()
        assert wire._client is not None
        sock = wire._client.socket()
        assert isinstance(sock, socket.socket)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        hub.say(DEVICE, Document("route", 1, 0, 1, b"x" * 200_000))
        arrived = _next(wire)
    hub.close()

    assert isinstance(arrived, Arrived)
    assert not arrived.retained


@pytest.mark.slow
def test_f099_a_retained_message_is_known_as_one(broker: Broker) -> None:
    hub = LedgerHub(broker.port)
    hub.say(DEVICE, Document("route", 9, 0, 1, b""), retain=True)
    # Both by one connection, in this order: what the broker has answered last it has taken before.
    hub.wait_taken()
    with _released(_wire(broker.port)) as wire:
        wire.open()
        arrivals: list[Incoming] = []
        while len(arrivals) < 2:
            arrivals += wire.poll(0.2)
    hub.close()

    assert any(isinstance(a, Arrived) and a.retained for a in arrivals)


def _wait_for(hub: LedgerHub, facts: int, within_s: float = 30.0) -> None:
    until_s = time.monotonic() + within_s
    while hub.count() < facts and time.monotonic() < until_s:
        time.sleep(0.02)
    assert hub.count() >= facts


def _at_rest(config: Path, within_s: float = 30.0) -> dict[str, int]:
    """The custody lane once all of it is acknowledged."""
    until_s = time.monotonic() + within_s
    while True:
        lane: dict[str, int] = run_json("status", "--config", config)["lanes"]["custody"]
        if lane["committed"] == lane["kept"] or time.monotonic() > until_s:
            return lane


@pytest.mark.slow
def test_f020_scans_reach_the_hub_over_a_broker_that_is_killed_in_between(tmp_path: Path) -> None:
    with hub_behind_broker(tmp_path / "broker") as (broker, hub):
        config = write_config(tmp_path, hub=f"mqtt://127.0.0.1:{broker.port}")
        with running(config) as agent:
            run_cli("scan", "before", "--step", "loaded", "--config", config)
            # booted, clock fix, scan
            _wait_for(hub, 3)
            broker.kill()
            run_cli("scan", "while away", "--step", "loaded", "--config", config)
            broker.start()
            _wait_for(hub, 4)
            lane = _at_rest(config)
            agent.end()
        assert lane["committed"] == lane["kept"] == lane["sent"]
        status = run_json("status", "--config", config)

    assert status["last_contact_age_s"] is not None
    assert "Traceback" not in agent.errors.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(("point", "nth"), [("sent", 1), ("sent", 2), ("welcome", 1), ("welcome", 2)])
def test_f004_f005_a_device_that_dies_there_delivers_every_fact_once(tmp_path: Path, point: str, nth: int) -> None:
    with hub_behind_broker(tmp_path / "broker") as (broker, hub):
        config = write_config(tmp_path, hub=f"mqtt://127.0.0.1:{broker.port}")
        run_cli("scan", "first", "--step", "loaded", "--config", config)
        with running(config, env={"HOLDFAST_FAULTPOINT": f"{point}:{nth}:kill"}) as dying:
            if (point, nth) == ("sent", 2):
                run_cli("scan", "second", "--step", "loaded", "--config", config)
            assert dying.wait() == -9
        with running(config):
            run_cli("scan", "last", "--step", "loaded", "--config", config)
            listed = run_json("outbox", "--config", config)["items"]
            _wait_for(hub, len(listed))
        arrived = hub.ledger.arrived
        kinds = hub.ledger.kinds()

    assert {bytes.fromhex(item["fact_id"]) for item in listed} <= set(arrived)
    assert len(arrived) == len(set(arrived))
    assert kinds == set()


@pytest.mark.slow
def test_another_client_of_the_same_device_takes_nothing_away(tmp_path: Path) -> None:
    with hub_behind_broker(tmp_path / "broker") as (broker, hub):
        config = write_config(tmp_path, hub=f"mqtt://127.0.0.1:{broker.port}")
        with running(config), _released(_wire(broker.port)) as stranger:
            stranger.open()
            _next(stranger)
            run_cli("scan", "x", "--step", "loaded", "--config", config)
            _wait_for(hub, 3)
    assert {s.lane for s in hub.ledger.branch_heads} == {Lane.CUSTODY}
