"""Proofs as the interface tells them, with their pictures and contradictions."""

from hashlib import sha256

import pytest
from sqlalchemy import insert

from contract.event import Fix, Outcome
from contract.fact import encode_core
from contract.messages import Blob
from hub import tables as t
from hub.blobs import BlobStore
from tests.hub.folding import dump, folded
from tests.hub.routes.dispatching import DAY, NOW_MS, Dispatch, order

R1 = f"{DAY}-van-1"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360f8cfc0f01f0005050201a5f645400000000049454e44ae426082"
)


@pytest.fixture
def day(desk: Dispatch) -> Dispatch:
    for name in ("van-1", "van-2"):
        desk.device(name)
    desk.van("van-1", "van-1")
    desk.ships(*(order(n) for n in range(4)))
    desk.routes()
    desk.ask("POST", f"/routes/{R1}/assign", json={})
    return desk


def send(desk: Dispatch, data: bytes, parts: int | None = None) -> bytes:
    """An attachment, or so many of its parts of 100 bytes."""
    store, digest = BlobStore(desk.database.folder), sha256(data).digest()
    pieces = [data[at : at + 100] for at in range(0, len(data), 100)]
    for n, piece in enumerate(pieces[:parts]):
        with desk.database.write() as tx:
            store.take(tx, "van-1", Blob(digest, len(data), n * 100, piece, sha256(piece).digest()), NOW_MS)
    return digest


def test_a_proof_is_told_with_all_that_was_stated(day: Dispatch) -> None:
    stop = day.route()["items"][0]
    identity = day.prove(
        "van-1",
        stop["stop"],
        Outcome.DELIVERED,
        *stop["parcels"],
        known_ms=NOW_MS + 90_000,
        recipient="Frau Sommer",
        relation="neighbour",
        notes="back door",
        fix=Fix(312_304_000, 1_214_737_000, 12, 4),
        cold_verdict="ok",
        cold_budget_s=24_000,
    )
    told = day.ask("GET", f"/deliveries/{identity}")
    assert {
        name: told[name] for name in ("outcome", "delivered", "recipient", "relation", "cold_budget_s", "fix_age_s")
    } == {
        "outcome": "delivered",
        "delivered": stop["parcels"],
        "recipient": "Frau Sommer",
        "relation": "neighbour",
        "cold_budget_s": 24_000,
        "fix_age_s": 4,
    }
    assert (told["happened_at"], told["known_at"]) == ("2026-06-01T06:00:00Z", "2026-06-01T06:01:30Z")
    assert (told["name"], told["route"], told["stop_status"], told["conflict"]) == (
        stop["name"],
        R1,
        "delivered",
        False,
    )


def test_a_proof_is_there_before_its_photos_and_says_how_much_of_them_came(day: Dispatch) -> None:
    here, half = send(day, PNG), send(day, bytes(500), parts=3)
    away = sha256(b"on the device").digest()
    identity = day.prove("van-1", day.stops()[0], Outcome.DELIVERED, signature=here, photos=(half, away))
    pictures = day.ask("GET", f"/deliveries/{identity}")["pictures"]
    assert [(one["signature"], one["state"], one["percent"]) for one in pictures] == [
        (True, "here", 100),
        (False, "coming", 60),
        (False, "pending", 0),
    ]
    answer = day.client.get(f"/api/v1/blobs/{here.hex()}")
    assert (answer.content, answer.headers["content-type"]) == (PNG, "image/png")
    assert day.client.get(f"/api/v1/blobs/{away.hex()}").status_code == 404


def test_a_file_that_is_no_picture_is_never_opened_by_a_browser(day: Dispatch) -> None:
    digest = send(day, b"<script>alert(1)</script>")
    answer = day.client.get(f"/api/v1/blobs/{digest.hex()}")
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_two_couriers_on_one_stop_are_both_kept_and_shown(day: Dispatch) -> None:
    stop = day.route()["items"][0]
    first = day.prove("van-1", stop["stop"], Outcome.DELIVERED, *stop["parcels"])
    day.clock.ms += 60_000
    second = day.prove("van-2", stop["stop"], Outcome.REFUSED, *stop["parcels"], reason="damaged")
    for identity, other in ((first, second), (second, first)):
        told = day.ask("GET", f"/deliveries/{identity}")
        assert (told["stop_status"], told["conflict"], told["others"]) == ("delivered", True, [other])
    route = day.route()
    assert (route["conflicts"], route["items"][0]["deliveries"]) == (1, [first, second])
    assert [one["id"] for one in day.ask("GET", f"/deliveries?stop={stop['stop']}")["items"]] == [second, first]


def test_a_proof_of_a_stop_that_was_cancelled_meanwhile_is_kept_and_shown_as_such(day: Dispatch) -> None:
    stop = day.stops()[0]
    day.ask("PATCH", f"/routes/{R1}", json={"cancel": [stop]})
    identity = day.prove("van-1", stop, Outcome.DELIVERED, at_ms=NOW_MS + 60_000)
    told = day.ask("GET", f"/deliveries/{identity}")
    assert (told["cancelled"], told["stop_status"]) == (True, "delivered")
    assert day.route()["items"][0]["status"] == "delivered"


def test_a_proof_of_a_stop_that_this_hub_never_planned_is_kept(day: Dispatch) -> None:
    identity = day.prove("van-1", "stop of another hub", Outcome.DELIVERED, "P")
    told = day.ask("GET", f"/deliveries/{identity}")
    assert (told["name"], told["stop_status"]) == ("", "delivered")


def test_deliveries_are_listed_page_by_page(day: Dispatch) -> None:
    made = [day.prove("van-1", stop, Outcome.ATTEMPTED, at_ms=NOW_MS + n) for n, stop in enumerate(day.stops())]
    found, cursor = [], ""
    while cursor is not None:
        page = day.ask("GET", f"/deliveries?limit=3&cursor={cursor}")
        found += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert found == made[::-1]
    assert day.client.get("/api/v1/deliveries?cursor=x").status_code == 400
    beyond_any_integer = "9" * 40 + "." + "a" * 64
    assert day.client.get(f"/api/v1/deliveries?cursor={beyond_any_integer}").status_code == 400


def test_deliveries_come_out_the_same_in_any_order_of_arrival(day: Dispatch) -> None:
    stops = day.stops()
    for n, stop in enumerate([*stops, *stops]):
        day.prove("van-1", stop, Outcome.ATTEMPTED if n < 4 else Outcome.DELIVERED, at_ms=NOW_MS + n)
    facts = day.ledger.facts
    forward, backward = folded([facts]), folded([[fact] for fact in reversed(facts)])
    assert forward["delivery"] == backward["delivery"]
    with day.database.read() as conn:
        assert dump(conn)["delivery"] == forward["delivery"]


def test_verification_tells_a_photo_that_was_changed_on_disk(day: Dispatch) -> None:
    digest = send(day, PNG)
    identity = bytes.fromhex(day.prove("van-1", day.stops()[0], Outcome.DELIVERED, photos=(digest,)))
    known = next(fact for fact in day.ledger.facts if fact.fact_id == identity)
    core = encode_core(known.fact)
    with day.database.write() as tx:
        tx.execute(insert(t.fact).values(seq=1, fact_id=identity, device="van-1", core=core, received_ms=NOW_MS))
    path = f"/deliveries/{identity.hex()}/verify"
    told = day.ask("GET", path)
    assert (told["ok"], [(one["what"], one["ok"]) for one in told["items"]]) == (
        True,
        [("core", True), ("shown", True), ("chain", None), ("photo", True)],
    )
    BlobStore(day.database.folder).path(digest).write_bytes(PNG[:-1] + b"!")
    told = day.ask("GET", path)
    assert told["ok"] is False
    assert told["items"][-1]["detail"] == f"{digest.hex()}: its file was changed"
    with day.database.write() as tx:
        tx.execute(t.fact.update().values(core=core[:-1] + b"!"))
    assert day.ask("GET", path)["items"][0] == {
        "what": "core",
        "ok": False,
        "detail": "its content hashes to another identity; it was changed",
        "withheld": [],
    }
