"""Photos that are cut, corrupted, lies, bombs or no photos: the delivery says how it is, and nothing of it is ever opened."""

import itertools
import random
import re
import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contract.event import Damage, Outcome, Proof, Status
from contract.limits import BLOB_CHUNK_BYTES, MAX_BLOB_BYTES
from contract.messages import Blob, BlobState
from contract.picture import MAX_PIXELS
from hub.accounts.roles import Role
from hub.archive.photos import erase_photos
from hub.blobs import BlobStore
from hub.live import LiveBus
from hub.projections import all_projections
from tests.contract.delivery.memory import Device
from tests.hub.desk import Desk, connected, open_desk
from tests.hub.web.pictured import Pictured
from tests.hub.web.seeded import NOW_MS, HubClock, SeededHub

MAX_GROWTH_KIB = 32 * 1024
PHOTO_BYTES = 100_000
numbers = itertools.count(1)


def head(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


def photo(size: int = PHOTO_BYTES) -> bytes:
    """Another one each time."""
    return head(640, 480) + random.Random(next(numbers)).randbytes(size - 24)


def named(data: bytes) -> bytes:
    return sha256(data).digest()


class Evidence(Pictured):
    """A van, its hub, and who looks at its pages."""

    def __init__(self, hub: SeededHub, desk: Desk, device: Device) -> None:
        super().__init__(hub, desk, device)
        self.client = hub.signed_in(Role.VIEWER)

    def state(self, *photos: bytes) -> str:
        """The identity of a proof that names these photos, whatever came of them."""
        proof = Proof(f"stop-{next(numbers)}", Outcome.DELIVERED, ("P",), recipient="Wang", photos=photos)
        identity = self.device.store.keep(proof).hex()
        self.prove(f"B{next(numbers)}")
        return identity

    def pictures(self, identity: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"/api/v1/deliveries/{identity}")
        assert answer.status_code == 200, answer.text
        told: list[dict[str, Any]] = answer.json()["pictures"]
        return told

    def page(self, identity: str) -> str:
        answer = self.client.get(f"/deliveries/{identity}")
        assert answer.status_code == 200
        return answer.text

    def verified(self, identity: str) -> dict[str, Any]:
        told: dict[str, Any] = self.client.get(f"/api/v1/deliveries/{identity}/verify").json()
        return told

    def upload(self, blob: Blob, store: BlobStore | None = None) -> BlobState:
        """To a hub that has just started, if that is another store."""
        if store is not None:
            with self.desk.centre.db.write() as tx:
                return store.take(tx, "van-1", blob, NOW_MS)[0]
        (state,) = self.desk.say("van-1", blob)
        assert isinstance(state, BlobState)
        return state


def piece(data: bytes, start: int, end: int) -> Blob:
    part = data[start:end]
    return Blob(named(data), len(data), start, part, named(part))


def begin(evidence: Evidence, data: bytes) -> None:
    """60 % of it."""
    for start in (0, 30_000):
        evidence.upload(piece(data, start, start + 30_000))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    folder = tmp_path_factory.mktemp("evidence")
    with open_desk(folder / "hub", projections=all_projections(), now_ms=NOW_MS) as desk:
        clock = HubClock(NOW_MS)
        yield Evidence(SeededHub(desk.centre.db, clock, LiveBus(clock)), desk, connected(desk))


# -- on the way --------------------------------------------------------------------------------------------------------


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.sets(st.integers(1, PHOTO_BYTES - 1), max_size=5), order=st.randoms(use_true_random=False))
def test_f081_the_delivery_says_how_much_came_wherever_the_upload_was_cut(
    evidence: Evidence, cuts: set[int], order: random.Random
) -> None:
    data = photo()
    identity = evidence.state(named(data))
    assert [(one["state"], one["percent"]) for one in evidence.pictures(identity)] == [("pending", 0)]

    pieces = list(itertools.pairwise([0, *sorted(cuts), PHOTO_BYTES]))
    order.shuffle(pieces)
    came = 0
    for start, end in pieces[:-1]:
        # Each time after a restart of the hub: nothing is known but what is on its disk.
        evidence.upload(piece(data, start, end), BlobStore(evidence.desk.centre.db.folder))
        came += end - start
        percent = came * 100 // PHOTO_BYTES
        assert [(one["state"], one["percent"]) for one in evidence.pictures(identity)] == [("coming", percent)]
    if came:
        assert f"photo pending, {came * 100 // PHOTO_BYTES} % came" in evidence.page(identity)

    assert evidence.upload(piece(data, *pieces[-1]), BlobStore(evidence.desk.centre.db.folder)).missing == ()
    assert [(one["state"], one["percent"]) for one in evidence.pictures(identity)] == [("here", 100)]
    assert evidence.client.get(f"/photos/{named(data).hex()}").content == data


def test_f082_a_corrupted_part_of_a_photo_moves_nothing(evidence: Evidence) -> None:
    data = photo()
    identity = evidence.state(named(data))
    begin(evidence, data)
    good = piece(data, 60_000, 80_000)
    bad = replace(good, data=good.data[:-1] + bytes([good.data[-1] ^ 1]))

    assert evidence.upload(bad).missing == ((60_000, PHOTO_BYTES),)
    assert evidence.pictures(identity)[0]["percent"] == 60
    told = evidence.verified(identity)
    assert (told["ok"], told["items"][-1]["ok"]) == (True, None)
    assert told["items"][-1]["detail"].endswith("60 % came")


def test_f083_a_photo_that_is_another_in_the_end_is_pending_again_until_the_right_one_comes(evidence: Evidence) -> None:
    data, other = photo(), photo()
    identity = evidence.state(named(data))
    begin(evidence, data)
    lies = [replace(piece(other, *at), sha256=named(data)) for at in ((60_000, 80_000), (80_000, PHOTO_BYTES))]

    assert [evidence.upload(lie).missing for lie in lies] == [((80_000, PHOTO_BYTES),), ((0, PHOTO_BYTES),)]
    assert [(one["state"], one["percent"]) for one in evidence.pictures(identity)] == [("pending", 0)]
    assert "photo pending" in evidence.page(identity)
    assert evidence.client.get(f"/photos/{named(data).hex()}").status_code == 404
    assert "blob_refused" in evidence.desk.incidents()

    evidence.arrive(data)
    assert evidence.pictures(identity)[0]["state"] == "here"
    assert evidence.verified(identity)["ok"] is True


def test_f081_what_another_device_says_of_a_photo_does_not_hide_what_came(evidence: Evidence) -> None:
    data = photo()
    identity = evidence.state(named(data))
    begin(evidence, data)
    # Same name, another size, nearly all of it: sorted before the van's own.
    crumb = b"x" * 99
    with evidence.desk.centre.db.write() as tx:
        evidence.desk.centre.blobs.take(tx, "attic", Blob(named(data), 100, 0, crumb, named(crumb)), NOW_MS)

    assert evidence.pictures(identity)[0]["percent"] == 60


# -- bombs and other files ---------------------------------------------------------------------------------------------


def png_bomb() -> bytes:
    """A whole picture of 12,000 x 12,000 in 20 kB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    size = struct.pack(">IIBBBBB", 12_000, 12_000, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(1_501 * 12_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg_frame(width: int, height: int) -> bytes:
    return b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"


BOMBS = {
    "png": png_bomb(),
    "jpeg": b"\xff\xd8" + jpeg_frame(12_000, 12_000) + bytes(1_000),
    "jpeg-of-two-sizes": b"\xff\xd8" + jpeg_frame(64, 64) + jpeg_frame(12_000, 12_000) + bytes(1_000),
    "jpeg-that-begins-large": b"\xff\xd8" + jpeg_frame(12_000, 12_000) + jpeg_frame(64, 64) + bytes(1_000),
    "webp": b"RIFF\x20\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (11_999).to_bytes(3, "little") * 2 + bytes(100),
    "gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(100),
    "tiff": b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 256, 4, 1, 2**31) + bytes(100),
    "fits": b"SIMPLE  =                    T".ljust(80) + b"NAXIS1  =           2147483647".ljust(2_800),
    "one-pixel-too-many": head(MAX_PIXELS + 1, 1) + bytes(100),
    "no-pixel": head(0, 480) + bytes(100),
}
OTHERS = {
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "html": b"<!doctype html><script>alert(1)</script>",
    "html-behind-a-mark": b"\xef\xbb\xbf<html><script>alert(1)</script>",
    "pdf": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj",
    "zip": b"PK\x03\x04" + bytes(100),
    "signature-with-a-script": b'{"kind":"holdfast-signature","version":1,"height":"<script>","strokes":[]}',
    "nearly-png": b"\x89PNG\r\n\x1a\n<script>alert(1)</script>",
}


def peak_kib() -> int:
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


def test_f084_a_picture_that_explodes_is_kept_as_evidence_and_opened_by_nobody(evidence: Evidence) -> None:
    # Once, so that what any page needs is there.
    plain = photo()
    evidence.page(evidence.state(named(plain)))
    identities = {name: evidence.state(named(data)) for name, data in BOMBS.items()}
    # The peak so far is forgotten: proc(5), clear_refs.
    Path("/proc/self/clear_refs").write_text("5")
    before_kib = peak_kib()
    for name, data in BOMBS.items():
        evidence.arrive(data)
        told = evidence.pictures(identities[name])
        assert [(one["state"], one["media_type"]) for one in told] == [("here", "")], name
        body = evidence.page(identities[name])
        assert "no picture that can be shown; get the file" in body
        assert '<img src="/photos' not in body
        assert evidence.verified(identities[name])["ok"] is True
        assert evidence.client.get(f"/api/v1/blobs/{named(data).hex()}").content == data
    assert peak_kib() - before_kib < MAX_GROWTH_KIB


@pytest.mark.parametrize("name", [*OTHERS, *BOMBS])
def test_f085_what_is_no_photo_is_a_file_that_no_browser_opens(evidence: Evidence, name: str) -> None:
    data = (OTHERS | BOMBS)[name]
    identity = evidence.state(named(data))
    evidence.arrive(data)

    for address in (f"/photos/{named(data).hex()}", f"/api/v1/blobs/{named(data).hex()}"):
        answer = evidence.client.get(address)
        assert answer.content == data
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment; filename=")
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert '<img src="/photos' not in evidence.page(identity)


def test_f085_a_photo_that_is_a_page_as_well_is_a_photo_and_nothing_else(evidence: Evidence) -> None:
    data = b"\xff\xd8" + jpeg_frame(640, 480) + b"\xff\xda<!doctype html><script>alert(1)</script>"
    identity = evidence.state(named(data))
    evidence.arrive(data)

    assert f'<img src="/photos/{named(data).hex()}"' in evidence.page(identity)
    for address in (f"/photos/{named(data).hex()}", f"/api/v1/blobs/{named(data).hex()}"):
        answer = evidence.client.get(address, headers={"accept": "text/html"})
        assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("image/jpeg", "nosniff")
        assert "script-src 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/blobs",
        "../" * 21 + "x",
        "0" * 62 + "..",
        "\uff10" * 64,
        "A" * 64,
        "0" * 64 + "%00",
        "incoming",
    ],
)
def test_f086_no_address_leads_out_of_the_folder_of_photos(evidence: Evidence, name: str) -> None:
    for path in ("/photos/", "/api/v1/blobs/", "/deliveries/", "/api/v1/deliveries/"):
        assert evidence.client.get(path + name).status_code in {404, 422}


# -- without the other -------------------------------------------------------------------------------------------------


def test_f087_a_proof_waits_for_its_photo_and_a_photo_without_a_proof_shows_on_no_delivery(evidence: Evidence) -> None:
    alone, data = photo(), photo()
    identity = evidence.state(named(data))
    evidence.arrive(alone)

    assert [one["state"] for one in evidence.pictures(identity)] == ["pending"]
    assert named(alone).hex() not in evidence.page(identity)
    # It is here for whoever knows its name, until a proof tells what it shows.
    late = evidence.state(named(alone))
    assert [one["state"] for one in evidence.pictures(late)] == ["here"]


@pytest.mark.parametrize("data", [photo(), head(6_000, 5_000) + b"of a new phone", b"of a kind that nobody shows"])
def test_photos_are_erased_when_their_time_is_over_of_whatever_kind_they_are(evidence: Evidence, data: bytes) -> None:
    identity = evidence.state(named(data))
    centre = evidence.desk.centre
    with centre.db.write() as tx:
        # An open incident of the device would hold them, and the van of these tests has some.
        BlobStore(centre.db.folder).take(tx, "van-9", piece(data, 0, len(data)), NOW_MS)
    erase_photos(centre.db, centre.blobs, NOW_MS + 1, NOW_MS + 2)

    assert [one["state"] for one in evidence.pictures(identity)] == ["erased"]
    assert not centre.blobs.path(named(data)).exists()


def test_f089_a_device_that_sends_without_end_is_refused_by_name_and_its_proofs_still_open(evidence: Evidence) -> None:
    data = photo()
    identity = evidence.state(named(data))
    full = BlobStore(evidence.desk.centre.db.folder, quota_bytes=PHOTO_BYTES - 1)
    with evidence.desk.centre.db.write() as tx:
        state, (report,) = full.take(tx, "van-1", piece(data, 0, BLOB_CHUNK_BYTES), NOW_MS)

    assert state.refused == report.detail == f"attachments of van-1 would take more than {PHOTO_BYTES - 1} bytes"
    assert [one["state"] for one in evidence.pictures(identity)] == ["pending"]
    # As a device does that is told so.
    evidence.device.store.keep(Status(Damage("blob_refused", f"{named(data).hex()}: {state.refused}")))
    evidence.prove(f"B{next(numbers)}")
    assert [(one["state"], one["why"]) for one in evidence.pictures(identity)] == [("refused", state.refused)]
    why = "photo refused, it will not come: the pictures of its device have used up their room at the hub"
    assert why in evidence.page(identity)
    assert "Photo 1: refused, it will not come" in evidence.client.get("/tracking/P").text
    assert evidence.verified(identity)["items"][-1]["detail"] == f"{named(data).hex()}: it will not come"
    # Whose proof it is does not matter to another device.
    with evidence.desk.centre.db.write() as tx:
        free = BlobStore(evidence.desk.centre.db.folder, quota_bytes=PHOTO_BYTES)
        assert free.take(tx, "van-2", piece(data, 0, BLOB_CHUNK_BYTES), NOW_MS)[0].refused == ""


def test_a_photo_that_its_device_finds_damaged_in_the_middle_will_not_come(evidence: Evidence) -> None:
    data = photo()
    identity = evidence.state(named(data))
    with evidence.desk.centre.db.write() as tx:
        BlobStore(evidence.desk.centre.db.folder).take(tx, "van-1", piece(data, 0, BLOB_CHUNK_BYTES), NOW_MS)
    assert [one["state"] for one in evidence.pictures(identity)] == ["coming"]
    evidence.device.store.keep(Status(Damage("blob_refused", f"{named(data).hex()}: corrupt")))
    evidence.prove(f"B{next(numbers)}")
    assert [(one["state"], one["why"]) for one in evidence.pictures(identity)] == [("refused", "corrupt")]
    assert "photo refused, it will not come: its file on the device is damaged" in evidence.page(identity)


def test_f089_a_photo_larger_than_any_is_no_message_at_all(evidence: Evidence) -> None:
    data = b"x" * 100

    assert evidence.desk.say("van-1", Blob(named(data), MAX_BLOB_BYTES + 1, 0, data, named(data))) == []
    assert evidence.pictures(evidence.state(named(data)))[0]["state"] == "pending"
