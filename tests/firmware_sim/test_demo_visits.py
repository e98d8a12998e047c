from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest
from PIL import Image

from contract.coldchain.findings import Budget
from contract.event import Outcome
from contract.identity import identify
from contract.local import ColdState, SensorCold
from contract.proof_words import Reason, reasons_of
from contract.signature import decode_signature
from firmware_sim.demo.city import Order, orders, personal_orders
from firmware_sim.demo.visits import PHOTO_PX, Visit, first_try, photo, second_try, signature, visits
from firmware_sim.physics.codes import code_stream
from mobile_ui.core.reasons import COLD_REASONS

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def told(order: Order, stop: str) -> dict[str, object]:
    """A stop as the hub tells it."""
    body = order.body
    keys = {"name": body["consignee"], "latitude": body["latitude"], "longitude": body["longitude"]}
    return {"stop": stop, "references": [order.reference], "checks": body["checks"], **keys}


@pytest.fixture
def day() -> list[Visit]:
    made = orders(code_stream(1), 120, (1, 3), NOW)
    items = [told(order, f"s{n}") for n, order in enumerate(made)]
    return list(visits(items, {order.reference: order for order in made}))


def test_each_order_has_parcels_and_an_address_of_its_own() -> None:
    made = orders(code_stream(1), 120, (1, 3), NOW)

    codes = [code.data for order in made for code in order.codes]
    assert len(set(codes)) == len(codes) > 120
    assert {len(order.codes) for order in made} == {1, 2, 3}
    assert len({order.body["address"] for order in made}) == len({order.reference for order in made}) == 120


def test_orders_go_on_where_the_codes_do() -> None:
    codes = code_stream(1)
    first, second = (orders(codes, 5, (2, 2), NOW) for _ in range(2))

    assert not {order.reference for order in first} & {order.reference for order in second}


def test_a_customer_who_closes_earlier_changes_nothing_but_the_window() -> None:
    [order] = orders(code_stream(1), 1, (1, 1), NOW)

    earlier = order.until(NOW + timedelta(minutes=1))

    changed = {key for key in earlier.body if earlier.body[key] != order.body.get(key)}
    assert changed == {"window_from", "window_to"}
    assert earlier.body["window_to"] == "2026-11-23T09:01:00+00:00"


def test_what_a_person_types_is_short() -> None:
    made = personal_orders("P12", NOW)

    assert [code.data.decode() for order in made for code in order.codes] == [
        "P12-1A", "P12-1B", "P12-2A", "P12-3A", "P12-3B", "P12-4A", "P12-5A", "P12-6A",
    ]  # fmt: skip


def test_a_visit_knows_its_parcels_by_the_keys_that_the_hub_knows_them_by(day: list[Visit]) -> None:
    for visit in day:
        assert visit.parcels == tuple(identify(code.data, code.aim).key for code in visit.codes)
        # Shippers write the code without what the scanner says of its symbology.
        assert visit.parcels == tuple(identify(code.data).key for code in visit.codes)


def test_stops_of_others_are_none_of_a_couriers_business() -> None:
    [order] = orders(code_stream(1), 1, (1, 1), NOW)

    assert list(visits([told(order, "s")], {})) == []


def numbered(day: list[Visit]) -> list[Visit]:
    return [Visit(n, v.stop, v.name, v.fix, v.codes, v.parcels, v.checks) for n, v in enumerate(day)]


def test_a_day_has_every_outcome_and_most_is_delivered(day: list[Visit]) -> None:
    first = [first_try(visit) for visit in numbered(day)]
    again = [second_try(visit) for visit, tried in zip(numbered(day), first, strict=True) if tried.again]

    outcomes = [tried.deed.proof.outcome for tried in first]
    assert outcomes.count(Outcome.DELIVERED) > 0.7 * len(day)
    assert {Outcome.ATTEMPTED, Outcome.REFUSED} < set(outcomes)
    assert {tried.deed.proof.outcome for tried in again} == {Outcome.DELIVERED, Outcome.RETURNED}
    assert all(tried.deed.proof.reason for tried in first if tried.deed.proof.outcome is not Outcome.DELIVERED)


def test_cold_goods_whose_time_is_used_up_change_hands_for_a_reason_only(day: list[Visit]) -> None:
    deeds = [first_try(visit).deed for visit in numbered(day)]
    inside, used_up = (
        SensorCold("probe", "pharma-2-8", ColdState.INSIDE, (Budget("warm", used_ms, 60_000),))
        for used_ms in (0, 60_000)
    )
    for deed, visit in zip(deeds, numbered(day), strict=True):
        assert deed.is_cold is (bool(deed.proof.delivered) and "cold" in visit.checks)
        reason, stated = deed.proof.reason, deed.shown([used_up])
        if deed.is_cold:
            first, *rest = reasons_of(stated.reason)
            assert (Reason(first) in COLD_REASONS, ",".join(rest)) == (True, reason)
            assert (stated.cold_verdict, stated.cold_budget_s) == ("exceeded", 0)
            assert (deed.shown([inside]).reason, deed.shown([inside]).cold_verdict) == (reason, "inside")
        else:
            assert stated == deed.proof
        assert deed.shown([]) == deed.proof

    assert any(deed.is_cold and deed.proof.reason for deed in deeds)


def test_whoever_must_sign_signs(day: list[Visit]) -> None:
    for visit in numbered(day):
        deed = first_try(visit).deed
        if "signature" in visit.checks and deed.proof.delivered:
            assert deed.signature is not None


def test_pens_and_cameras_never_repeat_themselves() -> None:
    assert decode_signature(signature("a")).points > 10
    assert len({signature(seed) for seed in "abcdef"}) == len({photo(seed) for seed in "abcdef"}) == 6


def test_a_photo_is_a_small_picture_that_can_be_opened() -> None:
    data = photo("s1")

    with Image.open(BytesIO(data)) as opened:
        opened.load()
        assert (opened.size, opened.format) == (PHOTO_PX, "PNG")
    assert len(data) < 5_000
