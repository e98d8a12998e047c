"""The outbox: what is kept, chained, acknowledged, released, and never lost."""

import sqlite3
import threading

import pytest

from agent.outbox import Kept, Listed, Outbox
from agent.store.errors import Cause, NotKept
from contract.delivery.device_actions import (
    FixClock,
    MarkCorrupt,
    SetAcked,
)
from contract.event import (
    ClockFix,
    ClockStep,
    Damage,
    Lane,
)
from contract.fact import fact_id, root_hash
from tests.agent.store.kit import (
    BOOT,
    DAY_MS,
    DEVICE,
    Bench,
    details,
    everything,
    facts,
    keep,
    parcels,
    release_of,
    scan,
)

# -- capture -----------------------------------------------------------------------------------------------------------


def test_new_outbox_stands_at_the_roots_of_its_incarnation(outbox: Outbox) -> None:
    for lane in Lane:
        ends = outbox.lane(lane)
        assert (ends.base_n, ends.head_n, ends.acked_n) == (0, 0, 0)
        assert ends.base_hash == ends.head_hash == root_hash(DEVICE, outbox.incarnation, lane)
    assert everything(outbox) == []


def test_appended_fact_has_all_that_it_was_given(bench: Bench, outbox: Outbox) -> None:
    (kept,) = outbox.append([scan(7)], actor="w.chen", stamp=bench.stamp())

    (fact,) = facts(outbox)
    assert kept == Kept(fact_id(everything(outbox)[0].core or b""), Lane.CUSTODY, 1, 1, bench.stamp().at_ms)
    assert (fact.device, fact.incarnation, fact.boot, fact.ord) == (DEVICE, outbox.incarnation, BOOT, 1)
    assert (fact.actor, fact.event) == ("w.chen", scan(7))


def test_p3_equal_scans_of_one_instant_are_two_facts(outbox: Outbox) -> None:
    one, other = keep(outbox, "same", "same")

    assert one != other


def test_p1_fact_is_read_by_another_process_once_append_has_returned(bench: Bench, outbox: Outbox) -> None:
    keep(outbox, 1)

    reader = Outbox.open_for_reading(bench.folder, DEVICE, clock=bench.clock, budget_bytes=1 << 20)

    assert parcels(reader) == ["parcel 1"]
    reader.close()


def test_append_keeps_all_of_its_facts_or_none(bench: Bench, outbox: Outbox) -> None:
    with pytest.raises(NotKept) as caught:
        outbox.append([scan(1), scan(2, size=20_000)], actor="", stamp=bench.stamp())

    assert caught.value.cause is Cause.TOO_LARGE
    assert everything(outbox) == []

    keep(outbox, 3)

    assert [(fact.ord, fact.event) for fact in facts(outbox)] == [(1, scan(3))]


def test_append_refuses_values_out_of_range_with_a_sentence(bench: Bench, outbox: Outbox) -> None:
    with pytest.raises(NotKept, match=r"^Not kept: a value is outside of what may be kept"):
        outbox.append([scan(1)], actor="x" * 300, stamp=bench.stamp())

    assert everything(outbox) == []


def test_f002_repeated_request_is_answered_with_the_first_result_also_after_a_restart(bench: Bench) -> None:
    first = bench.open()
    (kept,) = first.append([scan(1)], actor="", stamp=bench.stamp(), request_id=b"r" * 16)
    first.close()

    again = bench.open()
    (repeat,) = again.append([scan(1)], actor="", stamp=bench.stamp(), request_id=b"r" * 16)

    assert repeat == Kept(kept.fact_id, kept.lane, kept.n, kept.ord, kept.at_ms, repeated=True)
    assert len(everything(again)) == 1


def test_captures_of_many_threads_are_all_kept_once(bench: Bench, outbox: Outbox) -> None:
    def produce(name: int) -> None:
        for i in range(25):
            outbox.append([scan(f"{name}-{i}")], actor="", stamp=bench.stamp())

    threads = [threading.Thread(target=produce, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(parcels(outbox)) == sorted(f"parcel {name}-{i}" for name in range(8) for i in range(25))
    assert sorted(fact.ord for fact in facts(outbox)) == list(range(1, 201))


def test_failing_capture_does_not_undo_its_neighbours_in_a_shared_commit(bench: Bench, outbox: Outbox) -> None:
    refused: list[NotKept] = []

    def produce(size: int) -> None:
        try:
            outbox.append([scan(size), scan(size, size=size)], actor="", stamp=bench.stamp())
        except NotKept as error:
            refused.append(error)

    threads = [threading.Thread(target=produce, args=(20_000 if i % 3 == 0 else i,)) for i in range(1, 31)]

    def start_all(_connection: sqlite3.Connection) -> None:
        # While this one writes, the others gather.
        for thread in threads:
            thread.start()

    outbox.database.write(start_all)
    for thread in threads:
        thread.join()

    assert len(refused) == 10
    assert len(parcels(outbox)) == 40
    assert [fact.ord for fact in facts(outbox)] == list(range(1, 41))


# -- reading ---------------------------------------------------------------------------------------------------------


def test_read_stops_at_its_limits_but_gives_at_least_one(bench: Bench, outbox: Outbox) -> None:
    for i in range(5):
        outbox.append([scan(i, size=1_000)], actor="", stamp=bench.stamp())

    assert [p.n for p in outbox.read(Lane.CUSTODY, 0, 3, 1 << 20)] == [1, 2, 3]
    assert [p.n for p in outbox.read(Lane.CUSTODY, 1, 9, 2_500)] == [2, 3]
    assert [p.n for p in outbox.read(Lane.CUSTODY, 4, 9, 1)] == [5]
    assert outbox.read(Lane.CUSTODY, 5, 9, 1 << 20) == []


def test_identities_rotate_through_all_contents(outbox: Outbox) -> None:
    identities = keep(outbox, *range(7))

    assert outbox.identities_after(b"", 4) == identities[:4]
    assert outbox.identities_after(identities[3], 4) == identities[4:]


def test_only_acknowledged_contents_are_filled_in(outbox: Outbox) -> None:
    one, two, three = keep(outbox, 1, 2, 3)

    outbox.identities_after(b"", 9)
    assert outbox.committed_only([three, one, two, b"?" * 32], {Lane.CUSTODY: 2}) == [one, two]
    assert [fact_id(core) for core in outbox.contents([two, b"?" * 32])] == [two]


def test_pages_of_the_listing_hold_both_lanes_in_the_order_of_capture(bench: Bench, outbox: Outbox) -> None:
    for number in range(9):
        keep(outbox, number)
        if number % 3 == 0:
            outbox.add_readings([bench.reading()])
            outbox.seal_due(in_contact=True, seal_ms=0)
    outbox.apply([SetAcked(Lane.CUSTODY, 2)])
    outbox.apply([release_of(outbox, everything(outbox)[0].fact_id, everything(outbox)[1].fact_id)])

    whole = outbox.listing(100)
    pages: list[Listed] = []
    before = None
    while page := outbox.listing(2, before):
        pages += page
        before = page[-1].seq

    assert [(row.lane.value, row.n) for row in reversed(whole)] == [
        ("telemetry", 1),
        *(("custody", n) for n in (3, 4)),
        ("telemetry", 2),
        *(("custody", n) for n in (5, 6, 7)),
        ("telemetry", 3),
        *(("custody", n) for n in (8, 9)),
    ]
    assert pages == whole


def test_listing_is_newest_first_and_goes_on_behind_a_page(outbox: Outbox) -> None:
    keep(outbox, 1, 2, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])

    page = outbox.listing(2)
    rest = outbox.listing(2, before=page[-1].seq)

    assert [(listed.n, listed.committed) for listed in [*page, *rest]] == [(3, False), (2, False), (1, True)]
    assert all(listed.fact is not None for listed in page)


# -- acknowledgement and release -----------------------------------------------------------------------------------------


def test_p7_acknowledgement_frees_nothing(outbox: Outbox) -> None:
    keep(outbox, 1, 2, 3)

    outbox.apply([SetAcked(Lane.CUSTODY, 3)])

    assert parcels(outbox) == ["parcel 1", "parcel 2", "parcel 3"]
    assert outbox.lane(Lane.CUSTODY).base_n == 0


def test_acknowledgement_may_go_down_again(outbox: Outbox) -> None:
    keep(outbox, 1, 2)

    outbox.apply([SetAcked(Lane.CUSTODY, 2)])
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])

    assert outbox.lane(Lane.CUSTODY).acked_n == 1


def test_released_prefix_is_forgotten_and_the_chain_goes_on(outbox: Outbox) -> None:
    one, two, three = keep(outbox, 1, 2, 3)
    before = outbox.lane(Lane.CUSTODY)

    outbox.apply([SetAcked(Lane.CUSTODY, 3), release_of(outbox, one, three)])
    (four,) = keep(outbox, 4)

    ends = outbox.lane(Lane.CUSTODY)
    assert (ends.base_n, ends.head_n) == (1, 4)
    assert outbox.hash_at(Lane.CUSTODY, 3) == before.head_hash
    assert [(p.fact_id, p.cause) for p in everything(outbox)] == [(two, None), (three, "released"), (four, None)]


def test_released_facts_that_the_hub_no_longer_acknowledges_stay_as_tombstones(outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2)

    outbox.apply([SetAcked(Lane.CUSTODY, 2)])
    outbox.apply([SetAcked(Lane.CUSTODY, 0), release_of(outbox, *identities)])

    assert [p.cause for p in everything(outbox)] == ["released", "released"]


def test_only_committed_contents_past_their_hold_are_release_candidates(bench: Bench) -> None:
    outbox = bench.open(hold_ms=3 * DAY_MS)
    one, two = keep(outbox, 1, 2)
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])

    assert outbox.release_candidates(10) == []
    bench.time.elapsed_ms += 4 * DAY_MS
    assert outbox.release_candidates(10) == [one]
    outbox.apply([SetAcked(Lane.CUSTODY, 2)])
    assert outbox.release_candidates(10) == [one, two]
    assert outbox.release_candidates(1) == [one]


def test_corrupt_content_is_set_aside_and_stated(outbox: Outbox) -> None:
    one, two = keep(outbox, 1, 2)

    outbox.apply([MarkCorrupt(Lane.CUSTODY, 1, one)])

    assert [(p.fact_id, p.cause) for p in everything(outbox)][:2] == [(one, "corrupt"), (two, None)]
    assert details(outbox) == [Damage("content_corrupt", f"custody 1 {one.hex()}")]


def test_corrupt_content_is_stated_once(outbox: Outbox) -> None:
    (one,) = keep(outbox, 1)

    outbox.apply([MarkCorrupt(Lane.CUSTODY, 1, one)])
    outbox.apply([MarkCorrupt(Lane.CUSTODY, 1, one)])

    assert len(details(outbox)) == 1


# -- clock -------------------------------------------------------------------------------------------------------------


def test_f093_clock_fix_is_stated_only_when_it_tells_more(outbox: Outbox) -> None:
    outbox.apply([FixClock(1_000, 5_000_000, 400)])
    outbox.apply([FixClock(2_000, 5_001_000, 15_000)])
    outbox.apply([FixClock(3_000, 5_002_000, 20)])

    assert details(outbox) == [ClockFix(BOOT, 1_000, 5_000_000, 400), ClockFix(BOOT, 3_000, 5_002_000, 20)]


def test_f090_wall_clock_that_is_set_is_stated_and_ends_blocks(bench: Bench, outbox: Outbox) -> None:
    outbox.add_readings([bench.reading()])

    bench.time.epoch_ms += DAY_MS
    outbox.maintain()

    assert details(outbox) == [ClockStep(DAY_MS, -DAY_MS)]
    assert outbox.summary().unsealed == 0


# -- incarnations ----------------------------------------------------------------------------------------------------------


def test_f054_new_incarnation_chains_all_contents_with_their_old_identities(outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 1), release_of(outbox, identities[0])])
    before = outbox.incarnation

    outbox.reincarnate("forked")

    assert outbox.incarnation != before
    assert [p.fact_id for p in everything(outbox)][1:] == identities[1:]
    assert details(outbox) == [Damage("forked")]
    ends = outbox.lane(Lane.CUSTODY)
    assert (ends.base_n, ends.head_n, ends.acked_n) == (0, 3, 0)
    assert facts(outbox)[0].ord == 1


def test_p4_tombstones_that_the_hub_does_not_know_survive_a_new_incarnation(outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])
    outbox.apply([MarkCorrupt(Lane.CUSTODY, 2, identities[1])])

    outbox.reincarnate("forked")

    causes = {p.fact_id: p.cause for p in everything(outbox)}
    assert [causes[identity] for identity in identities] == [None, "corrupt", None]


def test_summary_counts_each_lane(bench: Bench, outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2, 3)
    outbox.note_sent(Lane.CUSTODY, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 2), release_of(outbox, identities[0])])
    outbox.add_readings([bench.reading()])

    summary = outbox.summary()

    custody = summary.lanes[Lane.CUSTODY]
    assert (custody.kept, custody.sent, custody.committed, custody.released) == (3, 3, 2, 1)
    assert (summary.unsealed, summary.blobs_pending, summary.level) == (1, 0, "ok")
    assert summary.oldest_unsent_at_ms == bench.stamp().at_ms
    assert summary.room_s is not None
    assert outbox.report(0).backlog.facts == 1
