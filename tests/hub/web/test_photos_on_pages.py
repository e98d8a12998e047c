"""Photos and signatures beside the steps that they prove."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.signature import MAX_SIGNATURE_BYTES
from hub.accounts.roles import Role
from hub.archive.photos import erase_photos
from hub.blobs import place_of
from hub.deliveries.tables import delivery
from tests.hub.web.pictured import DOOR, LATE, SCRIPT, SIGNED, STROKES, Pictured, named, pictured
from tests.hub.web.seeded import NOW_MS


@pytest.fixture
def shown(tmp_path: Path) -> Iterator[Pictured]:
    with pictured(tmp_path / "hub") as made:
        yield made


def test_a_proof_shows_its_photos_and_its_signature_and_says_what_is_not_here_yet(shown: Pictured) -> None:
    shown.prove("P1", DOOR, LATE, signature=SIGNED)
    shown.arrive(DOOR)
    shown.arrive(SIGNED)
    body = shown.hub.signed_in().get("/tracking/P1").text
    pictures = re.findall(r'<img src="/photos/(\w+)" alt="([^"]+)"[^>]* loading="lazy"', body)
    assert pictures == [(named(DOOR), "Photo 1, delivered"), (named(SIGNED), "Signature, delivered")]
    assert "Photo 2: not here yet" in body
    shown.arrive(LATE)
    assert f'<img src="/photos/{named(LATE)}"' in shown.hub.signed_in().get("/tracking/P1").text


def test_an_erased_photo_is_said_to_be_erased_and_is_handed_out_no_more(shown: Pictured) -> None:
    shown.prove("P1", DOOR)
    shown.arrive(DOOR)
    assert erase_photos(shown.desk.centre.db, shown.desk.centre.blobs, NOW_MS + 1, NOW_MS + 2) == 1
    client = shown.hub.signed_in()
    body = client.get("/tracking/P1").text
    assert "Photo 1: erased, its time is over" in body
    assert '<img src="/photos/' not in body
    assert client.get(f"/photos/{named(DOOR)}").status_code == 404
    # Nor is a file whose removal failed, until the next attempt.
    place_of(shown.desk.centre.db.folder, bytes.fromhex(named(DOOR))).write_bytes(DOOR)
    assert client.get(f"/photos/{named(DOOR)}").status_code == 404


def test_a_photo_is_for_whoever_is_signed_in_and_is_asked_about_each_time(shown: Pictured) -> None:
    shown.prove("P1", DOOR)
    shown.arrive(DOOR)
    address = f"/photos/{named(DOOR)}"
    assert shown.hub.client().get(address).status_code in {303, 401}
    client = shown.hub.signed_in(Role.VIEWER)
    answer = client.get(address)
    assert (answer.content, answer.headers["content-type"]) == (DOOR, "image/png")
    assert answer.headers["cache-control"] == "private,no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = client.get(address, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    client.cookies.clear()
    assert client.get(address, headers={"if-none-match": answer.headers["etag"]}).status_code != 304


def test_what_is_no_picture_is_a_file_to_keep_and_never_one_to_open(shown: Pictured) -> None:
    shown.prove("P1", SCRIPT)
    shown.arrive(SCRIPT)
    client = shown.hub.signed_in()
    body = client.get("/tracking/P1").text
    assert "Photo 1: a file that is no picture" in body
    assert '<img src="/photos/' not in body
    answer = client.get(f"/photos/{named(SCRIPT)}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_strokes_of_a_pen_are_drawn_beside_the_step_and_the_delivery(shown: Pictured) -> None:
    shown.prove("P1", signature=STROKES)
    shown.arrive(STROKES)
    client = shown.hub.signed_in(Role.VIEWER)
    picture = f'<img src="/photos/{named(STROKES)}"'
    (proof,) = shown.desk.rows(delivery)
    for page in ("/tracking/P1", f"/deliveries/{proof['fact_id'].hex()}"):
        assert picture in client.get(page).text
    answer = client.get(f"/photos/{named(STROKES)}")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert '<polyline points="1000,1000 9000,3000"/>' in answer.text
    # Programs get the record itself, as a file.
    record = client.get(f"/api/v1/blobs/{named(STROKES)}")
    assert record.content == STROKES
    assert record.headers["content-type"] == "image/vnd.holdfast.signature+json"
    assert record.headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b'{"kind":"holdfast-signature"}',
        STROKES.replace(b"1000", b"99999"),
        STROKES.replace(b"[1000,", b'["<script>",'),
        STROKES.replace(b'"version"', b'"onload":"alert(1)","version"'),
        STROKES.ljust(MAX_SIGNATURE_BYTES + 1),
    ],
)
def test_strokes_that_are_none_are_a_file_to_keep(shown: Pictured, data: bytes) -> None:
    shown.prove("P1", signature=data)
    shown.arrive(data)
    client = shown.hub.signed_in()
    assert "Signature: a file that is no picture" in client.get("/tracking/P1").text
    answer = client.get(f"/photos/{named(data)}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_drawn_signature_is_erased_with_the_photos(shown: Pictured) -> None:
    shown.prove("P1", signature=STROKES)
    shown.arrive(STROKES)
    assert erase_photos(shown.desk.centre.db, shown.desk.centre.blobs, NOW_MS + 1, NOW_MS + 2) == 1
    client = shown.hub.signed_in()
    assert "Signature: erased, its time is over" in client.get("/tracking/P1").text
    assert client.get(f"/photos/{named(STROKES)}").status_code == 404


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("recipient_accepts,damaged", "the recipient accepts it as it is; parcel damaged"),
        ("damaged,code_of_tomorrow", "parcel damaged; code_of_tomorrow"),
        ("the aunt has it, all is well", "the aunt has it, all is well"),
    ],
)
def test_codes_of_a_reason_are_said_in_words(shown: Pictured, reason: str, told: str) -> None:
    shown.prove("P1", reason=reason)
    client = shown.hub.signed_in()
    assert f"<q>{told}</q>" in client.get("/tracking/P1").text
    (proof,) = shown.desk.rows(delivery)
    assert f"<dd>{told}</dd>" in client.get(f"/deliveries/{proof['fact_id'].hex()}").text


def test_a_file_that_is_gone_is_no_photo(shown: Pictured) -> None:
    shown.prove("P1", DOOR)
    shown.arrive(DOOR)
    place_of(shown.desk.centre.db.folder, bytes.fromhex(named(DOOR))).unlink()
    client = shown.hub.signed_in()
    assert client.get(f"/photos/{named(DOOR)}").status_code == 404
    assert client.get("/photos/../../etc/passwd").status_code in {404, 422}
    assert client.get("/photos/" + "Z" * 64).status_code == 422
