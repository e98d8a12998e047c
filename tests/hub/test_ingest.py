import copy
import hmac
import random
import shutil
import zlib
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import event

from contract.delivery.device_states import Connected, Disconnected
from contract.errors import NotAuthentic
from contract.event import Lane, Quantity
from contract.fact import fact_id, root_hash
from contract.items import Tombstone
from contract.messages import (
    Ack,
    Batch,
    Blob,
    BlobState,
    Fill,
    LatestReading,
    Live,
    Welcome,
    decode_up,
)
from contract.statement import DEFLATED, Direction, seal, unseal
from contract.topics import up_topic
from hub import tables as t
from hub.administration import Administration
from hub.enrolment import revoke
from hub.errors import CommitFailed
from hub.ingest import GROUP_HELLOS
from hub.intake import Incoming
from hub.projector import Change
from hub.requests import ListQuarantine, ReplayQuarantine
from hub.verify import verify_ledger
from tests.contract.delivery.memory import KEY, Device
from tests.hub.desk import NOW_MS, Desk, connected, open_desk


def _batch(device: Device, payload: bytes) -> Batch:
    message = decode_up(unseal(KEY, Direction.UP, device.name, payload))
    assert isinstance(message, Batch)
    return message


def _sound(desk: Desk) -> bool:
    with desk.centre.db.read() as tx:
        return verify_ledger(tx).wrong == ()


def test_p3_every_fact_of_two_devices_is_one_row_and_is_folded_once(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        one, two = connected(desk, "van-1", 1), connected(desk, "van-2", 2)
        made = []
        for n in range(300):
            made += [one.scan(b"a%d" % n), two.scan(b"b%d" % n)]
        desk.settle(one, two)

        assert sorted(desk.facts()) == sorted(made)
        assert desk.seen() == dict.fromkeys(made, 1)
        assert desk.incidents() == set()
        assert _sound(desk)


@pytest.mark.parametrize("seed", range(6))
def test_p3_f023_f024_f029_a_wire_that_loses_doubles_and_reorders_changes_nothing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with open_desk(tmp_path) as desk:
        device = connected(desk, seed=seed)
        made = [device.store.append(b"%d" % n) for n in range(40)]
        up: list[bytes] = []
        for _ in range(3000):
            device.tick(500)
            if rng.random() < 0.3 and len(made) < 200:
                made.append(device.scan(b"%d" % len(made)))
            for payload in device.outgoing:
                up += [payload] * rng.choice((0, 1, 1, 1, 2))
            device.outgoing.clear()
            rng.shuffle(up)
            group = [Incoming(up_topic("van-1"), up.pop()) for _ in range(min(len(up), rng.randrange(4)))]
            desk.ingest.process(group)
            down = [p for _, p in desk.sent for _ in range(rng.choice((0, 1, 1, 2)))]
            desk.sent.clear()
            rng.shuffle(down)
            for payload in down:
                device.hear(payload)
            if rng.random() < 0.01:
                device.feed(Disconnected())
                device.feed(Connected())
            if len(made) == 200 and len(desk.facts()) == 200:
                break

        assert sorted(desk.facts()) == sorted(made)
        assert desk.seen() == dict.fromkeys(made, 1)
        assert _sound(desk)


def test_f072_a_replayed_batch_is_acknowledged_again_and_changes_no_row(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        payload = device.outgoing.pop()
        desk.hear("van-1", payload)
        before = desk.rows(t.fact), desk.rows(t.position)
        replies = desk.hear("van-1", payload, payload)

        assert [type(r) for r in replies] == [Ack, Ack]
        assert (desk.rows(t.fact), desk.rows(t.position)) == before


def test_f102_a_forged_statement_is_dropped_counted_and_told(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        payload = device.outgoing.pop()
        forged = payload[:5] + bytes([payload[5] ^ 1]) + payload[6:]
        foreign = seal(b"x" * 32, Direction.UP, "van-1", b"anything")

        assert desk.hear("van-1", *[forged, foreign] * 50) == []
        assert desk.facts() == []
        rows = [(r["kind"], r["device"], r["count"]) for r in desk.rows(t.incident)]
        assert rows == [("not_authentic", "van-1", 100)]


def test_a_statement_is_good_for_its_own_device_only(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk, "van-2")
        device = connected(desk, "van-1")
        device.scan(b"1")
        desk.hear("van-2", device.outgoing.pop())

        assert desk.facts() == []
        assert desk.incidents() == {"not_authentic"}


def test_f099_a_message_with_the_retain_flag_is_ignored(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        desk.ingest.process([Incoming(up_topic("van-1"), device.outgoing[0], retain=True)])

        assert (desk.facts(), desk.incidents()) == ([], set())


def test_f060_a_revoked_device_is_not_answered_and_what_it_says_is_kept_aside(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        payload = device.outgoing.pop()
        with desk.centre.db.write() as tx:
            revoke(tx, "van-1", NOW_MS)
            desk.centre.registry.reload(tx)

        assert desk.hear("van-1", payload) == []
        assert desk.facts() == []
        assert [(r["kind"], r["raw"]) for r in desk.rows(t.quarantine)] == [("statement", payload)]
        assert desk.incidents() == {"quarantine"}


def test_p5_f061_f070_an_unreadable_fact_is_kept_acknowledged_and_delays_nobody(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        good = [device.scan(b"1")]
        first = _batch(device, device.outgoing.pop())
        bad = b"\x93\x01\x02\x03"
        spoilt = Batch(first.incarnation, first.lane, 1, first.previous, (*first.items, bad, bad))
        (reply,) = desk.say("van-1", spoilt)

        assert isinstance(reply, Ack)
        assert reply.mark.n == 3
        assert desk.facts() == [*good, fact_id(bad)]
        assert desk.seen() == {good[0]: 1}
        assert [(r["kind"], r["fact_id"], r["state"]) for r in desk.rows(t.quarantine)] == [
            ("fact", fact_id(bad), "held")
        ]
        desk.say("van-1", spoilt)
        assert len(desk.rows(t.quarantine)) == 1
        assert _sound(desk)


def test_f071_a_fact_of_another_device_is_kept_and_never_folded(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        thief, victim = connected(desk, "van-1", 1), Device("van-2", 2)
        stolen = victim.store.append(b"1")
        core = victim.store.cores[stolen]
        thief.scan(b"2")
        own = _batch(thief, thief.outgoing.pop())
        desk.say("van-1", Batch(own.incarnation, own.lane, 1, own.previous, (core,)))

        assert desk.facts() == [stolen]
        assert desk.seen() == {}
        assert "foreign_origin" in str(desk.rows(t.quarantine)[0]["why"])


@pytest.mark.parametrize("said_first", ["content", "tombstone"])
def test_p3_a_fact_that_another_device_was_first_to_send_is_folded_and_released_all_the_same(
    tmp_path: Path, said_first: str
) -> None:
    with open_desk(tmp_path) as desk:
        other, device = connected(desk, "van-2", 2), connected(desk, "van-1", 1)
        made = device.store.append(b"1")
        core = device.store.cores[made]
        if said_first == "content":
            desk.say("van-2", Fill((core,)))
        else:
            root = root_hash("van-2", other.store.incarnation, Lane.CUSTODY)[:16]
            desk.say("van-2", Batch(other.store.incarnation, Lane.CUSTODY, 1, root, (Tombstone(made, "corrupt"),)))
        assert desk.seen() == {}
        device.scan(b"2")
        desk.settle(device, other)

        assert desk.seen()[made] == 1
        assert {r["device"] for r in desk.rows(t.fact)} == {"van-1"}
        administration = Administration(desk.centre)
        for held in administration.answer(ListQuarantine()):
            assert administration.answer(ReplayQuarantine(held["id"]))
        assert desk.seen()[made] == 1


def test_f063_an_authentic_statement_that_says_nothing_known_is_kept_up_to_a_bound(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        nonsense = [seal(KEY, Direction.UP, "van-1", b"nonsense%d" % n) for n in range(150)]
        made = device.scan(b"1")
        desk.hear("van-1", *nonsense, device.outgoing.pop())

        assert desk.facts() == [made]
        assert len(desk.rows(t.quarantine)) == 100
        assert [r["count"] for r in desk.rows(t.incident)] == [150]


def test_f064_f065_a_deflate_bomb_is_refused_and_counted(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        deflater = zlib.compressobj(9, wbits=-15)
        body = deflater.compress(bytes(50_000_000)) + deflater.flush()
        # A bomb needs the key, for the MAC is checked first: made as a broken device would.
        head = b"hf1.up" + bytes([5]) + b"van-1" + bytes([DEFLATED])
        bomb = bytes([DEFLATED]) + hmac.new(KEY, head + body, sha256).digest()[:16] + body
        desk.hear("van-1", bomb, bytes(300_000))

        assert {(r["kind"], r["count"]) for r in desk.rows(t.incident)} == {("malformed", 2)}


def test_f054_two_clones_scan_offline_and_both_sets_are_kept(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        clone = Device("van-1", 77, copy.deepcopy(device.store))
        clone.store.random.seed(77)
        clone.store.boot = b"c" * 16
        clone.feed(Connected())
        desk.settle(clone)
        made = [device.scan(b"one"), clone.scan(b"two")]
        desk.settle(device)
        desk.settle(clone)
        for one in (device, clone):
            one.mono_ms += 1000
            one.feed(Disconnected())
            one.feed(Connected())
            desk.settle(one)

        assert set(made) <= set(desk.facts())
        assert "fork" in desk.incidents()
        assert all(times == 1 for times in desk.seen().values())
        assert _sound(desk)


def test_p6_f048_f030_a_hub_set_back_by_plain_copy_is_complete_again_and_says_so(tmp_path: Path) -> None:
    old, now = tmp_path / "old", tmp_path / "now"
    with open_desk(now) as desk:
        device = connected(desk)
        made = [device.scan(b"%d" % n) for n in range(50)]
        desk.settle(device)
    shutil.copytree(now, old)
    with open_desk(now) as desk:
        made += [device.scan(b"x%d" % n) for n in range(50)]
        desk.settle(device)
        assert len(desk.facts()) == 100
    with open_desk(old) as desk:
        assert len(desk.facts()) == 50
        device.feed(Disconnected())
        device.feed(Connected())
        desk.settle(device)

        assert sorted(desk.facts()) == sorted(made)
        assert "hub_regressed" in desk.incidents()
        assert desk.seen() == dict.fromkeys(made, 1)
        assert _sound(desk)


def test_f035_f042_a_commit_that_fails_ends_ingest_and_nothing_is_acknowledged(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        # A deferred foreign key fails at COMMIT itself, as a broken disk would.
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql("CREATE TABLE p (id INTEGER PRIMARY KEY)")
            tx.exec_driver_sql("CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)")
            tx.exec_driver_sql("CREATE TRIGGER broken AFTER INSERT ON fact BEGIN INSERT INTO c VALUES (1); END")
        with pytest.raises(CommitFailed):
            desk.hear("van-1", device.outgoing[0])
        assert desk.sent == []
        with pytest.raises(CommitFailed):
            desk.hear("van-1", device.outgoing[0])


def test_p5_a_message_that_the_database_refuses_costs_the_others_nothing(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        one, two = connected(desk, "van-1", 1), connected(desk, "van-2", 2)
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql(
                "CREATE TRIGGER broken BEFORE INSERT ON fact WHEN NEW.device = 'van-1' "
                "BEGIN SELECT RAISE(ABORT, 'no such luck'); END"
            )
        one.scan(b"1")
        made = two.scan(b"2")
        bad, good = one.outgoing.pop(), two.outgoing.pop()
        desk.ingest.process([Incoming(up_topic("van-1"), bad), Incoming(up_topic("van-2"), good)])

        assert desk.facts() == [made]
        assert [d for d, _ in desk.sent] == ["van-2"]
        assert [(r["device"], r["raw"]) for r in desk.rows(t.quarantine)] == [("van-1", bad)]
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql("DROP TRIGGER broken")
        assert len(desk.hear("van-1", bad)) == 1
        assert len(desk.facts()) == 2
        assert _sound(desk)


def test_f028_hellos_of_a_whole_fleet_are_answered_in_portions(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        names = [f"van-{n}" for n in range(GROUP_HELLOS + 50)]
        desk.enrol(*names)
        devices = [Device(name, n) for n, name in enumerate(names)]
        for device in devices:
            device.feed(Connected())
        hellos = [Incoming(up_topic(d.name), d.outgoing[0]) for d in devices]
        desk.ingest.process([*hellos, *hellos])
        assert len(desk.sent) == GROUP_HELLOS
        assert desk.ingest.queued == 50
        desk.ingest.process([])
        assert {d for d, _ in desk.sent} == set(names)


def test_a_hello_is_answered_once_and_a_played_back_one_never(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        desk.enrol("van-1")
        device = Device("van-1", 1)
        device.feed(Connected())
        (welcome,) = desk.hear("van-1", device.outgoing[0])

        assert isinstance(welcome, Welcome)
        assert desk.hear("van-1", device.outgoing[0]) == []
        assert desk.incidents() == {"stale_hello"}


def test_live_values_alone_begin_no_transaction(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk, "van-1", 1)
        begun: list[object] = []
        for engine in (desk.centre.db.engine, desk.centre.db.readers):
            event.listen(engine, "begin", begun.append)
        reading = LatestReading("van-1.fridge.air", Quantity.TEMPERATURE_C, NOW_MS, 412)
        desk.say("van-1", Live((reading,)))

    assert desk.live[-1] == ("van-1", (reading,))
    assert begun == []


def test_live_values_and_changes_reach_the_displays(tmp_path: Path) -> None:
    reading = LatestReading("van-1.probe.temperature_c", Quantity.TEMPERATURE_C, 5, 412)
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        assert desk.changes == [Change("device", "van-1")]
        desk.say("van-1", Live((reading,)))
        made = device.scan(b"1")
        desk.settle(device)

        assert desk.live == [("van-1", (reading,))]
        assert desk.changes[1:] == [
            Change("contact", "van-1"),
            Change("contact", "van-1"),
            Change("parcel", made.hex()),
        ]


def test_acks_wait_for_their_commit_and_carry_the_credit_of_the_moment(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        for _ in range(10_000):
            desk.ingest.offer(Incoming("hf1/up/00/nobody", b""))
        (ack,) = desk.hear("van-1", device.outgoing.pop())

        assert isinstance(ack, Ack)
        assert (ack.credit.facts, ack.credit.retry_after_ms > 0) == (0, True)


def test_lanes_are_kept_apart(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        desk.settle(device)

        assert [r["lane"] for r in desk.rows(t.stream)] == ["custody", "telemetry"]
        assert [(r["stream_id"], r["n"]) for r in desk.rows(t.branch)] == [(1, 1)]
        assert device.store.lane(Lane.CUSTODY).acked_n == 1


def test_an_attachment_is_asked_for_until_it_is_whole(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(100_000)
    digest = sha256(data).digest()
    with open_desk(tmp_path) as desk:
        connected(desk)
        (state,) = desk.say("van-1", Blob(digest, len(data), 0, b"", sha256(b"").digest()))

        assert state == BlobState(digest, ((0, 100_000),))


def test_an_answer_is_for_its_own_device(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.scan(b"1")
        desk.ingest.process([Incoming(up_topic("van-1"), device.outgoing.pop())])
        ((name, payload),) = desk.sent
        assert name == "van-1"
        with pytest.raises(NotAuthentic):
            unseal(KEY, Direction.DOWN, "van-2", payload)


def test_storage_trouble_while_folding_loses_no_fact(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        made = device.scan(b"1")
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql("ALTER TABLE test_seen RENAME TO gone")
        desk.hear("van-1", device.outgoing.pop())
        assert desk.facts() == [made]
        assert desk.ingest.counts.storage_ok is False
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql("ALTER TABLE gone RENAME TO test_seen")
        desk.centre.projector.run()
        assert desk.seen() == {made: 1}
