"""Readings on their way into a block, and attachments beside the facts."""

import os
from hashlib import sha256

import pytest

from agent.outbox import Outbox, ReceiverPosition
from agent.store.errors import NotKept
from contract.columns import unpack_readings
from contract.delivery.device_actions import (
    BlobRefused,
    BlobStored,
    ReleaseBlobs,
)
from contract.delivery.device_view import PendingBlob
from contract.event import (
    Alarm,
    Booted,
    ClockStep,
    Damage,
    Lane,
    Outcome,
    Phase,
    Positions,
    Proof,
    Readings,
    Status,
)
from tests.agent.store.kit import (
    BOOT,
    DAY_MS,
    DEVICE,
    MINUTE_MS,
    OTHER_BOOT,
    SENSOR,
    Bench,
    details,
    events,
    facts,
)


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


@pytest.mark.parametrize("damage", ["quantity = 'temperatuse_c'", "interval_ms = -60000"])
def test_p5_f013_block_that_can_be_no_fact_is_stated_and_the_others_are_sealed(
    bench: Bench, outbox: Outbox, damage: str
) -> None:
    outbox.add_readings([bench.reading(), bench.reading(sensor=f"{DEVICE}.probe.other")])
    outbox.database.write(lambda c: c.execute(f"UPDATE block SET {damage} WHERE name = ?", (SENSOR,)))
    bench.time.elapsed_ms += 2 * MINUTE_MS

    outbox.seal_due(in_contact=True)

    assert [e.sensor for e in events(outbox, Lane.TELEMETRY) if isinstance(e, Readings)] == [f"{DEVICE}.probe.other"]
    assert details(outbox) == [Damage("reading_corrupt", f"1 readings of {SENSOR}")]


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


def test_attachment_of_a_fact_that_was_never_kept_is_deleted_after_a_month(bench: Bench) -> None:
    def picture(content: bytes, days_ago: int) -> bytes:
        photo = outbox.files.incoming / "photo"
        photo.write_bytes(content)
        digest = outbox.adopt_blob(photo)
        at_s = bench.time.wall_ms() / 1000 - days_ago * 86_400
        os.utime(outbox.files.path(digest), (at_s, at_s))
        return digest

    outbox = bench.open()
    stray, young, named = picture(b"stray", 31), picture(b"young", 29), picture(b"named", 31)
    outbox.append([Status(Booted("1"))], actor="", stamp=bench.stamp(), blobs=[named])
    bench.close()

    outbox = bench.open()

    assert [outbox.files.size(digest) for digest in (stray, young, named)] == [None, 5, 5]
