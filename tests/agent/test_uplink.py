"""The uplink over an in-memory wire, with virtual time and the real cores of device and hub."""

from hashlib import sha256
from itertools import pairwise

import msgspec
import pytest

from agent.backoff import CAP_MS, FIRST_MS, REFUSED_MS
from agent.mqtt import Arrived, Closed
from agent.store.errors import Cause, NotKept, StoreDamaged
from agent.uplink import ANSWER_TIMEOUT_MS, EARLY_RETRY_MS
from contract.delivery.device_actions import FixClock
from contract.delivery.device_states import Link
from contract.event import Configured, Lane, Quantity, Status
from contract.fact import root_hash
from contract.messages import Ack, Batch, Credit, Document, DocumentVersion, Hello, LatestReading, Live, Mark, mark
from contract.statement import Direction, seal
from tests.agent.memory_wire import Bench, WritableStore, bench
from tests.agent.store.kit import DEVICE, EPOCH_MS
from tests.contract.delivery.memory import KEY, StoredLane

READING = LatestReading("van-1.probe.temperature_c", Quantity.TEMPERATURE_C, EPOCH_MS, 412)


def _synced() -> Bench:
    b = bench()
    b.settle()
    assert b.uplink.link is Link.SYNCED
    return b


def test_a_kept_scan_reaches_the_hub_in_the_same_turn_and_is_acknowledged() -> None:
    b = _synced()
    before_ms = b.time.elapsed_ms

    identity = b.scan(b"1")
    b.settle()

    assert b.ledger.facts[identity].core is not None
    assert b.time.elapsed_ms == before_ms
    assert b.store.memory.lane(Lane.CUSTODY).acked_n == 1
    assert b.store.sent == {Lane.CUSTODY: 1}


def test_what_was_kept_without_network_is_sent_in_order_when_it_is_there() -> None:
    b = bench()
    identities = [b.store.memory.append(b"%d" % n) for n in range(600)]
    b.settle()

    assert b.ledger.arrived == identities


def test_writes_come_before_the_sends_that_follow_from_them() -> None:
    b = _synced()
    b.scan(b"1")
    b.uplink.turn()
    b.wire.published.clear()
    b.scan(b"2")
    b.store.fail_with = NotKept(Cause.FULL, "no room")

    b.uplink.turn()

    assert [m for m in b.wire.said() if isinstance(m, Batch)] == []
    assert b.uplink.link is Link.OFFLINE


def test_a_failed_write_ends_the_connection_and_everything_arrives_after_the_next() -> None:
    b = _synced()
    b.store.fail_with = NotKept(Cause.FULL, "no room")
    identity = b.scan(b"1")
    b.run_for(2_000)
    b.settle()

    assert identity in b.ledger.facts
    assert b.store.memory.lane(Lane.CUSTODY).acked_n == 1
    assert len(b.wire.opens) == 2
    assert b.broken == []


def test_f016_a_disk_that_does_not_write_ends_the_process() -> None:
    b = _synced()
    b.store.fail_with = NotKept(Cause.BROKEN, "the disk did not take it")
    b.scan(b"1")
    b.settle()

    assert b.broken == ["the disk did not take it"]


def test_a_damaged_store_is_repaired_and_the_conversation_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    b = _synced()
    read = b.store.memory.read

    def damaged(*_: object) -> object:
        monkeypatch.setattr(b.store.memory, "read", read)
        raise StoreDamaged("a row is missing")

    monkeypatch.setattr(b.store.memory, "read", damaged)
    identity = b.scan(b"1")
    b.run_for(2_000)
    b.settle()

    assert b.store.repairs == 1
    assert identity in b.ledger.facts


class UnreadableStore(WritableStore):
    """Cannot even say its incarnation, until it is repaired."""

    unreadable = False
    repairable = True

    @property
    def incarnation(self) -> bytes:
        if self.unreadable:
            raise StoreDamaged("the row of the incarnation is missing")
        return self.memory.incarnation

    def repair(self) -> None:
        super().repair()
        if not self.repairable:
            raise NotKept(Cause.DAMAGED, "no")
        self.unreadable = False


def _unreadable(b: Bench, *, repairable: bool) -> UnreadableStore:
    b.store.__class__ = UnreadableStore
    assert isinstance(b.store, UnreadableStore)
    b.store.unreadable, b.store.repairable = True, repairable
    return b.store


def test_a_store_that_cannot_be_repaired_ends_the_process_after_one_try() -> None:
    b = _synced()
    store = _unreadable(b, repairable=False)
    b.scan(b"1")
    b.uplink.turn()

    assert store.repairs == 1
    assert len(b.broken) == 1
    assert b.uplink.link is Link.OFFLINE


def test_damage_that_shows_when_the_connection_opens_does_not_leave_it_silent() -> None:
    b = bench()
    b.uplink.turn()
    assert b.wire.opens
    store = _unreadable(b, repairable=True)
    identity = b.store.memory.append(b"1")
    b.run_for(5_000)

    assert store.repairs == 1
    assert identity in b.ledger.facts


def test_f099_retained_messages_are_ignored() -> None:
    b = _synced()
    b.hear(Document("route", 9, 0, 1, b"poison"), retained=True)
    b.settle()

    assert b.inbox.versions() == ()
    assert b.uplink.counters.retained == 1


def test_f101_a_forged_acknowledgement_is_counted_and_changes_nothing() -> None:
    b = _synced()
    b.wire.mute = True
    b.scan(b"1")
    b.uplink.turn()
    whole = b.store.memory.lane(Lane.CUSTODY).head_hash
    b.hear(Ack(b.store.memory.incarnation, Lane.CUSTODY, Mark(1, whole[:16]), Credit()), key=b"x" * 32)
    b.uplink.turn()

    assert b.uplink.counters.not_authentic == 1
    assert b.store.memory.lane(Lane.CUSTODY).acked_n == 0


def test_p7_a_statement_of_the_device_played_back_to_it_is_not_authentic() -> None:
    b = _synced()
    b.hear(Document("route", 9, 0, 1, b""), direction=Direction.UP)
    b.settle()

    assert b.uplink.counters.not_authentic == 1


@pytest.mark.parametrize(
    "payload", [b"", b"<html>portal</html>", bytes(300_000), seal(KEY, Direction.DOWN, DEVICE, b"\x90")]
)
def test_f033_bytes_that_are_no_statement_are_counted_and_dropped(payload: bytes) -> None:
    b = _synced()
    b.wire.incoming.append(Arrived(payload, retained=False))
    b.settle()

    assert b.uplink.counters.malformed == 1
    assert b.uplink.link is Link.SYNCED


def test_f025_a_silent_hub_is_left_after_three_unanswered_messages() -> None:
    b = _synced()
    b.wire.mute = True
    b.scan(b"1")
    b.run_for(600_000)

    assert len(b.wire.opens) > 1
    assert b.uplink.link is not Link.SYNCED


def test_f025_a_broker_that_never_answers_is_left() -> None:
    b = bench()
    b.wire.open = lambda: b.wire.opens.append(b.time.elapsed_ms)  # type: ignore[method-assign]  # connects to nothing
    b.run_for(2 * ANSWER_TIMEOUT_MS)

    assert len(b.wire.opens) >= 2
    assert b.wire.opens[1] - b.wire.opens[0] >= ANSWER_TIMEOUT_MS


def test_f027_a_link_that_breaks_every_three_seconds_still_moves_facts() -> None:
    b = bench()
    identities = [b.store.memory.append(b"%d" % n) for n in range(1_000)]
    for _ in range(12):
        b.settle()
        b.wire.cut()
        b.run_for(3_000)

    assert set(identities) <= set(b.ledger.facts)


def test_f022_a_batch_that_the_hub_never_saw_is_sent_again() -> None:
    b = _synced()
    b.wire.mute = True
    identity = b.scan(b"1")
    b.uplink.turn()
    assert identity not in b.ledger.facts

    b.wire.mute = False
    b.run_for(10_000)

    assert identity in b.ledger.facts


def test_refused_credentials_wait_the_longest_at_once() -> None:
    b = bench()
    b.wire.answers = [Closed("the broker refused: Not authorized", credentials=True)]
    b.uplink.appended()
    b.run_for(REFUSED_MS)

    assert b.wire.opens[1] - b.wire.opens[0] >= REFUSED_MS / 2


def test_a_capture_in_a_long_outage_tries_at_once_and_many_do_not_hammer() -> None:
    b = bench()
    b.wire.answers = [Closed("no route")] * 1000
    b.run_for(10 * CAP_MS)
    before = len(b.wire.opens)
    for n in range(40):
        b.scan(b"%d" % n)
        b.uplink.turn()
        b.uplink.turn()

    tries = b.wire.opens[before - 1 :]
    assert len(tries) > 10
    assert {later - earlier for earlier, later in pairwise(tries)} == {EARLY_RETRY_MS}


def test_a_wait_is_never_longer_than_half_of_the_outage_so_far() -> None:
    for seed in range(50):
        b = bench(seed=seed)
        b.settle()
        b.wire.answers = [Closed("connection refused")] * 100
        lost_ms = b.time.elapsed_ms
        b.wire.cut()
        b.run_for(30_000)

        tries = b.wire.opens[1:]
        assert tries[0] - lost_ms <= FIRST_MS
        assert all(later - earlier <= FIRST_MS + (earlier - lost_ms) / 2 for earlier, later in pairwise(tries))


def test_waits_grow_to_the_cap_and_begin_again_after_a_contact() -> None:
    b = bench()
    b.wire.answers = [Closed("refused")] * 30
    b.run_for(30 * CAP_MS)
    gaps = [later - earlier for earlier, later in pairwise(b.wire.opens)]
    assert gaps[0] <= FIRST_MS
    assert max(gaps) <= CAP_MS
    assert b.uplink.link is Link.SYNCED

    opens = len(b.wire.opens)
    cut_ms = b.time.elapsed_ms
    b.wire.cut()
    b.settle()
    b.settle()
    assert b.wire.opens[opens] - cut_ms <= FIRST_MS


def test_f028_a_fleet_does_not_come_back_in_step() -> None:
    first_tries = set()
    for seed in range(50):
        b = bench(seed=seed)
        b.wire.answers = [Closed("refused")] * 6
        b.run_for(20_000)
        first_tries.add(b.wire.opens[5])

    assert len(first_tries) > 45


def test_one_outage_is_one_warning(capsys: pytest.CaptureFixture[str]) -> None:
    b = bench()
    b.wire.answers = [Closed("connection refused")] * 5
    b.run_for(60_000)

    lines = capsys.readouterr().err.splitlines()
    assert sum("level=warning" in line for line in lines) == 1
    assert sum("event=in_contact" in line for line in lines) == 1


def test_the_hubs_clock_is_handed_to_the_store_with_half_the_round_trip() -> None:
    b = _synced()

    (fix,) = [action for action in b.store.applied if isinstance(action, FixClock)]
    assert fix == FixClock(mono_ms=1_000, hub_ms=EPOCH_MS + 6_000, uncertainty_ms=0)


def test_latest_values_go_out_once_each_and_in_contact_only() -> None:
    latest = [READING]
    b = bench(latest)
    b.settle()
    b.wire.said()
    b.run_for(20_000)
    assert [m for m in b.wire.said() if isinstance(m, Live)] == [Live((READING,))]

    latest[0] = msgspec.structs.replace(READING, at_ms=EPOCH_MS + 10_000)
    b.run_for(20_000)
    assert [m for m in b.wire.said() if isinstance(m, Live)] == [Live(tuple(latest))]

    b.wire.answers = [Closed("refused")] * 100
    b.wire.cut()
    b.run_for(20_000)
    assert b.wire.said() == []


def test_a_document_in_parts_is_stored_and_stated() -> None:
    b = _synced()
    b.hear(Document("route", 3, 1, 2, b"lower"))
    b.settle()
    assert b.inbox.get("route") is None

    b.hear(Document("route", 3, 0, 2, b"upper "))
    b.settle()

    stored = b.inbox.get("route")
    assert stored is not None
    assert (stored.version, stored.data) == (3, b"upper lower")
    assert b.store.stated == [Status(Configured("route", 3))]
    assert b.store.memory.lane(Lane.CUSTODY).acked_n == 1


def test_a_document_without_room_for_it_does_not_stop_the_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    b = _synced()

    def full(*_: object) -> None:
        raise NotKept(Cause.FULL, "no room")

    monkeypatch.setattr(b.inbox, "take", full)
    b.hear(Document("route", 3, 0, 1, b"new"))
    identity = b.scan(b"1")
    b.settle()

    assert identity in b.ledger.facts
    assert len(b.wire.opens) == 1


def test_a_document_that_had_no_room_to_be_stated_is_not_stored_until_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    b = _synced()

    def full(*_: object, **__: object) -> None:
        raise NotKept(Cause.FULL, "no room")

    with monkeypatch.context() as patch:
        patch.setattr(b.store, "append", full)
        b.hear(Document("route", 3, 0, 1, b"new"))
        b.settle()
    assert b.inbox.versions() == ()
    assert b.inbox.get("route") is None

    b.hear(Document("route", 3, 0, 1, b"new"))
    b.settle()

    assert b.inbox.versions() == (DocumentVersion("route", 3),)
    assert b.store.stated == [Status(Configured("route", 3))]


def test_a_hello_is_said_although_nothing_waits() -> None:
    b = _synced()
    b.wire.said()
    b.run_for(200_000)

    assert sum(isinstance(m, Hello) for m in b.wire.said()) in (2, 3, 4)


def test_p6_another_speaker_under_this_incarnation_starts_a_new_one_and_everything_arrives() -> None:
    b = bench()
    twin = bench()
    twin.ledger = b.ledger
    twin.wire.hub = lambda payload: b.ledger.take(DEVICE, payload, now_ms=twin.time.wall_ms())
    assert twin.store.memory.incarnation == b.store.memory.incarnation
    twin.time.elapsed_ms += 50
    twin.store.memory.boot = b"other boot......"
    twin.store.memory.random.seed(99)
    ours = b.store.memory.append(b"ours")
    b.settle()
    theirs = twin.store.memory.append(b"theirs")
    twin.settle()

    assert twin.store.memory.reincarnations != []
    assert {ours, theirs} <= set(b.ledger.facts)


def test_a_welcome_that_cannot_be_followed_is_tried_again_ever_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    b = bench()
    b.store.memory.append(b"1")
    b.settle()
    # Set back to before the fact that the hub has.
    b.store.memory.lanes[Lane.CUSTODY] = StoredLane(0, root_hash(DEVICE, b.store.memory.incarnation, Lane.CUSTODY))

    def full(_reason: str) -> None:
        raise NotKept(Cause.FULL, "no room")

    monkeypatch.setattr(b.store, "reincarnate", full)
    b.wire.cut()
    b.run_for(600_000)

    assert b.uplink.link is not Link.SYNCED
    assert 10 < len(b.wire.opens) < 90


def test_changes_of_the_link_are_told_with_the_time_of_the_last_contact() -> None:
    b = _synced()
    b.uplink.hang_up()

    assert [link for link, _ in b.links] == ["greeting", "synced", "offline"]
    assert b.links[-1] == ("offline", EPOCH_MS + 1_000)


def test_an_acknowledgement_is_contact_and_a_repeated_one_is_none() -> None:
    b = _synced()
    told, synced_ms = list(b.links), b.uplink.last_contact_at_ms
    assert synced_ms is not None
    b.time.elapsed_ms += 100
    b.scan(b"1")
    b.settle()
    assert b.uplink.last_contact_at_ms == synced_ms + 100

    b.time.elapsed_ms += 100
    prefix = mark(1, b.store.memory.lane(Lane.CUSTODY).head_hash)
    b.hear(Ack(b.store.memory.incarnation, Lane.CUSTODY, prefix, Credit()))
    b.uplink.turn()

    assert b.uplink.last_contact_at_ms == synced_ms + 100
    assert b.links == told


def test_a_picture_that_the_hub_has_whole_is_contact() -> None:
    b = _synced()
    synced_ms = b.uplink.last_contact_at_ms
    assert synced_ms is not None
    b.time.elapsed_ms += 100
    b.store.memory.blobs[sha256(b"a photo").digest()] = b"a photo"
    b.uplink.appended()
    b.settle()

    assert b.uplink.last_contact_at_ms == synced_ms + 100


def test_messages_behind_the_end_of_a_connection_are_ignored() -> None:
    b = _synced()
    b.wire.cut()
    b.hear(Document("route", 1, 0, 1, b""))
    b.uplink.turn()

    assert b.uplink.link is Link.OFFLINE
    assert b.inbox.versions() == ()


def test_an_incarnation_that_a_repair_began_starts_the_conversation_over() -> None:
    b = _synced()
    b.scan(b"1")
    b.settle()
    b.store.reincarnate("salvaged")
    identity = b.scan(b"2")
    b.settle()

    assert b.uplink.link is Link.SYNCED
    assert identity in b.ledger.facts
    assert len(b.wire.opens) == 1
