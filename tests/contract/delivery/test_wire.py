"""Facts travel over wires that lose, double, delay and reorder; silence and refusals are noticed."""

import random
from hashlib import sha256

import pytest

from contract.columns import Reading, pack_readings
from contract.delivery.device_states import (
    TRANSITIONS,
    Connected,
    Disconnected,
    Happening,
    Link,
    Now,
    Received,
)
from contract.errors import IllegalTransition
from contract.event import Lane, Quantity, Readings, Scan, Step
from contract.limits import HELLO_INTERVAL_MS, IDLE_HELLO_BYTES
from contract.messages import Batch, Blob, Credit, Document, Hello, Nack
from tests.contract.delivery.memory import Device, MemoryLedger, connected, said, settle


def test_p3_every_fact_arrives_once_and_in_order_over_a_perfect_wire() -> None:
    device, ledger = connected()
    made = [device.scan(b"%d" % n) for n in range(700)]
    settle(device, ledger)

    assert ledger.arrived == made
    assert device.store.lane(Lane.CUSTODY).acked_n == 700
    assert ledger.incidents == {}


def test_facts_kept_before_the_first_contact_arrive_after_it() -> None:
    device, ledger = Device("van-1", 3), MemoryLedger()
    made = [device.store.append(b"%d" % n) for n in range(300)]
    device.feed(Connected())
    settle(device, ledger)

    assert ledger.arrived == made


@pytest.mark.parametrize("seed", range(40))
def test_p3_everything_arrives_once_over_a_wire_that_loses_doubles_delays_and_reorders(seed: int) -> None:
    rng = random.Random(seed)
    device, ledger = Device("van-1", seed), MemoryLedger()
    made: list[bytes] = []
    up: list[tuple[int, bytes]] = []
    down: list[tuple[int, bytes]] = []

    def post(wire: list[tuple[int, bytes]], payload: bytes) -> None:
        for _ in range(rng.choices((0, 1, 2), (2, 7, 1))[0]):
            wire.append((device.mono_ms + int(rng.expovariate(1 / 400)), payload))

    device.feed(Connected())
    for step in range(4000):
        if step < 300 and rng.random() < 0.6:
            made.append(device.scan(b"%d" % step))
        if rng.random() < 0.005:
            device.feed(Disconnected())
            device.feed(Connected())
        device.tick(100)
        while device.outgoing:
            post(up, device.outgoing.pop(0))
        for due, payload in [m for m in up if m[0] <= device.mono_ms]:
            up.remove((due, payload))
            for reply in ledger.take("van-1", payload, 10**12):
                post(down, reply)
        for due, payload in [m for m in down if m[0] <= device.mono_ms]:
            down.remove((due, payload))
            device.hear(payload)
        if len(ledger.arrived) == len(made) and step > 400:
            break
    assert sorted(ledger.arrived) == sorted(made)
    assert [i for i in ledger.arrived if i in set(made)] == made
    assert device.store.reincarnations == []


def test_one_byte_at_a_time_the_same_statements_are_read() -> None:
    device, ledger = connected()
    made = [device.scan(b"%d" % n) for n in range(10)]
    buffer = bytearray()
    while device.outgoing:
        payload = device.outgoing.pop(0)
        for byte in len(payload).to_bytes(4, "big") + payload:
            buffer.append(byte)
            if len(buffer) >= 4 and len(buffer) == 4 + int.from_bytes(buffer[:4], "big"):
                for reply in ledger.take("van-1", bytes(buffer[4:]), 10**12):
                    device.hear(reply)
                buffer.clear()

    assert ledger.arrived == made


def test_f022_a_batch_that_nobody_acknowledged_is_sent_again() -> None:
    device, ledger = connected()
    made = device.scan(b"1")
    lost = device.outgoing.pop()
    device.tick(5_000)
    again = device.outgoing.pop()

    assert lost == again
    ledger.take("van-1", again, 10**12)
    assert ledger.arrived == [made]


@pytest.mark.parametrize("bytes_per_s", [2_500, 10_000])
def test_a_backlog_gets_through_a_line_that_is_too_slow_for_a_whole_batch(bytes_per_s: int) -> None:
    device, ledger = Device("van-1", 3), MemoryLedger()
    noise = random.Random(1)
    codes = [noise.randbytes(900) for _ in range(256)]
    identities = [device.store.keep(Scan(code, "", "plain", "p", Step.LOADED, "dock", "line")) for code in codes]
    device.feed(Connected())
    line: list[tuple[int, bytes]] = []
    reconnects = free_ms = 0
    while device.mono_ms < 1_800_000 and len(ledger.arrived) < len(identities):
        if device.reconnects != reconnects:
            reconnects = device.reconnects
            line, free_ms = [], device.mono_ms
            del device.outgoing[:-1]
        for payload in device.outgoing:
            free_ms = max(free_ms, device.mono_ms) + len(payload) * 1000 // bytes_per_s
            line.append((free_ms, payload))
        device.outgoing.clear()
        while line and line[0][0] <= device.mono_ms:
            for reply in ledger.take("van-1", line.pop(0)[1], 1_700_000_000_000 + device.mono_ms):
                device.hear(reply)
        device.tick(200)

    assert ledger.arrived == identities
    assert device.reconnects <= 2


def test_f023_a_batch_delivered_ten_times_is_one_row_each() -> None:
    device, ledger = connected()
    made = device.scan(b"1")
    payload = device.outgoing.pop()
    for _ in range(10):
        ledger.take("van-1", payload, 10**12)

    assert ledger.arrived == [made]
    assert ledger.incidents == {}


def test_f024_a_batch_whose_predecessor_is_unknown_is_refused_and_converges_by_hello() -> None:
    device, ledger = connected()
    first, second = device.scan(b"1"), None
    lost = device.outgoing.pop()
    device.core._lanes[Lane.CUSTODY].settle()  # the device believes, wrongly, that the first one came
    device.core._lanes[Lane.CUSTODY].acked_n = 1
    second = device.scan(b"2")
    settle(device, ledger)

    assert lost
    assert ledger.arrived == [first, second]


def test_three_unanswered_timers_force_a_reconnect() -> None:
    device, _ = connected()
    device.scan(b"1")
    for _ in range(3):
        device.tick(400_000)

    assert device.reconnects == 1


def test_a_hello_goes_out_every_minute_even_when_nothing_waits() -> None:
    device, ledger = connected()
    device.tick(int(HELLO_INTERVAL_MS * 1.3))
    payloads = list(device.outgoing)

    assert [type(said(p)) for p in payloads] == [Hello]
    settle(device, ledger)
    assert device.core.link is Link.SYNCED


def test_an_idle_hello_stays_below_its_limit_on_the_wire() -> None:
    device, ledger = connected()
    for n in range(500):
        device.scan(b"%d" % n)
    settle(device, ledger)
    device.tick(80_000)

    assert len(device.outgoing[0]) <= IDLE_HELLO_BYTES


def test_a_late_ack_does_not_make_the_device_send_again() -> None:
    device, ledger = connected()
    device.scan(b"1")
    early = ledger.take("van-1", device.outgoing.pop(), 10**12)
    settle(device, ledger)
    device.hear(early[0])
    device.scan(b"2")
    settle(device, ledger)
    device.hear(early[0])
    device.tick(1)

    assert device.outgoing == []
    assert device.store.lane(Lane.CUSTODY).acked_n == 2


def _reading(n: int) -> Readings:
    return Readings(
        "van-1.probe.temperature_c", Quantity.TEMPERATURE_C, n, n, 1000, 1, pack_readings([Reading(0, n)], 1000)
    )


def _lanes_sent(device: Device, ledger: MemoryLedger) -> list[Lane]:
    """The lanes of all batches until rest, with one fact in each batch."""
    lanes = []
    while device.outgoing:
        payload = device.outgoing.pop(0)
        message = said(payload)
        if isinstance(message, Batch):
            lanes.append(message.lane)
        for reply in ledger.take("van-1", payload, 10**12, Credit(1)):
            device.hear(reply)
    return lanes


def test_custody_goes_first_and_telemetry_does_not_starve() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    for n in range(40):
        device.store.keep(_reading(n))
    for n in range(40):
        device.store.append(b"%d" % n)
    device.feed(Connected())
    lanes = _lanes_sent(device, ledger)

    assert lanes.count(Lane.CUSTODY) == lanes.count(Lane.TELEMETRY) == 40
    while_custody_waited = lanes[: len(lanes) - lanes[::-1].index(Lane.CUSTODY)]
    assert while_custody_waited[:9] == [Lane.CUSTODY] * 9
    assert 3 <= while_custody_waited.count(Lane.TELEMETRY) <= 6


def test_f029_late_and_doubled_acks_change_nothing() -> None:
    device, ledger = connected()
    device.scan(b"1")
    replies = ledger.take("van-1", device.outgoing.pop(), 10**12)
    device.scan(b"2")
    for _ in range(3):
        for reply in replies:
            device.hear(reply)
    settle(device, ledger)

    assert len(ledger.arrived) == 2
    assert device.store.lane(Lane.CUSTODY).acked_n == 2


def test_a_played_back_hello_is_no_proof_of_life() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    device.feed(Connected())
    captured = device.outgoing[0]
    settle(device, ledger)

    assert ledger.take("van-1", captured, 10**12) == []
    assert ledger.kinds() == {"stale_hello"}


def test_credit_zero_stops_sending_until_its_time_is_over() -> None:
    device, ledger = connected()
    device.scan(b"1")
    for reply in ledger.take("van-1", device.outgoing.pop(), 10**12, Credit(0, 30_000)):
        device.hear(reply)
    device.scan(b"2")
    device.tick(29_000)
    assert device.outgoing == []

    device.tick(1_001)
    assert [type(said(p)) for p in device.outgoing] == [Batch]


def test_credit_zero_holds_back_attachments_too() -> None:
    device, ledger = connected()
    photo = b"photo" * 100
    device.store.blobs[sha256(photo).digest()] = photo
    device.scan(b"1")
    for reply in ledger.take("van-1", device.outgoing.pop(), 10**12, Credit(0, 30_000)):
        device.hear(reply)
    device.tick(29_000)
    assert device.outgoing == []

    device.tick(1_001)
    assert [type(said(p)) for p in device.outgoing] == [Blob]


def test_an_answer_to_an_earlier_connection_is_ignored_while_greeting() -> None:
    device, ledger = connected()
    device.scan(b"1")
    early = ledger.take("van-1", device.outgoing.pop(), 10**12)
    device.hear(early[0])
    for n in range(3):
        device.scan(b"more %d" % n)
        settle(device, ledger)
    device.feed(Disconnected())
    device.feed(Connected())
    device.hear(early[0])
    device.feed(Received(Nack(device.store.incarnation, Lane.CUSTODY, "parent_unknown", Credit())))

    assert device.store.lane(Lane.CUSTODY).acked_n == 4
    assert [type(said(p)) for p in device.outgoing] == [Hello]


def test_a_nack_leads_to_a_hello_with_checkpoints() -> None:
    device, ledger = connected()
    for n in range(40):
        device.scan(b"%d" % n)
    settle(device, ledger)
    device.feed(Received(Nack(device.store.incarnation, Lane.CUSTODY, "parent_unknown", Credit())))
    hello = said(device.outgoing[0])

    assert isinstance(hello, Hello)
    assert [m.n for m in hello.lanes[0].checkpoints] == [39, 38, 36, 32, 24, 8]


def test_an_event_without_a_rule_is_an_error_and_changes_nothing() -> None:
    device = Device("van-1", 5)
    before = device.core.link
    with pytest.raises(IllegalTransition, match="document while offline: no rule for it, nothing was changed"):
        device.core.handle(Received(Document("route", 1, 0, 1, b"")), Now(0, 0))

    assert device.core.link is before


def test_every_happening_is_ruled_or_refused_in_every_state() -> None:
    assert set(TRANSITIONS) == set(Link)
    for link, rules in TRANSITIONS.items():
        refused = set(Happening) - set(rules)
        expected = {
            Link.OFFLINE: {
                Happening.WELCOMED,
                Happening.ACKED,
                Happening.NACKED,
                Happening.BLOB_ANSWERED,
                Happening.DOCUMENT,
            },
            Link.GREETING: {Happening.CONNECTED, Happening.ACKED, Happening.NACKED},
            Link.SYNCED: {Happening.CONNECTED},
        }[link]
        assert refused == expected
