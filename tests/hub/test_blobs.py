import errno
import os
import random
import stat
import struct
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from contract.limits import BLOB_CHUNK_BYTES
from contract.messages import Blob, BlobState
from contract.picture import MAX_PIXELS, Picture, picture_of
from hub import tables as t
from hub.blobs import MAX_JOURNAL_BYTES, OPEN_PARTS_PER_DEVICE, BlobStore, _Part
from hub.errors import CommitFailed
from tests.hub.desk import NOW_MS, Desk, connected, open_desk

DATA = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", 640, 480) + random.Random(7).randbytes(100_000)
DIGEST = sha256(DATA).digest()


def _chunk(start: int, data: bytes = DATA, size: int = BLOB_CHUNK_BYTES) -> Blob:
    part = data[start : start + size]
    return Blob(sha256(data).digest(), len(data), start, part, sha256(part).digest())


def _say(desk: Desk, blob: Blob) -> BlobState:
    (state,) = desk.say("van-1", blob)
    assert isinstance(state, BlobState)
    return state


def test_f081_an_upload_goes_on_after_a_restart_where_it_was_cut(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        _say(desk, _chunk(0))
        assert _say(desk, _chunk(65_536)).missing == ((32_768, 65_536), (98_304, len(DATA)))
    with open_desk(tmp_path) as desk:
        asked = Blob(DIGEST, len(DATA), 0, b"", sha256(b"").digest())
        assert _say(desk, asked).missing == ((32_768, 65_536), (98_304, len(DATA)))
        _say(desk, _chunk(98_304))
        assert _say(desk, _chunk(32_768)).missing == ()
        assert desk.centre.blobs.path(DIGEST).read_bytes() == DATA
        rows = [(r["sha256"], r["size"], r["media_type"], r["device"]) for r in desk.rows(t.blob)]
        assert rows == [(DIGEST, len(DATA), "image/png", "van-1")]
        assert _say(desk, _chunk(0)).missing == ()
        assert list((tmp_path / "blobs" / "incoming").iterdir()) == []


def test_f082_a_chunk_with_a_wrong_hash_is_the_only_one_asked_for_again(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        _say(desk, _chunk(0))
        good = _chunk(32_768)
        bad = Blob(good.sha256, good.size, good.offset, good.data[:-1] + b"!", good.chunk_hash)
        assert _say(desk, bad).missing == ((32_768, len(DATA)),)


def test_f083_an_attachment_that_does_not_hash_to_its_name_begins_anew(tmp_path: Path) -> None:
    wrong = b"w" * 1000
    with open_desk(tmp_path) as desk:
        connected(desk)
        lie = Blob(DIGEST, 1000, 0, wrong, sha256(wrong).digest())
        assert _say(desk, lie).missing == ((0, 1000),)
        assert desk.rows(t.blob) == []
        assert desk.incidents() == {"blob_refused"}


def test_f089_one_device_cannot_fill_the_disk(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        small = BlobStore(tmp_path, quota_bytes=150_000)
        with desk.centre.db.write() as tx:
            for start in range(0, len(DATA), BLOB_CHUNK_BYTES):
                small.take(tx, "van-1", _chunk(start), NOW_MS)
            state, reports = small.take(tx, "van-1", _chunk(0, bytes(60_000)), NOW_MS)
        assert "more than 150000 bytes" in state.refused
        assert [r.kind.value for r in reports] == ["blob_refused"]
        with desk.centre.db.write() as tx:
            for n in range(9):
                assert small.take(tx, "van-2", _chunk(0, bytes(4_000) + b"%d" % n, 2_000), NOW_MS)[0].refused == ""
        assert len(list((tmp_path / "blobs" / "incoming").glob("van-2.*.part"))) == OPEN_PARTS_PER_DEVICE


def test_uploads_that_a_device_lost_keep_no_later_attachment_out(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        for n in range(OPEN_PARTS_PER_DEVICE):
            _say(desk, _chunk(0, bytes(40_000) + b"%d" % n))
        states = [_say(desk, _chunk(start)) for start in range(0, len(DATA), BLOB_CHUNK_BYTES)]
        assert [state.refused for state in states] == [""] * len(states)
        assert states[-1].missing == ()


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_what_a_flush_did_not_take_is_asked_for_again_though_it_still_reads_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    fsync = os.fsync

    def refuse(descriptor: int) -> None:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    with open_desk(tmp_path) as desk:
        connected(desk)
        for start in range(0, len(DATA) - BLOB_CHUNK_BYTES, BLOB_CHUNK_BYTES):
            _say(desk, _chunk(start))
        last = _chunk(len(DATA) // BLOB_CHUNK_BYTES * BLOB_CHUNK_BYTES)
        with monkeypatch.context() as patch, suppress(CommitFailed):
            patch.setattr(os, "fsync", refuse)
            assert desk.say("van-1", last) == []
    with open_desk(tmp_path) as desk:
        assert _say(desk, last).missing == ((0, last.offset),)


def test_f050_an_attachment_whose_file_is_gone_is_asked_for_again(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        for start in range(0, len(DATA), BLOB_CHUNK_BYTES):
            _say(desk, _chunk(start))
        path = desk.centre.blobs.path(DIGEST)
    path.unlink()
    with open_desk(tmp_path) as desk:
        assert desk.rows(t.blob) == []
        assert desk.incidents() == {"hub_regressed"}
        assert _say(desk, _chunk(0)).missing == ((32_768, len(DATA)),)


def test_a_file_without_a_row_is_known_again(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        connected(desk)
        path = desk.centre.blobs.path(DIGEST)
        path.parent.mkdir()
        path.write_bytes(DATA)
        assert _say(desk, _chunk(0)).missing == ()
        assert [r["sha256"] for r in desk.rows(t.blob)] == [DIGEST]


def test_f086_the_place_of_an_attachment_follows_from_its_digest_alone(tmp_path: Path) -> None:
    store = BlobStore(tmp_path)
    for digest in (bytes(32), b"../../../../../../../etc/passwd\0", b"\xff" * 32):
        path = store.path(digest)
        assert path.parent.parent == tmp_path / "blobs"
        assert path.name == digest.hex()


WEBP = b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + (639).to_bytes(3, "little") + (479).to_bytes(3, "little")
JPEG = b"\xff\xd8\xff\xe1\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 480, 640) + bytes(20)


@pytest.mark.parametrize(
    ("head", "picture"),
    [
        (DATA, Picture("image/png", 640, 480)),
        (JPEG, Picture("image/jpeg", 640, 480)),
        (WEBP, Picture("image/webp", 640, 480)),
    ],
)
def test_the_kind_and_size_of_a_picture_are_told_from_its_head(head: bytes, picture: Picture) -> None:
    assert picture_of(head) == picture


@pytest.mark.parametrize(
    "head",
    [
        DATA[:16] + struct.pack(">II", 12_000, 12_000),
        DATA[:16] + struct.pack(">II", 0, 480),
        DATA[:20],
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"GIF89a" + bytes(100),
        b"SIMPLE  =                    T" + bytes(100),
        b"II*\0" + bytes(100),
        b"\xff\xd8\xff\xe1\xff",
        b"",
    ],
)
def test_f084_f085_anything_else_and_any_giant_is_kept_and_never_shown_as_a_picture(head: bytes) -> None:
    assert picture_of(head) is None
    assert MAX_PIXELS == 25_000_000


def test_any_bytes_are_a_picture_or_none() -> None:
    rng = random.Random(3)
    for start in (DATA, JPEG, WEBP):
        for _ in range(2000):
            head = bytearray(start[:64])
            for _ in range(rng.randrange(6)):
                head[rng.randrange(len(head))] = rng.randrange(256)
            found = picture_of(bytes(head[: rng.randrange(65)]))
            assert found is None or isinstance(found, Picture)


def test_f089_a_chunk_that_comes_without_end_lets_nothing_grow(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    part = _Part(tmp_path, "van-1", DIGEST, len(DATA))
    for _ in range(3 * MAX_JOURNAL_BYTES // 16):
        part.write(0, b"x")
    part.write(2, b"y")

    assert part.missing() == [(1, 2), (3, len(DATA))]
    assert part._journal.stat().st_size <= MAX_JOURNAL_BYTES
    assert len(list(tmp_path.glob("*.new"))) == 0


def test_f089_an_upload_in_crumbs_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    part = _Part(tmp_path, "van-1", DIGEST, len(DATA))
    for at in range(0, 2 * (MAX_JOURNAL_BYTES // 16 + 1), 2):
        part.write(at, b"x")

    assert part.missing() == [(0, len(DATA))]
    assert not part.exists()
