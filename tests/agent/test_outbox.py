"""The outbox: what is kept, chained, acknowledged, released, and never lost."""

import threading
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from agent.outbox import Kept, Outbox, ReceiverPosition
from agent.store.errors import Cause, NotKept
from contract.columns import unpack_readings
from contract.delivery.device_actions import (
    BlobRefused,
    BlobStored,
    FixClock,
    MarkCorrupt,
    Release,
    ReleaseBlobs,
    SetAcked,
)
from contract.delivery.device_view import PendingBlob
from contract.event import (
    Alarm,
    Booted,
    ClockFix,
    ClockStep,
    Damage,
    Event,
    Lane,
    Outcome,
    Phase,
    Positions,
    Proof,
    Readings,
    Status,
    StoragePressure,
)
from contract.fact import Fact, decode_core, fact_id, root_hash
from tests.agent.store.kit import (
    BOOT,
    DAY_MS,
    DEVICE,
    MINUTE_MS,
    OTHER_BOOT,
    SENSOR,
    Bench,
    everything,
    keep,
    parcels,
    scan,
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "device")
    yield bench
    bench.close()


@pytest.fixture
def outbox(bench: Bench) -> Outbox:
    return bench.open()


def facts(outbox: Outbox, lane: Lane = Lane.CUSTODY) -> list[Fact]:
    return [decode_core(p.core) for p in everything(outbox, lane) if p.core is not None]


def events(outbox: Outbox, lane: Lane = Lane.CUSTODY) -> list[Event]:
    return [fact.event for fact in facts(outbox, lane)]


def details(outbox: Outbox) -> list[object]:
    return [event.detail for event in events(outbox) if isinstance(event, Status)]


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
            outbox.append([scan(size, size=size)], actor="", stamp=bench.stamp())
        except NotKept as error:
            refused.append(error)

    threads = [threading.Thread(target=produce, args=(20_000 if i % 3 == 0 else i,)) for i in range(1, 31)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 10
    assert len(parcels(outbox)) == 20


# -- reading ---------------------------------------------------------------------------------------------------------


def test_read_stops_at_its_limits_but_gives_at_least_one(bench: Bench, outbox: Outbox) -> None:
    for i in range(5):
        outbox.append([scan(i, size=1_000)], actor="", stamp=bench.stamp())

    assert [p.n for p in outbox.read(Lane.CUSTODY, 0, 3, 1 << 20)] == [1, 2, 3]
    assert [p.n for p in outbox.read(Lane.CUSTODY, 1, 9, 2_500)] == [2, 3]
    assert [p.n for p in outbox.read(Lane.CUSTODY, 4, 9, 1)] == [5]
    assert outbox.read(Lane.CUSTODY, 5, 9, 1 << 20) == []


def test_identities_rotate_through_all_contents(outbox: Outbox) -> None:
    identities = sorted(keep(outbox, *range(7)))

    assert outbox.identities_after(b"", 4) == identities[:4]
    assert outbox.identities_after(identities[3], 4) == identities[4:]


def test_only_acknowledged_contents_are_filled_in(outbox: Outbox) -> None:
    one, two, three = keep(outbox, 1, 2, 3)

    assert outbox.committed_only([three, one, two, b"?" * 32], {Lane.CUSTODY: 2}) == [one, two]
    assert [fact_id(core) for core in outbox.contents([two, b"?" * 32])] == [two]


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

    outbox.apply([SetAcked(Lane.CUSTODY, 3), Release((one, three))])
    (four,) = keep(outbox, 4)

    ends = outbox.lane(Lane.CUSTODY)
    assert (ends.base_n, ends.head_n) == (1, 4)
    assert outbox.hash_at(Lane.CUSTODY, 3) == before.head_hash
    assert [(p.fact_id, p.cause) for p in everything(outbox)] == [(two, None), (three, "released"), (four, None)]


def test_released_facts_that_the_hub_no_longer_acknowledges_stay_as_tombstones(outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2)

    outbox.apply([SetAcked(Lane.CUSTODY, 2)])
    outbox.apply([SetAcked(Lane.CUSTODY, 0), Release(tuple(identities))])

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

    assert details(outbox) == [ClockStep(DAY_MS)]
    assert outbox.summary().unsealed == 0


# -- blocks ------------------------------------------------------------------------------------------------------------


def measure(bench: Bench, outbox: Outbox, count: int, interval_ms: int = MINUTE_MS) -> None:
    for i in range(count):
        outbox.add_readings([bench.reading(500 + i)])
        bench.time.elapsed_ms += interval_ms


def test_readings_are_durable_before_they_are_sealed(bench: Bench) -> None:
    measure(bench, bench.open(), 3)
    bench.close()

    assert bench.open().summary().unsealed == 3


def test_block_in_contact_is_sealed_after_its_time(bench: Bench, outbox: Outbox) -> None:
    measure(bench, outbox, 2, interval_ms=20_000)

    assert outbox.seal_due(in_contact=True) == 0
    bench.time.elapsed_ms += 20_000
    assert outbox.seal_due(in_contact=False) == 0
    assert outbox.seal_due(in_contact=True) == 1

    (block,) = events(outbox, Lane.TELEMETRY)
    assert isinstance(block, Readings)
    assert [r.value for r in unpack_readings(block.columns, block.count, block.interval_ms)] == [500, 501]
    assert outbox.summary().unsealed == 0


def test_full_block_is_sealed_by_the_reading_that_no_longer_fits(bench: Bench, outbox: Outbox) -> None:
    outbox.add_readings([bench.reading()] * 513)

    (block,) = events(outbox, Lane.TELEMETRY)
    assert isinstance(block, Readings)
    assert block.count == 512
    assert outbox.summary().unsealed == 1


def test_alarm_seals_its_sensor_with_the_reading_that_started_it(bench: Bench, outbox: Outbox) -> None:
    measure(bench, outbox, 2)
    outbox.add_readings([bench.reading(450, sensor="other")])
    alarm = Alarm("a1", Phase.RAISED, SENSOR, "high", bench.stamp().at_ms, 900)

    outbox.append([alarm], actor="", stamp=bench.stamp(), readings=[bench.reading(900)])

    (block,) = events(outbox, Lane.TELEMETRY)
    assert isinstance(block, Readings)
    assert (block.sensor, block.count) == (SENSOR, 3)
    assert outbox.summary().unsealed == 1


def test_boot_seals_readings_under_the_boot_that_measured_them(bench: Bench) -> None:
    measure(bench, bench.open(), 2)
    bench.close()
    bench.reboot()
    outbox = bench.open()

    outbox.append([Status(Booted("1.0"))], actor="", stamp=bench.stamp())

    (fact,) = facts(outbox, Lane.TELEMETRY)
    (booted,) = facts(outbox)
    assert (fact.boot, booted.boot) == (BOOT, OTHER_BOOT)
    assert isinstance(fact.event, Readings)
    assert fact.mono_ms == fact.event.base_mono_ms + MINUTE_MS


def test_damaged_reading_is_left_out_of_its_block_and_stated(bench: Bench, outbox: Outbox) -> None:
    measure(bench, outbox, 3)
    outbox.database.write(lambda c: c.execute("UPDATE sample SET sample = zeroblob(9) WHERE k = 1"))

    outbox.append([Status(ClockStep(5_000))], actor="", stamp=bench.stamp())

    (block,) = events(outbox, Lane.TELEMETRY)
    assert isinstance(block, Readings)
    assert block.count == 2
    assert details(outbox)[0] == Damage("reading_corrupt", f"1 readings of {SENSOR}")


def test_positions_too_wild_for_one_core_are_sealed_as_several(bench: Bench, outbox: Outbox) -> None:
    positions = []
    for i in range(512):
        sign = 1 if i % 2 else -1
        position = ReceiverPosition(
            "gps",
            bench.stamp(),
            1_000,
            sign * 9 * 10**8,
            sign * 18 * 10**8,
            2**50 * (i % 2),
            2**50 * (i % 2),
            2**50 * (i % 2),
        )
        positions.append(position)
        bench.time.elapsed_ms += 1_000
    outbox.add_positions(positions)

    outbox.append([Status(ClockStep(5_000))], actor="", stamp=bench.stamp())

    blocks = events(outbox, Lane.TELEMETRY)
    assert len(blocks) > 1
    assert sum(block.count for block in blocks if isinstance(block, Positions)) == 512


# -- attachments ----------------------------------------------------------------------------------------------------------


def photo(outbox: Outbox, data: bytes = b"picture" * 100) -> bytes:
    path = outbox.files.incoming / "photo"
    path.write_bytes(data)
    return outbox.adopt_blob(path)


def proof(*photos: bytes) -> Proof:
    return Proof(stop="s1", outcome=Outcome.DELIVERED, delivered=("p1",), photos=photos)


def test_proof_keeps_its_attachments_until_the_hub_has_them_safely(bench: Bench, outbox: Outbox) -> None:
    digest = photo(outbox)
    outbox.append([proof(digest)], actor="", stamp=bench.stamp())

    assert facts(outbox)[0].blobs == (digest,)
    assert outbox.pending_blob() == PendingBlob(digest, 700)
    assert outbox.blob_chunk(digest, 695, 100) == b"cture"
    outbox.apply([BlobStored(digest, stored=True)])
    assert outbox.pending_blob() is None
    assert outbox.blobs_after(b"", 9) == [digest]
    assert outbox.blob_release_candidates(9) == []
    bench.time.elapsed_ms += 15 * DAY_MS
    assert outbox.blob_release_candidates(9) == [digest]
    outbox.apply([ReleaseBlobs((digest,))])
    assert outbox.blob_chunk(digest, 0, 10) is None
    assert outbox.blobs_after(b"", 9) == []


def test_attachment_that_the_hub_lost_is_sent_again(bench: Bench, outbox: Outbox) -> None:
    digest = photo(outbox)
    outbox.append([proof(digest)], actor="", stamp=bench.stamp())

    outbox.apply([BlobStored(digest, stored=True), BlobStored(digest, stored=False)])

    assert outbox.pending_blob() == PendingBlob(digest, 700)


def test_attachment_that_is_not_stored_at_the_hub_is_not_released(bench: Bench, outbox: Outbox) -> None:
    digest = photo(outbox)
    outbox.append([proof(digest)], actor="", stamp=bench.stamp())

    outbox.apply([ReleaseBlobs((digest,))])

    assert outbox.blob_chunk(digest, 0, 7) == b"picture"


def test_refused_attachment_stays_on_the_device_and_is_stated(bench: Bench, outbox: Outbox) -> None:
    digest = photo(outbox)
    outbox.append([proof(digest)], actor="", stamp=bench.stamp())

    outbox.apply([BlobRefused(digest, "not a picture")])

    assert outbox.pending_blob() is None
    assert outbox.blob_chunk(digest, 0, 7) == b"picture"
    assert details(outbox) == [Damage("blob_refused", f"{digest.hex()}: not a picture")]


def test_f087_proof_without_its_photo_is_not_kept(bench: Bench, outbox: Outbox) -> None:
    with pytest.raises(NotKept, match="an attachment of it is missing"):
        outbox.append([proof(sha256(b"nowhere").digest())], actor="", stamp=bench.stamp())


def test_f013_attachment_whose_bits_flipped_is_not_sent(bench: Bench) -> None:
    first = bench.open()
    digest = photo(first)
    first.append([proof(digest)], actor="", stamp=bench.stamp())
    path = first.files.path(digest)
    first.close()
    path.write_bytes(b"P" + path.read_bytes()[1:])

    assert bench.open().blob_chunk(digest, 0, 10) is None


@pytest.mark.parametrize("size", [0, 16 * 1024 * 1024 + 1])
def test_attachment_of_impossible_size_is_refused(outbox: Outbox, size: int) -> None:
    path = outbox.files.incoming / "photo"
    with path.open("wb") as file:
        file.truncate(size)

    with pytest.raises(NotKept, match="1 to 16777216 are allowed"):
        outbox.adopt_blob(path)


# -- incarnations ----------------------------------------------------------------------------------------------------------


def test_f054_new_incarnation_chains_all_contents_with_their_old_identities(outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 1), Release((identities[0],))])
    before = outbox.incarnation

    outbox.reincarnate("forked")

    assert outbox.incarnation != before
    assert [p.fact_id for p in everything(outbox)][:2] == identities[1:]
    assert details(outbox) == [Damage("forked")]
    ends = outbox.lane(Lane.CUSTODY)
    assert (ends.base_n, ends.head_n, ends.acked_n) == (0, 3, 0)
    assert facts(outbox)[-1].ord == 1


def test_p4_tombstones_that_the_hub_does_not_know_survive_a_new_incarnation(outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])
    outbox.apply([MarkCorrupt(Lane.CUSTODY, 2, identities[1])])

    outbox.reincarnate("forked")

    causes = {p.fact_id: p.cause for p in everything(outbox)}
    assert [causes[identity] for identity in identities] == [None, "corrupt", None]


# -- room ------------------------------------------------------------------------------------------------------------------

BUDGET_BYTES = 400_000


def fill_with_custody(bench: Bench, outbox: Outbox, share: float) -> None:
    while outbox.used_bytes() < share * outbox.budget_bytes:
        outbox.append([scan("big", size=7_000)], actor="", stamp=bench.stamp())


def fill_with_telemetry(bench: Bench, outbox: Outbox, share: float) -> None:
    while outbox.used_bytes() < share * outbox.budget_bytes:
        batch = []
        for i in range(512):
            batch.append(bench.reading(500 + (i * 7919) % 97))
            bench.time.elapsed_ms += 10_000
        outbox.add_readings(batch)
        outbox.seal_due(in_contact=False)


def test_what_is_safe_may_go_early_under_pressure(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    (one,) = keep(outbox, 1)
    outbox.apply([SetAcked(Lane.CUSTODY, 1)])
    assert outbox.release_candidates(9) == []

    fill_with_custody(bench, outbox, 0.72)
    outbox.maintain()

    assert outbox.release_candidates(9) == [one]
    assert details(outbox)[-1] == StoragePressure("releasing", outbox.room_bytes())


def test_f011_thinned_block_replaces_the_old_one_in_one_step(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    fill_with_custody(bench, outbox, 0.8)
    fill_with_telemetry(bench, outbox, 0.86)
    before = everything(outbox, Lane.TELEMETRY)

    outbox.maintain()

    after = everything(outbox, Lane.TELEMETRY)
    gone = [p for p in after if p.cause is not None]
    replacing = [e.replaces for e in events(outbox, Lane.TELEMETRY) if isinstance(e, Readings) and e.replaces]
    assert gone
    assert {p.cause for p in gone} == {"thinned"}
    assert replacing == [p.fact_id for p in gone]
    assert [p.fact_id for p in after[: len(before)]] == [p.fact_id for p in before]


def test_f011_telemetry_without_room_leaves_tombstones_and_custody_goes_on(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    fill_with_custody(bench, outbox, 0.955)
    outbox.maintain()
    head_n = outbox.lane(Lane.TELEMETRY).head_n

    outbox.add_readings([bench.reading()] * 513)
    keep(outbox, "last")

    (position,) = outbox.read(Lane.TELEMETRY, head_n, 9, 1 << 20)
    assert (position.core, position.cause) == (None, "storage_full")
    assert parcels(outbox)[-1] == "parcel last"


def keep_until_refused(bench: Bench, outbox: Outbox) -> tuple[int, NotKept]:
    for kept in range(1_000):
        try:
            outbox.append([scan(kept, size=3_000)], actor="", stamp=bench.stamp())
        except NotKept as error:
            return kept, error
        outbox.maintain()
    raise AssertionError("nothing was refused")


def test_f010_custody_without_room_is_refused_and_none_is_dropped(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)

    kept, error = keep_until_refused(bench, outbox)

    assert error.cause is Cause.FULL
    assert str(error).startswith("Not kept: the device's storage is full.")
    assert len(parcels(outbox)) == kept
    assert outbox.summary().level == "refusing"


def test_capture_goes_on_once_released_facts_made_room(bench: Bench) -> None:
    outbox = bench.open(budget_bytes=BUDGET_BYTES)
    keep_until_refused(bench, outbox)
    outbox.apply([SetAcked(Lane.CUSTODY, outbox.lane(Lane.CUSTODY).head_n)])

    outbox.apply([Release(tuple(outbox.release_candidates(60)))])
    outbox.maintain()
    keep(outbox, "again")

    assert parcels(outbox)[-1] == "parcel again"


def test_summary_counts_each_lane(bench: Bench, outbox: Outbox) -> None:
    identities = keep(outbox, 1, 2, 3)
    outbox.note_sent(Lane.CUSTODY, 3)
    outbox.apply([SetAcked(Lane.CUSTODY, 2), Release((identities[0],))])
    outbox.add_readings([bench.reading()])

    summary = outbox.summary()

    custody = summary.lanes[Lane.CUSTODY]
    assert (custody.kept, custody.sent, custody.committed, custody.released) == (3, 3, 2, 1)
    assert (summary.unsealed, summary.blobs_pending, summary.level) == (1, 0, "ok")
    assert summary.oldest_unsent_at_ms == bench.stamp().at_ms
    assert summary.room_s is not None
    assert outbox.report(0).backlog.facts == 1
