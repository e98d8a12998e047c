"""The shipped protocol cores of device and hub against each other, in memory."""

import copy
import random
from hashlib import sha256

import pytest

from contract.columns import Reading, pack_readings
from contract.delivery.device_states import (
    TRANSITIONS,
    Appended,
    Connected,
    Disconnected,
    Happening,
    Link,
    Now,
    Received,
)
from contract.errors import IllegalTransition
from contract.event import Lane, Quantity, Readings
from contract.fact import fact_id
from contract.limits import HELLO_INTERVAL_MS, IDLE_HELLO_BYTES
from contract.messages import Ack, Batch, Credit, Document, Hello, Mark, Nack, Welcome, decode_up
from contract.statement import Direction, unseal
from tests.contract.delivery.memory import KEY, Device, MemoryLedger, MemoryStore, settle


def _connected(seed: int = 1) -> tuple[Device, MemoryLedger]:
    device, ledger = Device("van-1", seed), MemoryLedger()
    device.feed(Connected())
    settle(device, ledger)
    return device, ledger


def _said(payload: bytes) -> object:
    return decode_up(unseal(KEY, Direction.UP, "van-1", payload))


def _all_at_hub(device: Device, ledger: MemoryLedger) -> bool:
    return {i for i, row in ledger.facts.items() if row.core is not None} >= set(device.store.contents)


def test_p3_every_fact_arrives_once_and_in_order_over_a_perfect_wire() -> None:
    device, ledger = _connected()
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
    device, ledger = _connected()
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
    device, ledger = _connected()
    made = device.scan(b"1")
    lost = device.outgoing.pop()
    device.tick(5_000)
    again = device.outgoing.pop()

    assert lost == again
    ledger.take("van-1", again, 10**12)
    assert ledger.arrived == [made]


def test_f023_a_batch_delivered_ten_times_is_one_row_each() -> None:
    device, ledger = _connected()
    made = device.scan(b"1")
    payload = device.outgoing.pop()
    for _ in range(10):
        ledger.take("van-1", payload, 10**12)

    assert ledger.arrived == [made]
    assert ledger.incidents == {}


def test_f024_a_batch_whose_predecessor_is_unknown_is_refused_and_converges_by_hello() -> None:
    device, ledger = _connected()
    first, second = device.scan(b"1"), None
    lost = device.outgoing.pop()
    device.core._lanes[Lane.CUSTODY].settle()  # the device believes, wrongly, that the first one came
    device.core._lanes[Lane.CUSTODY].acked_n = 1
    second = device.scan(b"2")
    settle(device, ledger)

    assert lost
    assert ledger.arrived == [first, second]


def test_three_unanswered_timers_force_a_reconnect() -> None:
    device, _ = _connected()
    device.scan(b"1")
    for _ in range(3):
        device.tick(400_000)

    assert device.reconnects == 1


def test_a_hello_goes_out_every_minute_even_when_nothing_waits() -> None:
    device, ledger = _connected()
    device.tick(int(HELLO_INTERVAL_MS * 1.3))
    payloads = list(device.outgoing)

    assert [type(_said(p)) for p in payloads] == [Hello]
    settle(device, ledger)
    assert device.core.link is Link.SYNCED


def test_an_idle_hello_stays_below_its_limit_on_the_wire() -> None:
    device, ledger = _connected()
    for n in range(500):
        device.scan(b"%d" % n)
    settle(device, ledger)
    device.tick(80_000)

    assert len(device.outgoing[0]) <= IDLE_HELLO_BYTES


def test_p7_release_needs_the_hubs_word_about_the_very_content() -> None:
    device, ledger = _connected()
    made = [device.scan(b"%d" % n) for n in range(5)]
    settle(device, ledger)
    device.store.releasable = True
    device.tick(80_000)
    settle(device, ledger)
    assert set(device.store.contents) == set(made), "acknowledged is not yet safe"

    ledger.safe = {made[0], made[1]}
    device.tick(80_000)
    settle(device, ledger)
    assert set(device.store.contents) == set(made[2:])


def test_p7_an_answer_that_says_have_or_names_no_whole_identity_frees_nothing() -> None:
    device, ledger = _connected()
    made = device.scan(b"1")
    settle(device, ledger)
    device.store.releasable = True
    for answer, safe in ((b"h", (made,)), (b"s", ()), (b"s", (b"x" * 32,)), (b"m", (made,))):
        device.tick(80_000)
        hello = _said(device.outgoing.pop())
        assert isinstance(hello, Hello)
        assert hello.audit == (made[:8],)
        device.outgoing.clear()
        device.feed(Received(_welcome(hello.nonce, audit=answer, safe=safe)))
        assert made in device.store.contents, answer


def test_d6_a_welcome_to_an_earlier_hello_changes_nothing() -> None:
    device, ledger = _connected()
    made = device.scan(b"1")
    settle(device, ledger)
    device.store.releasable = True
    device.tick(80_000)
    device.feed(Received(_welcome(b"o" * 16, audit=b"s", safe=(made,))))

    assert made in device.store.contents
    assert device.store.lane(Lane.CUSTODY).acked_n == 1


def _welcome(nonce: bytes, *, audit: bytes, safe: tuple[bytes, ...]) -> Welcome:
    return Welcome(nonce, (), False, audit, b"", safe, (), (), 10**12, Credit())


def test_a_late_ack_does_not_make_the_device_send_again() -> None:
    device, ledger = _connected()
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
        said = _said(payload)
        if isinstance(said, Batch):
            lanes.append(said.lane)
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


def test_f061_a_fact_in_the_wrong_lane_is_quarantined() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    identity = device.store.append(b"1")
    device.store._begin()
    device.store._chain(Lane.TELEMETRY, identity)
    device.feed(Connected())
    settle(device, ledger)

    assert "wrong_lane" in (ledger.facts[identity].problem or "")


def test_an_attachment_arrives_in_chunks_and_counts_as_stored_only_when_whole() -> None:
    device, ledger = _connected()
    photo = random.Random(3).randbytes(100_000)
    device.store.blobs[sha256(photo).digest()] = photo
    device.feed(Appended())
    for _ in range(3):
        for reply in ledger.take("van-1", device.outgoing.pop(0), 10**12):
            device.hear(reply)
        assert device.store.blobs_stored == {}
    settle(device, ledger)

    assert bytes(ledger.blobs[sha256(photo).digest()]) == photo
    assert device.store.blobs_stored == {sha256(photo).digest(): True}


def test_f050_an_attachment_that_a_restored_hub_lacks_is_sent_again() -> None:
    device, ledger = _connected()
    photo = random.Random(3).randbytes(50_000)
    device.store.blobs[sha256(photo).digest()] = photo
    device.feed(Appended())
    settle(device, ledger)
    ledger.blobs.clear()
    device.tick(80_000)
    settle(device, ledger)

    assert bytes(ledger.blobs[sha256(photo).digest()]) == photo


def test_f029_late_and_doubled_acks_change_nothing() -> None:
    device, ledger = _connected()
    device.scan(b"1")
    replies = ledger.take("van-1", device.outgoing.pop(), 10**12)
    device.scan(b"2")
    for _ in range(3):
        for reply in replies:
            device.hear(reply)
    settle(device, ledger)

    assert len(ledger.arrived) == 2
    assert device.store.lane(Lane.CUSTODY).acked_n == 2


def test_p6_f048_a_restored_hub_gets_everything_again_and_says_that_it_was_restored() -> None:
    device, ledger = _connected()
    made = [device.scan(b"%d" % n) for n in range(20)]
    settle(device, ledger)
    backup = copy.deepcopy(ledger)
    made += [device.scan(b"later %d" % n) for n in range(20)]
    settle(device, ledger)

    device.tick(80_000)
    settle(device, backup)

    assert backup.arrived == made
    assert backup.kinds() == {"hub_regressed"}


def test_f030_a_stale_ack_after_a_hub_restore_lets_nothing_go() -> None:
    device, ledger = _connected()
    backup = copy.deepcopy(ledger)
    made = device.scan(b"1")
    stale = ledger.take("van-1", device.outgoing.pop(), 10**12)
    for reply in stale:
        device.hear(reply)
    assert made in device.store.contents

    device.tick(80_000)
    settle(device, backup)
    assert backup.arrived == [made]


def test_p4_a_released_prefix_that_a_restored_hub_lacks_becomes_a_gap_with_its_cause() -> None:
    device, ledger = _connected()
    backup = copy.deepcopy(ledger)
    made = [device.scan(b"%d" % n) for n in range(10)]
    settle(device, ledger)
    device.store.releasable = True
    ledger.safe = set(made[:6])
    device.tick(80_000)
    settle(device, ledger)
    device.store.trim()

    device.tick(80_000)
    settle(device, backup)

    assert [(g.first_n, g.last_n, g.cause) for g in backup.gaps] == [(1, 6, "released")]
    assert backup.arrived == made[6:]
    assert backup.kinds() >= {"gap", "hub_regressed"}


def test_p6_f054_two_clones_that_both_scan_are_both_kept_and_shown_as_a_fork() -> None:
    device, ledger = _connected()
    device.scan(b"common")
    settle(device, ledger)
    clone = Device("van-1", 99, copy.deepcopy(device.store))
    clone.store.boot = b"c" * 16
    ours = [device.scan(b"ours %d" % n) for n in range(3)]
    theirs = [clone.store.append(b"theirs %d" % n) for n in range(4)]

    settle(device, ledger)
    clone.feed(Connected())
    settle(clone, ledger)
    device.tick(80_000)
    settle(device, ledger)

    assert set(ledger.facts) >= {*ours, *theirs}
    assert clone.store.reincarnations
    assert device.store.incarnation != clone.store.incarnation
    assert sorted(ledger.arrived) == sorted(set(ledger.arrived)), "each fact once"


def test_p6_a_clone_that_speaks_under_the_same_incarnation_opens_a_fork_incident() -> None:
    device, ledger = _connected()
    clone = Device("van-1", 99, copy.deepcopy(device.store))
    clone.store.boot = b"c" * 16
    clone.feed(Connected())
    settle(clone, ledger)
    ours, theirs = device.scan(b"ours"), clone.scan(b"theirs")
    settle(device, ledger)
    settle(clone, ledger)

    assert {ours, theirs} <= set(ledger.facts)
    assert "fork" in ledger.kinds()
    for one in (device, clone):
        one.tick(80_000)
        settle(one, ledger)
    assert device.store.incarnation != clone.store.incarnation


def test_p6_f053_a_device_restored_from_an_image_begins_a_new_incarnation() -> None:
    device, ledger = _connected()
    image = copy.deepcopy(device.store)
    lost = [device.scan(b"%d" % n) for n in range(5)]
    settle(device, ledger)

    restored = Device("van-1", 7, image)
    restored.store.boot = b"r" * 16
    restored.feed(Connected())
    settle(restored, ledger)
    new = restored.scan(b"new")
    settle(restored, ledger)

    assert restored.store.reincarnations == ["restored"]
    assert ledger.arrived == [*lost, new]
    assert "device_regressed" in ledger.kinds()


def test_f057_an_ack_for_another_clones_prefix_is_ignored() -> None:
    device, _ = _connected()
    device.scan(b"1")
    foreign = Ack(device.store.incarnation, Lane.CUSTODY, Mark(1, b"x" * 16), Credit())
    device.feed(Received(foreign))

    assert device.store.lane(Lane.CUSTODY).acked_n == 0


def test_f013_content_that_does_not_hash_to_its_identity_is_a_tombstone_and_blocks_nothing() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    made = [device.store.append(b"%d" % n) for n in range(3)]
    core = device.store.contents[made[1]]
    device.store.contents[made[1]] = core[:-1] + bytes([core[-1] ^ 1])
    device.feed(Connected())
    settle(device, ledger)

    assert ledger.arrived == [made[0], made[2]]
    assert ledger.facts[made[1]].cause == "corrupt"
    assert ledger.kinds() == {"content_lost"}


def test_content_that_comes_later_takes_the_place_of_its_tombstone() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    made = device.store.append(b"1")
    core = device.store.contents.pop(made)
    device.store.lanes[Lane.CUSTODY].positions[0].cause = "db_lost"
    device.feed(Connected())
    settle(device, ledger)
    assert ledger.facts[made].core is None

    device.store.contents[made] = core
    device.tick(80_000)
    settle(device, ledger)
    assert ledger.facts[made].core == core


def test_p5_f061_a_fact_that_cannot_be_read_is_quarantined_and_the_others_flow_on() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    store = device.store
    first = store.append(b"1")
    poison = b"\xc1 not msgpack"
    store.contents[fact_id(poison)] = poison
    store._chain(Lane.CUSTODY, fact_id(poison))
    last = store.append(b"2")
    device.feed(Connected())
    settle(device, ledger)

    assert ledger.facts[first].problem is None
    assert ledger.facts[last].problem is None
    assert ledger.facts[fact_id(poison)].problem is not None
    assert store.lane(Lane.CUSTODY).acked_n == 3


def test_f071_a_core_of_another_device_is_quarantined() -> None:
    other = MemoryStore("van-2", 1)
    identity = other.append(b"1")
    device, ledger = Device("van-1", 5), MemoryLedger()
    device.store.contents[identity] = other.contents[identity]
    device.store._chain(Lane.CUSTODY, identity)
    device.feed(Connected())
    settle(device, ledger)

    assert "foreign_origin" in (ledger.facts[identity].problem or "")


def test_f015_a_lost_database_shows_as_a_gap_from_what_was_announced() -> None:
    device, ledger = _connected()
    device.scan(b"1")
    settle(device, ledger)
    device.scan(b"2")
    device.outgoing.clear()
    device.tick(80_000)
    for payload in device.outgoing:
        if isinstance(_said(payload), Hello):
            ledger.take("van-1", payload, 10**12)

    anew = Device("van-1", 77)
    anew.feed(Connected())
    settle(anew, ledger)

    assert ledger.kinds() == {"gap"}
    assert "positions 2 to 2" in next(iter(ledger.incidents.values())).detail


def test_a_played_back_hello_is_no_proof_of_life() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    device.feed(Connected())
    captured = device.outgoing[0]
    settle(device, ledger)

    assert ledger.take("van-1", captured, 10**12) == []
    assert ledger.kinds() == {"stale_hello"}


def test_credit_zero_stops_sending_until_its_time_is_over() -> None:
    device, ledger = _connected()
    device.scan(b"1")
    for reply in ledger.take("van-1", device.outgoing.pop(), 10**12, Credit(0, 30_000)):
        device.hear(reply)
    device.scan(b"2")
    device.tick(29_000)
    assert device.outgoing == []

    device.tick(1_001)
    assert [type(_said(p)) for p in device.outgoing] == [Batch]


def test_a_nack_leads_to_a_hello_with_checkpoints() -> None:
    device, ledger = _connected()
    for n in range(40):
        device.scan(b"%d" % n)
    settle(device, ledger)
    device.feed(Received(Nack(device.store.incarnation, Lane.CUSTODY, "parent_unknown", Credit())))
    hello = _said(device.outgoing[0])

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
            Link.GREETING: {Happening.CONNECTED},
            Link.SYNCED: {Happening.CONNECTED},
        }[link]
        assert refused == expected
