"""Contents that are damaged, lost, foreign or large."""

import random
from hashlib import sha256

import pytest

from contract.delivery.device_states import (
    Appended,
    Connected,
    Received,
)
from contract.event import Lane
from contract.fact import fact_id
from contract.limits import BLOB_CHUNK_BYTES, RESEND_FIRST_MS
from contract.messages import Blob, BlobState
from tests.contract.delivery.memory import Device, MemoryLedger, MemoryStore, connected, said, settle


def test_f061_a_fact_in_the_wrong_lane_is_quarantined() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    identity = device.store.append(b"1")
    device.store._begin()
    device.store._chain(Lane.TELEMETRY, identity)
    device.feed(Connected())
    settle(device, ledger)

    assert "wrong_lane" in (ledger.facts[identity].problem or "")


def test_an_attachment_arrives_in_chunks_and_counts_as_stored_only_when_whole() -> None:
    device, ledger = connected()
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


def test_a_late_answer_does_not_make_every_following_chunk_travel_twice() -> None:
    device, ledger = connected()
    photo = random.Random(3).randbytes(20 * BLOB_CHUNK_BYTES)
    device.store.blobs[sha256(photo).digest()] = photo
    device.feed(Appended())
    for reply in ledger.take("van-1", device.outgoing.pop(0), 10**12):
        device.hear(reply)
    device.tick(RESEND_FIRST_MS)  # The first chunk is still on its way when its timer asks.
    chunks = 0
    while device.outgoing:
        payload = device.outgoing.pop(0)
        message = said(payload)
        chunks += isinstance(message, Blob) and len(message.data) > 0
        for reply in ledger.take("van-1", payload, 10**12):
            device.hear(reply)

    assert bytes(ledger.blobs[sha256(photo).digest()]) == photo
    # Twenty of the full size, and one more because half a chunk was tried after the late answer.
    assert chunks <= 21


@pytest.mark.parametrize("refused", ["", "too many"])
def test_f012_an_answer_that_the_disk_cannot_note_is_not_asked_for_again_and_again(
    refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, ledger = connected()
    name = sha256(b"photo").digest()
    device.store.blobs[name] = b"photo"
    monkeypatch.setattr(device.store, "carry_out", lambda action: None)
    device.feed(Appended())
    for _ in range(3):
        device.outgoing.clear()
        device.feed(Received(BlobState(name, (), refused)))
    assert device.outgoing == []

    device.tick(80_000)
    settle(device, ledger)
    assert bytes(ledger.blobs[name]) == b"photo"


@pytest.mark.parametrize("missing", [((50, 10),), ((5, 5),), ((10**9, 10**9 + 5),), ((0, 10**9),)])
def test_ranges_that_the_attachment_does_not_have_are_ignored(missing: tuple[tuple[int, int], ...]) -> None:
    device, ledger = connected()
    photo = random.Random(3).randbytes(100_000)
    device.store.blobs[sha256(photo).digest()] = photo
    device.feed(Appended())
    (asked,) = device.outgoing
    device.feed(Received(BlobState(sha256(photo).digest(), missing)))

    assert device.outgoing == [asked]
    settle(device, ledger)
    assert bytes(ledger.blobs[sha256(photo).digest()]) == photo


def test_f050_an_attachment_that_a_restored_hub_lacks_is_sent_again() -> None:
    device, ledger = connected()
    photo = random.Random(3).randbytes(50_000)
    device.store.blobs[sha256(photo).digest()] = photo
    device.feed(Appended())
    settle(device, ledger)
    ledger.blobs.clear()
    device.tick(80_000)
    settle(device, ledger)

    assert bytes(ledger.blobs[sha256(photo).digest()]) == photo


def test_f013_content_that_does_not_hash_to_its_identity_is_a_tombstone_and_blocks_nothing() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    made = [device.store.append(b"%d" % n) for n in range(3)]
    core = device.store.cores[made[1]]
    device.store.cores[made[1]] = core[:-1] + bytes([core[-1] ^ 1])
    device.feed(Connected())
    settle(device, ledger)

    assert ledger.arrived == [made[0], made[2]]
    assert ledger.facts[made[1]].cause == "corrupt"
    assert ledger.kinds() == {"content_lost"}


def test_content_that_comes_later_takes_the_place_of_its_tombstone() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    made = device.store.append(b"1")
    core = device.store.cores.pop(made)
    device.store.lanes[Lane.CUSTODY].positions[0].cause = "db_lost"
    device.feed(Connected())
    settle(device, ledger)
    assert ledger.facts[made].core is None

    device.store.cores[made] = core
    device.tick(80_000)
    settle(device, ledger)
    assert ledger.facts[made].core == core


def test_p5_f061_a_fact_that_cannot_be_read_is_quarantined_and_the_others_flow_on() -> None:
    device, ledger = Device("van-1", 5), MemoryLedger()
    store = device.store
    first = store.append(b"1")
    poison = b"\xc1 not msgpack"
    store.cores[fact_id(poison)] = poison
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
    device.store.cores[identity] = other.cores[identity]
    device.store._chain(Lane.CUSTODY, identity)
    device.feed(Connected())
    settle(device, ledger)

    assert "foreign_origin" in (ledger.facts[identity].problem or "")
