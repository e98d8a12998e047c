"""Proofs in a real browser: outcomes, pictures that are here or still come, contradictions, and whether all is as stated."""

import random
import re
import struct
import zlib
from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import pytest
from playwright.sync_api import Browser, expect

from contract.delivery.device_states import Appended
from contract.event import Fix, Outcome, Proof
from contract.limits import BLOB_CHUNK_BYTES
from contract.messages import Blob
from hub.accounts.roles import Role
from hub.archive.withholding import withhold_personal
from hub.deliveries.correcting import count_again
from hub.deliveries.queries import find_proof
from hub.deliveries.state import ProofView
from hub.live import CONTACT
from hub.projector import Change
from tests.contract.delivery.memory import Device
from tests.hub.desk import connected
from tests.hub.routes.dispatching import DEPOT, Dispatch, order
from tests.hub.web.afternoon import NAMES
from tests.hub.web.looking import LOOKS, PICTURES, THERE, problems_of
from tests.hub.web.pictured import DOOR, STROKES, Pictured, named, pictured
from tests.hub.web.seeded import HOUR_MS, NOW_MS
from tests.hub.web.serving import served
from tests.hub.web.test_pages import visit

pytestmark = pytest.mark.slow

TODAY: Final = "2026-05-29"
NOTE: Final = "Behind the blue door <b>left</b>\nrang twice"
TYPED: Final = ("another street", "the right one after all", "token test")
KEY = re.compile("[0-9a-f]{64}")


def large_photo() -> bytes:
    """Of five chunks: a picture that does not get smaller."""
    side = 233
    rng = random.Random(1)
    rows = b"".join(b"\0" + rng.randbytes(side * 3) for _ in range(side))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    body = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


PHOTO: Final = large_photo()


def send_chunks(shown: Pictured, data: bytes, chunks: range) -> None:
    for n in chunks:
        part = data[n * BLOB_CHUNK_BYTES : (n + 1) * BLOB_CHUNK_BYTES]
        shown.desk.say(
            "van-1", Blob(sha256(data).digest(), len(data), n * BLOB_CHUNK_BYTES, part, sha256(part).digest())
        )


def prove(shown: Pictured, device: Device, proof: Proof, *files: bytes, ago_ms: int) -> str:
    """As a device states it, so long ago; the proof's identity. Pictures that it holds come with the next ones."""
    device.store.began_ms = NOW_MS - ago_ms
    for data in files:
        device.store.blobs[sha256(data).digest()] = data
    identity = device.store.keep(proof)
    device.feed(Appended())
    shown.desk.settle(shown.device, *([device] if device is not shown.device else []))
    return identity.hex()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pictured, str, dict[str, str]]]:
    """Five stops, and what two vans say of them."""
    with pictured(tmp_path_factory.mktemp("proofs")) as made:
        client = made.hub.client()
        client.headers["authorization"] = f"Bearer {made.hub.token(Role.DISPATCHER)}"
        day = Dispatch(made.hub, made.hub.clock, client)
        second = connected(made.desk, "van-2", seed=2)
        day.van("van-1", "van-1", zone="Asia/Shanghai", shift_from_min=0, shift_to_min=24 * 60)
        day.ships(*(order(n, day=TODAY, consignee=NAMES[n], parcels=[f"JD{n}A", f"JD{n}B"]) for n in range(5)))
        day.ask("POST", "/routes", json={"day": TODAY, "seconds": 0.1})
        stops = {item["name"]: item["stop"] for item in day.ask("GET", f"/routes/{TODAY}-van-1")["items"]}
        a, b, c, d, e = (stops[name] for name in NAMES)
        day.ask("PATCH", f"/routes/{TODAY}-van-1", json={"cancel": [d], "why": "moved away"})
        fix = Fix(round(DEPOT[0] * 1e7), round(DEPOT[1] * 1e7), 8, 12)
        photos = (sha256(DOOR).digest(), sha256(PHOTO).digest())
        proofs = {
            "whole": prove(
                made, made.device,
                Proof(a, Outcome.DELIVERED, ("JD0A", "JD0B"), (), recipient="Wang Xiaoming", relation="consignee",
                      notes=NOTE, fix=fix, cold_verdict="inside", cold_budget_s=6 * 3600 + 600,
                      signature=sha256(STROKES).digest(), photos=photos),
                DOOR, STROKES, ago_ms=2 * HOUR_MS),
            "attempted": prove(made, made.device, Proof(b, Outcome.ATTEMPTED, (), ("JD1A", "JD1B"), "nobody_home"),
                               ago_ms=90 * 60_000),
            "ours": prove(made, made.device, Proof(c, Outcome.DELIVERED, ("JD2A", "JD2B"), (), recipient="Li",
                                                     relation="neighbour"), ago_ms=60 * 60_000),
            "theirs": prove(made, second, Proof(c, Outcome.REFUSED, (), ("JD2A", "JD2B"), "damaged"), ago_ms=50 * 60_000),
            "cancelled": prove(made, made.device, Proof(d, Outcome.DELIVERED, ("JD3A", "JD3B"), (), recipient="Li Na"),
                               ago_ms=40 * 60_000),
            "exceeded": prove(made, made.device,
                Proof(e, Outcome.DELIVERED, ("JD4A",), ("JD4B",), "cold_exceeded,recipient_accepts", recipient="药剂科",
                      relation="reception", cold_verdict="exceeded", cold_budget_s=0), ago_ms=5 * HOUR_MS),
        }  # fmt: skip
        made.hub.on_decide = lambda decision: made.desk.changes.extend(made.desk.centre.decide(decision)[1])
        for what, why in (
            ("corrections", "another street"),
            ("restore", "the right one after all"),
            ("corrections", "no"),
        ):
            day.ask("POST", f"/deliveries/{proofs['attempted']}/{what}", json={"reason": why})
        [left] = day.ask("GET", f"/shipments/undone?day={TODAY}")["items"]
        numbers = [left["shipment"]["id"]]
        again = day.ask("POST", "/shipments/again", json={"shipments": numbers, "day": TODAY})["stops"][0]["stop"]
        proofs["second"] = prove(
            made,
            made.device,
            Proof(again, Outcome.DELIVERED, ("JD4B",), (), recipient="药剂科", relation="reception"),
            ago_ms=30 * 60_000,
        )
        made.arrive(DOOR)
        made.arrive(STROKES)
        send_chunks(made, PHOTO, range(3))
        with served(made.hub) as address:
            yield made, address, proofs


@pytest.mark.parametrize(("width", "scheme", "locale"), LOOKS)
def test_proofs_are_shown_whole_in_both_languages_on_wide_screens_and_phones(
    browser: Browser, shown: tuple[Pictured, str, dict[str, str]], width: int, scheme: str, locale: str
) -> None:
    made, address, proofs = shown
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "locale": locale}
    wrong: dict[str, list[str]] = {}
    with visit(browser, made.hub, address, **THERE, **look) as opened:
        for name, path in {
            "deliveries": "/deliveries",
            **{key: f"/deliveries/{one}" for key, one in proofs.items()},
        }.items():
            page = opened.go(path)
            if name == "whole":
                # By the keyboard: where a picture comes the button moves away from a pointer.
                page.locator("#verify button").press("Enter")
                expect(page.locator(".checked li")).to_have_count(6)
                expect(page.locator("li[data-state=coming] span")).to_contain_text(re.compile("60 ?%"))
            page.screenshot(path=PICTURES / f"proof-{name}-{width}-{scheme}-{locale[:2]}.png", full_page=True)
            if found := problems_of(page, chinese=locale == "zh-CN", given=(*NAMES, NOTE, *TYPED)):
                wrong[name] = found
        opened.wrong[:] = [told for told in opened.wrong if "inline style" not in told]
    assert wrong == {}


def test_a_proof_says_who_signed_whether_it_was_cold_and_what_is_still_on_its_way(
    browser: Browser, shown: tuple[Pictured, str, dict[str, str]]
) -> None:
    made, address, proofs = shown
    with visit(browser, made.hub, address, **THERE, locale="en-GB") as opened:
        page = opened.go(f"/deliveries/{proofs['whole']}")
        facts = page.locator(".facts")
        for text in ("Wang Xiaoming the consignee", "within the limits", "6 h 10 min", "± 8 m", "van-1"):
            expect(facts).to_contain_text(text)
        assert page.locator("main .notes").inner_text() == NOTE
        page.wait_for_function(
            "() => [...document.querySelectorAll('.pictures img')].every((one) => one.complete && one.naturalWidth > 0)"
        )
        page.get_by_role("button", name="Verify").press("Enter")
        expect(page.locator(".checked li")).to_have_count(6)
        told = page.locator(".checked li").all_inner_texts()
        assert [re.sub(r" ?\S{20,}.*| position.*", "", one) for one in told] == [
            "✓ what the device stated hashes to its identity: right",
            "✓ what this page shows is what the device stated: right",
            "✓ its place follows in the device's chain: right",
            "✓ drawn signature: right",
            "✓ photo: right",
            "? photo: cannot be checked yet",
        ]
        page = opened.go(f"/deliveries/{proofs['second']}")
        expect(page.locator(".facts")).to_contain_text(f"attempt 2, after delivered in part, {TODAY}")
        page.get_by_role("link", name="delivered in part").click()
        expect(page.locator(".facts")).to_contain_text("cold limit exceeded")
        page = opened.go(f"/deliveries/{proofs['cancelled']}")
        expect(page.locator(".said")).to_contain_text("The stop was cancelled at the hub")
        page = opened.go(f"/deliveries/{proofs['exceeded']}")
        expect(page.locator(".facts")).to_contain_text("cold limit exceeded; the recipient accepts it as it is")


def test_the_wrong_one_of_two_proofs_is_taken_back_with_a_reason_and_counts_again(
    browser: Browser, shown: tuple[Pictured, str, dict[str, str]]
) -> None:
    made, address, proofs = shown
    with visit(browser, made.hub, address, **THERE, locale="en-GB") as opened:
        page = opened.go(f"/deliveries/{proofs['ours']}")
        expect(page.locator("#against")).to_contain_text("This one counts until a person corrects it.")
        page.locator("#against").get_by_role("link", name="refused").click()
        expect(page.locator(".facts")).to_contain_text("parcel damaged")
        expect(page.locator("#against")).to_contain_text("This one does not decide what the stop has come to.")
        page.locator("#against").get_by_role("link", name="delivered").click()
        expect(page).to_have_url(re.compile(proofs["ours"]))
        page.get_by_text("Correct this proof").click()
        page.get_by_role("textbox", name="Reason").fill("  ")
        page.get_by_role("button", name="Take this proof back").click()
        expect(page.get_by_role("alert")).to_contain_text("Say why")
        page.get_by_role("textbox", name="Reason").fill("the house next door")
        page.get_by_role("button", name="Take this proof back").click()
        expect(page.get_by_role("status").filter(has_text="Taken back.")).to_be_visible()
        expect(page.locator("[data-refresh=corrections] tbody tr")).to_have_text(
            re.compile(r"dispatcher.*takes the proof back.*stands.*the house next door", re.DOTALL)
        )
        expect(page.locator("#against")).to_have_count(0)
        # Somebody else was quicker: what was typed is still there.
        page.get_by_text("Correct this proof").click()
        page.get_by_role("textbox", name="Reason").fill("it was the right house")
        made.hub.context().decide(count_again(proof_now(made, proofs["ours"]), (), who="li", why="asked there"))
        page.get_by_role("button", name="Let it count again").click()
        expect(page.get_by_role("alert")).to_contain_text("This proof counts already.")
        expect(page.get_by_role("textbox", name="Reason")).to_have_value("it was the right house")
        expect(page.get_by_role("link", name="undoes what dispatcher")).to_be_visible()
        expect(page.locator("#against")).to_be_visible()
        opened.wrong[:] = [told for told in opened.wrong if "409" not in told]
    with visit(browser, made.hub, address, **{**THERE, "role": Role.OPERATOR}, locale="en-GB") as opened:
        page = opened.go(f"/deliveries/{proofs['ours']}")
        expect(page.locator("#against")).to_contain_text("A dispatcher asks both couriers")
        expect(page.locator("#correct")).to_have_count(0)


def proof_now(made: Pictured, identity: str) -> ProofView:
    with made.hub.database.read() as conn:
        found = find_proof(conn, bytes.fromhex(identity))
    assert found is not None
    return found


def test_a_photo_that_comes_and_a_name_whose_time_is_over_are_shown_as_that_at_once(
    browser: Browser, shown: tuple[Pictured, str, dict[str, str]]
) -> None:
    made, address, proofs = shown
    with visit(browser, made.hub, address, **THERE, locale="en-GB") as opened:
        page = opened.go(f"/deliveries/{proofs['whole']}")
        expect(page.locator("li[data-state=coming]")).to_contain_text("60 %")
        send_chunks(made, PHOTO, range(3, 5))
        # A device that sends is heard; what of its picture came is nobody's own change.
        made.hub.live.publish([Change(CONTACT, "van-1")])
        expect(page.locator(f'.pictures a[href="/photos/{named(PHOTO)}"] img')).to_have_count(1)
        assert sum(withhold_personal(made.desk.centre.db, NOW_MS + 1, NOW_MS)) > 0
        made.hub.live.publish([Change("delivery", proofs["whole"])])
        expect(page.locator(".facts .withheld").first).to_have_text("⊘ withheld")
        expect(page.locator("main")).not_to_contain_text("Wang Xiaoming the consignee")
        page.screenshot(path=PICTURES / "proof-withheld-en.png", full_page=True)
        opened.wrong[:] = [told for told in opened.wrong if "inline style" not in told]
