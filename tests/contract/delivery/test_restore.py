"""Clones, images and restored hubs: everything is kept, and each shows by itself."""

import copy

from contract.delivery.device_states import (
    Connected,
    Received,
)
from contract.delivery.hub import MOST_CLAIMS
from contract.delivery.hub_view import StreamName
from contract.event import Lane
from contract.messages import Ack, Batch, Credit, Hello, Mark, encode_message
from contract.statement import Direction, seal
from tests.contract.delivery.memory import KEY, Device, MemoryLedger, clone_of, connected, said, settle


def test_p6_f048_a_restored_hub_gets_everything_again_and_says_that_it_was_restored() -> None:
    device, ledger = connected()
    made = [device.scan(b"%d" % n) for n in range(20)]
    settle(device, ledger)
    backup = copy.deepcopy(ledger)
    made += [device.scan(b"later %d" % n) for n in range(20)]
    settle(device, ledger)

    device.tick(80_000)
    settle(device, backup)

    assert backup.arrived == made
    assert backup.kinds() == {"hub_regressed"}


def test_p4_a_released_prefix_that_a_restored_hub_lacks_becomes_a_gap_with_its_cause() -> None:
    device, ledger = connected()
    backup = copy.deepcopy(ledger)
    made = [device.scan(b"%d" % n) for n in range(10)]
    settle(device, ledger)
    device.store.releasable = True
    ledger.safe = set(made[:6])
    device.tick(80_000)
    settle(device, ledger)
    device.store.trim()

    made += [device.scan(b"later %d" % n) for n in range(40)]
    settle(device, ledger)
    device.tick(80_000)
    settle(device, backup)

    assert [(g.first_n, g.last_n, g.cause) for g in backup.gaps] == [(1, 6, "released")]
    assert backup.arrived == made[6:], "all of it without waiting for another hello"
    assert backup.kinds() >= {"gap", "hub_regressed"}


def test_what_a_gap_stood_for_is_kept_when_it_comes_after_all_and_is_no_fork() -> None:
    device, ledger = connected()
    backup = copy.deepcopy(ledger)
    made = [device.scan(b"%d" % n) for n in range(4)]
    settle(device, ledger)
    device.tick(80_000)
    settle(device, ledger)
    twin = Device("van-1", 1, copy.deepcopy(device.store))
    device.store.releasable = True
    ledger.safe = set(made[:2])
    device.tick(80_000)
    settle(device, ledger)
    device.store.trim()
    device.tick(80_000)
    settle(device, backup)
    assert backup.arrived == made[2:]

    positions = twin.store.lanes[Lane.CUSTODY].positions
    whole = Batch(
        device.store.incarnation,
        Lane.CUSTODY,
        1,
        twin.store.lanes[Lane.CUSTODY].base_hash[:16],
        tuple(twin.store.cores[p.fact_id] for p in positions),
    )
    backup.take("van-1", seal(KEY, Direction.UP, "van-1", encode_message(whole)), 10**12)

    assert set(backup.arrived) == set(made)
    assert "fork" not in backup.kinds()
    assert all(len(hashes) == 1 for hashes in backup.placed.values())


def test_p6_f054_two_clones_that_both_scan_are_both_kept_and_shown_as_a_fork() -> None:
    device, ledger = connected()
    device.scan(b"common")
    settle(device, ledger)
    clone = clone_of(device)
    ours = [device.scan(b"ours %d" % n) for n in range(3)]
    theirs = [clone.store.append(b"theirs %d" % n) for n in range(4)]

    settle(device, ledger)
    clone.feed(Connected())
    settle(clone, ledger)
    device.tick(80_000)
    settle(device, ledger)

    assert set(ledger.facts) >= {*ours, *theirs}
    assert clone.store.reincarnations
    assert "fork" in ledger.kinds()
    assert device.store.incarnation != clone.store.incarnation
    assert sorted(ledger.arrived) == sorted(set(ledger.arrived)), "each fact once"


def test_p6_a_clone_that_speaks_under_the_same_incarnation_opens_a_fork_incident() -> None:
    device, ledger = connected()
    clone = clone_of(device)
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


def test_p4_p6_f054_a_clone_shows_by_its_hello_even_if_what_it_has_never_comes() -> None:
    device, ledger = connected()
    clone = clone_of(device)
    device.scan(b"ours")
    settle(device, ledger)
    clone.store.append(b"theirs")

    clone.feed(Connected())
    ledger.take("van-1", clone.outgoing[0], 1_700_000_000_000)

    assert ledger.kinds() == {"fork"}


def test_p6_f053_a_device_restored_from_an_image_begins_a_new_incarnation() -> None:
    device, ledger = connected()
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
    assert [i for i in ledger.arrived if i in {*lost, new}] == [*lost, new]
    assert "device_regressed" in ledger.kinds()


def test_p6_a_device_set_back_behind_what_it_had_announced_but_not_sent_is_shown() -> None:
    device, ledger = connected()
    image = copy.deepcopy(device.store)
    for n in range(3):
        device.scan(b"%d" % n)
    device.outgoing.clear()
    device.tick(80_000)
    for payload in device.outgoing:
        if isinstance(said(payload), Hello):
            ledger.take("van-1", payload, 10**12)
    assert ledger.arrived == []

    restored = Device("van-1", 7, image)
    restored.store.boot = b"r" * 16
    restored.feed(Connected())
    settle(restored, ledger)

    assert ledger.kinds() == {"device_regressed"}


def test_a_hello_that_its_own_batch_overtakes_raises_no_alarm() -> None:
    device, ledger = connected()
    device.tick(80_000)
    device.scan(b"1")
    hello, batch = device.outgoing
    for payload in (batch, hello):
        for reply in ledger.take("van-1", payload, 10**12):
            device.hear(reply)

    assert ledger.incidents == {}
    assert device.store.reincarnations == []


def test_f057_an_ack_for_another_clones_prefix_is_ignored() -> None:
    device, _ = connected()
    device.scan(b"1")
    foreign = Ack(device.store.incarnation, Lane.CUSTODY, Mark(1, b"x" * 16), Credit())
    device.feed(Received(foreign))

    assert device.store.lane(Lane.CUSTODY).acked_n == 0


def test_f015_a_lost_database_shows_as_a_gap_from_what_was_announced() -> None:
    device, ledger = connected()
    device.scan(b"1")
    settle(device, ledger)
    device.scan(b"2")
    device.outgoing.clear()
    device.tick(80_000)
    for payload in device.outgoing:
        if isinstance(said(payload), Hello):
            ledger.take("van-1", payload, 10**12)

    anew = Device("van-1", 77)
    anew.feed(Connected())
    settle(anew, ledger)

    assert ledger.kinds() == {"gap"}
    assert "positions 2 to 2" in next(iter(ledger.incidents.values())).detail


def _announced_only(device: Device, ledger: MemoryLedger) -> None:
    """The hub hears of what the device has, and gets nothing of it."""
    device.outgoing.clear()
    device.tick(80_000)
    for payload in device.outgoing:
        if isinstance(said(payload), Hello):
            ledger.take("van-1", payload, 10**12)
    device.outgoing.clear()


def test_p4_f015_an_announced_fact_whose_place_a_clone_filled_shows_when_its_device_begins_anew() -> None:
    device, ledger = connected()
    device.scan(b"1")
    settle(device, ledger)
    clone = clone_of(device)
    clone.feed(Connected())
    settle(clone, ledger)
    clone.scan(b"the clone's own")
    _announced_only(clone, ledger)
    device.scan(b"the original's own")
    settle(device, ledger)

    anew = Device("van-1", 77)
    anew.feed(Connected())
    settle(anew, ledger)

    assert "gap" in ledger.kinds()
    assert any("where the hub has another fact" in i.detail for i in ledger.incidents.values())


def test_p6_f053_an_image_that_was_filled_anew_shows_by_what_was_announced_before() -> None:
    device, ledger = connected()
    device.scan(b"1")
    settle(device, ledger)
    image = copy.deepcopy(device.store)
    device.scan(b"announced, never sent")
    _announced_only(device, ledger)

    restored = Device("van-1", 98, image)
    restored.store.boot = b"r" * 16
    restored.scan(b"another")
    restored.scan(b"and another")
    restored.feed(Connected())
    settle(restored, ledger)
    restored.tick(80_000)
    settle(restored, ledger)

    assert "fork" in ledger.kinds()
    assert not [m for m in ledger.claims(_custody_of(restored)) if m.n < 3]


def test_announced_heads_that_do_not_come_are_bounded_and_the_first_and_last_stay() -> None:
    device, ledger = connected()
    announced = []
    for n in range(3 * MOST_CLAIMS):
        device.scan(b"%d" % n)
        _announced_only(device, ledger)
        announced.append(device.store.lane(Lane.CUSTODY).head_n)

    told = [m.n for m in ledger.claims(_custody_of(device))]

    assert len(told) <= MOST_CLAIMS + 1
    assert {announced[0], announced[-1]} <= set(told)


def _custody_of(device: Device) -> StreamName:
    return StreamName("van-1", device.store.incarnation, Lane.CUSTODY)
