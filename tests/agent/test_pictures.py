"""Pictures that programs hand over: what is none, what is gone, and what there is no room for."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.event import Lane, Outcome, Proof
from contract.limits import MAX_BLOB_BYTES
from contract.local import Kept, RecordProof, Refused
from tests.agent.test_desk import Room, _id, _scan

MISSING = Refused("Not kept: an attachment of it is missing on the device. Take it again.")
MIB = 1024 * 1024


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    made = Room(tmp_path)
    yield made
    made.outbox.close()


def proof(n: int, *photos: str) -> RecordProof:
    return RecordProof(_id(n), Proof("s", Outcome.DELIVERED, ("box 1",)), None, photos)


@pytest.mark.parametrize("what", ["folder", "pipe", "link", "nothing"])
def test_f086_f087_what_is_no_file_of_its_own_is_no_picture(room: Room, what: str) -> None:
    place = room.incoming / "p.jpg"
    match what:
        case "folder":
            place.mkdir()
        case "pipe":
            os.mkfifo(place)
        case "link":
            (room.folder / "elsewhere").write_bytes(b"not ours")
            place.symlink_to(room.folder / "elsewhere")
    assert room.desk.answer(proof(1, "p.jpg")) == MISSING
    assert room.facts() == []
    assert list((room.folder / "blobs").iterdir()) == []


def test_f089_the_largest_picture_is_kept_and_one_more_byte_is_refused_with_the_limit(room: Room) -> None:
    for name, size in (("large.jpg", MAX_BLOB_BYTES), ("larger.jpg", MAX_BLOB_BYTES + 1), ("100mb.jpg", 100_000_000)):
        with (room.incoming / name).open("wb") as file:
            file.truncate(size)
    assert isinstance(room.desk.answer(proof(1, "large.jpg")), Kept)
    for n, name in enumerate(("larger.jpg", "100mb.jpg"), start=2):
        answer = room.desk.answer(proof(n, name))
        assert isinstance(answer, Refused)
        assert f"1 to {MAX_BLOB_BYTES} are allowed. Take a smaller picture" in answer.why
        # Without it the proof is kept, by the same request.
        assert isinstance(room.desk.answer(proof(n)), Kept)


def test_f089_pictures_never_take_the_room_of_scans_and_proofs(room: Room) -> None:
    room.outbox.budget_bytes = 16 * MIB
    taken = 0
    for n in range(1, 30):
        (room.incoming / f"{n}.jpg").write_bytes(os.urandom(MIB))
        answer = room.desk.answer(proof(n, f"{n}.jpg"))
        if isinstance(answer, Refused):
            break
        taken = n
    assert answer == Refused(
        "Not kept: no room on the device for 1.0 MiB of pictures. Leave some out, or wait until others are at the hub."
    )
    assert 13 <= taken <= 15
    # Several of one proof are counted together, and what was kept is said to be kept.
    assert isinstance(room.desk.answer(proof(50, *(f"{n}.jpg" for n in range(1, 5)))), Refused)
    assert room.kept(proof(taken, f"{taken}.jpg")).repeated
    room.outbox.maintain()
    for n in range(100, 200):
        assert room.kept(_scan(n, b"box %d" % n)).lane is Lane.CUSTODY
    assert isinstance(room.desk.answer(proof(99)), Kept)
