"""A fleet on real sockets; the broker is a few lines and the hub is the ledger in memory of the delivery tests."""

import asyncio
import socket
import socketserver
import threading
from collections.abc import Iterator

import pytest

from contract.event import Lane
from contract.topics import down_topic
from firmware_sim.fleet import packets
from firmware_sim.fleet.device import REFUSED_WAIT_S
from firmware_sim.fleet.enrolment import Enrolled
from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.load import Load
from tests.contract.delivery.memory import KEY, MemoryLedger

PATIENCE_S = 20.0
CONNECT, SUBSCRIBE, PUBLISH, PINGREQ = 0x10, 0x82, 0x30, 0xC0
HUB_MS = 1_790_000_000_000


class Broker(socketserver.ThreadingTCPServer):
    """Takes devices whose hub is `ledger`, unless told otherwise."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.ledger = MemoryLedger()
        self.turn = threading.Lock()
        self.connack = 0
        self.suback = 0
        self.garbage_left = 0
        self.connects = 0

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.server_address[1]}"


class Session(socketserver.StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True
    server: Broker

    def handle(self) -> None:
        device = ""
        while packet := self.packet():
            kind, body = packet
            if kind == CONNECT:
                self.server.connects += 1
                # Behind protocol name, level, flags and keep-alive comes the client id: DEVICE-16 hex digits.
                size = int.from_bytes(body[10:12], "big")
                device = body[12 : 12 + size].decode().rpartition("-")[0]
                self.wfile.write(bytes([0x20, 2, 0, self.server.connack]))
            elif kind == SUBSCRIBE:
                self.wfile.write(bytes([0x90, 3, *body[:2], self.server.suback]))
            elif kind == PUBLISH:
                self.take(device, body[2 + int.from_bytes(body[:2], "big") :])
            elif kind == PINGREQ:
                self.wfile.write(b"\xd0\x00")

    def take(self, device: str, payload: bytes) -> None:
        with self.server.turn:
            if self.server.garbage_left:
                self.server.garbage_left -= 1
                self.wfile.write(b"\x00\x00")
                return
            for reply in self.server.ledger.take(device, payload, HUB_MS):
                self.wfile.write(packets.publish(down_topic(device), reply))

    def packet(self) -> tuple[int, bytes] | None:
        try:
            head = self.rfile.read(1)
            length = shift = 0
            while head:
                byte = self.rfile.read(1)[0]
                length |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80:
                    return head[0], self.rfile.read(length)
        except (OSError, IndexError):
            pass
        return None


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        thread = threading.Thread(target=broker.serve_forever, args=(0.01,))
        thread.start()
        yield broker
        broker.shutdown()
        thread.join()


def agents(broker: Broker, count: int) -> list[Enrolled]:
    return [Enrolled(f"sim-{i}", KEY, broker.url) for i in range(count)]


def arrived(broker: Broker) -> set[bytes]:
    return {identity for identity, row in broker.ledger.facts.items() if row.core is not None}


def test_backlogs_and_live_captures_arrive_and_are_counted(broker: Broker) -> None:
    with Fleet(agents(broker, 5), load=Load(scans_per_min=30), offline_s=600) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        fleet.scan(each=3)
        assert fleet.wait_drained(PATIENCE_S)
        tally = fleet.tally()

    assert arrived(broker) == fleet.captured_ids()
    assert tally.captured == tally.sent == tally.committed == tally.items_sent > 1000
    # The scans that were made live, and each device's word on its clock.
    assert len(tally.latencies_ms) >= 20
    assert tally.outages == tally.dropped == 0
    assert tally.bytes_up > 20 * tally.captured
    streams = {(name.device, name.lane) for name in broker.ledger.branch_heads}
    assert streams == {(f"sim-{i}", Lane.CUSTODY) for i in range(5)}


def test_after_a_storm_each_device_comes_back_by_itself(broker: Broker) -> None:
    with Fleet(agents(broker, 20)) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        fleet.storm()
        fleet.scan()
        assert fleet.wait_in_contact(PATIENCE_S)
        assert fleet.wait_drained(PATIENCE_S)
        back_s = fleet.came_back_s()
        tally = fleet.tally()

    assert arrived(broker) == fleet.captured_ids()
    assert len(back_s) == 20
    # The first back-off: nobody before half of it, and not all at once.
    assert back_s[0] >= 0.125
    assert back_s[-1] - back_s[0] > 0.05
    assert tally.outages == 20


def test_a_better_look_at_the_clock_is_a_fact_that_arrives_although_nothing_else_waits(broker: Broker) -> None:
    with Fleet(agents(broker, 1)) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        assert fleet.wait_drained(PATIENCE_S)
        before = fleet.tally().captured
        fleet.devices[0].store._best_uncertainty_ms = 10**6
        fleet.storm()
        assert fleet.wait_in_contact(PATIENCE_S)
        assert fleet.wait_drained(2.0)

    assert fleet.tally().captured == before + 1


def test_a_device_without_network_keeps_and_delivers_later(broker: Broker) -> None:
    with Fleet(agents(broker, 2)) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        assert fleet.wait_drained(PATIENCE_S)
        fleet.disconnect()
        fleet.scan(each=10)
        waiting = fleet.tally()
        fleet.connect()
        assert fleet.wait_drained(PATIENCE_S)

    assert waiting.in_contact == 0
    assert waiting.waiting == 20
    assert arrived(broker) == fleet.captured_ids()


@pytest.mark.parametrize("answer", ["connack", "suback"])
def test_refused_credentials_are_not_tried_again_soon(broker: Broker, answer: str) -> None:
    setattr(broker, answer, 5 if answer == "connack" else 0x80)
    with Fleet(agents(broker, 1)) as fleet:
        [device] = fleet.devices

        def wait_s() -> float | None:
            timer = device._timers.get("connect")
            return timer.when() - asyncio.get_running_loop().time() if timer and device.outages else None

        while (seconds := fleet.ask(wait_s)) is None:
            pass
        fleet.scan()
        after_scan_s = fleet.ask(wait_s)

    assert seconds > REFUSED_WAIT_S / 2 - 1
    assert after_scan_s is not None
    assert after_scan_s > REFUSED_WAIT_S / 2 - 1
    assert broker.connects == 1


def test_a_broker_that_speaks_nonsense_is_left_and_tried_again(broker: Broker) -> None:
    broker.garbage_left = 2
    with Fleet(agents(broker, 1)) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        assert fleet.wait_drained(PATIENCE_S)
        outages = fleet.tally().outages

    assert outages == 2
    assert arrived(broker) == fleet.captured_ids()


def test_a_clone_goes_on_under_a_new_incarnation_and_loses_nothing(broker: Broker) -> None:
    with Fleet(agents(broker, 1), seed=4) as first:
        assert first.wait_drained(PATIENCE_S)
        incarnation = first.devices[0].store.incarnation
    # The same seed gives the same incarnation, and another start other facts: a clone.
    with Fleet(agents(broker, 1), seed=4) as clone:
        assert clone.wait_in_contact(PATIENCE_S)
        assert clone.wait_drained(PATIENCE_S)
        after = clone.devices[0].store.incarnation

    assert after != incarnation
    assert clone.captured_ids() <= arrived(broker)


def test_a_hub_that_is_away_is_tried_with_growing_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    lone = [Enrolled(f"sim-{i}", KEY, f"mqtt://127.0.0.1:{port}") for i in range(20)]
    with Fleet(lone, start_over_s=0.0) as fleet:
        due_s: list[float] = []
        while len(due_s) < len(lone):
            due_s = fleet.ask(lambda: [d._timers["connect"].when() for d in fleet.devices if d.outages == 1])
        assert max(due_s) - min(due_s) > 0.05
        while fleet.ask(lambda: min(device._wait_s for device in fleet.devices)) < 0.5:
            pass

        assert not fleet.wait_in_contact(0.0)
        assert fleet.tally().committed == 0
        assert fleet.tally().outages >= 4 * len(lone)
