from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.route import Check, TaskKind
from hub.shipments.order import FIELDS, Item, Order, OrderKind, OrderTask, Service, Unusable, Wrong, parse_order

UTC = ZoneInfo("UTC")
SHANGHAI = ZoneInfo("Asia/Shanghai")
PLAIN = {"reference": "R1", "consignee": "Wang Xiaoming", "address": "Zhongshan N. Rd 275, 200041", "parcels": "P1"}


def refused(**fields: Any) -> dict[str, str]:
    with pytest.raises(Unusable) as found:
        parse_order({**PLAIN, **fields}, UTC)
    return {wrong.field: wrong.expected for wrong in found.value.wrong}


def test_an_order_of_csv_texts_becomes_typed() -> None:
    order = parse_order(
        {
            **PLAIN,
            "shipper": "Apotheke",
            "kind": "Delivery",
            "parcels": "(00)340123450000000017; P2",
            "what": "Insulin, 2-8 °C",
            "latitude": "31.2304",
            "longitude": "121,4737",
            "day": "2026-06-01",
            "window_from": "9:00",
            "window_to": "11:30",
            "service": "express",
            "checks": "photo, signature",
            "tasks": "collect: Old modem | take back: Fridge",
            "weight_kg": "2.5",
        },
        SHANGHAI,
    )
    assert order == Order(
        reference="R1",
        consignee="Wang Xiaoming",
        address="Zhongshan N. Rd 275, 200041",
        shipper="Apotheke",
        kind=OrderKind.DELIVERY,
        items=(
            Item("00340123450000000017", "(00)340123450000000017", "Insulin, 2-8 °C"),
            Item("P2", "P2", "Insulin, 2-8 °C"),
        ),
        area="200041",
        lat_e7=312_304_000,
        lon_e7=1_214_737_000,
        day="2026-06-01",
        window_from_ms=1_780_275_600_000,
        window_to_ms=1_780_284_600_000,
        service=Service.EXPRESS,
        checks=(Check.SIGNATURE, Check.PHOTO),
        tasks=(OrderTask(TaskKind.COLLECT, "Old modem"), OrderTask(TaskKind.TAKE_BACK, "Fridge")),
        weight_g=2500,
    )


def test_the_day_follows_from_the_window_where_it_is() -> None:
    order = parse_order({**PLAIN, "window_from": "2026-06-01T20:00:00Z", "window_to": "2026-06-01T21:00:00Z"}, SHANGHAI)
    assert order.day == "2026-06-02"


@pytest.mark.parametrize(
    ("fields", "field", "expected"),
    [
        ({"reference": ""}, "reference", "a text of at most 256 characters"),
        ({"latitude": "31,2", "longitude": ""}, "latitude", "both latitude and longitude, or neither"),
        ({"latitude": "131", "longitude": "7"}, "latitude", "degrees from -90 to 90, such as 31.2304"),
        ({"latitude": 0, "longitude": 0}, "latitude", "a place on land; leave both empty where it is not known"),
        ({"parcels": ""}, "parcels", "at least one parcel to deliver, or a task"),
        ({"parcels": "P1;P1"}, "parcels", "each parcel once"),
        ({"parcels": "HF:STEP:loaded"}, "parcels", "a parcel's code; this is a configuration card"),
        ({"day": "01.06.2026"}, "day", "a day such as 2026-11-23"),
        (
            {"window_from": "09:00"},
            "window_from",
            "a time such as 2026-11-23T14:00:00+08:00, or 14:00 where the day is said",
        ),
        ({"checks": "signature blood"}, "checks", "some of signature, photo, age, cold"),
        ({"tasks": "dance: now"}, "tasks", "kind: what, where the kind is one of collect, hand_out, take_back"),
        ({"weight_kg": "heavy"}, "weight_kg", "kilograms from 0 to 40000"),
        ({"weight_kg": "nan"}, "weight_kg", "kilograms from 0 to 40000"),
        ({"service": "slow"}, "service", "one of express, standard, economy"),
        ({"colour": "red"}, "colour", "one of " + ", ".join(FIELDS)),
    ],
)
def test_a_field_that_cannot_be_used_says_what_was_expected(fields: dict[str, Any], field: str, expected: str) -> None:
    assert refused(**fields)[field] == expected


def test_all_wrong_fields_are_told_at_once() -> None:
    told = refused(consignee="", weight_kg="-1", window_from="x", day="2026-06-01")
    assert set(told) >= {"consignee", "weight_kg", "window_from"}


def test_a_wrong_check_digit_is_told_with_its_code() -> None:
    with pytest.raises(Unusable) as found:
        parse_order({**PLAIN, "parcels": "(00)340123450000000018"}, UTC)
    [wrong] = found.value.wrong
    assert (wrong.field, wrong.got) == ("parcels", "(00)340123450000000018")
    assert "check digit" in wrong.expected


def test_a_pick_up_needs_no_parcels_of_its_own() -> None:
    assert parse_order({**PLAIN, "kind": "pickup", "parcels": ""}, UTC).items == ()


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.lists(st.text(max_size=5))


@given(
    st.dictionaries(
        st.sampled_from(FIELDS) | st.text(max_size=5), values | st.lists(st.dictionaries(st.text(max_size=4), values))
    )
)
def test_whatever_stands_in_a_line_is_an_order_or_told(fields: dict[str, Any]) -> None:
    try:
        order = parse_order(fields, SHANGHAI)
    except Unusable as error:
        told = error.wrong
    else:
        assert order.reference
        return
    assert told
    assert all(isinstance(wrong, Wrong) for wrong in told)


def test_a_day_that_no_calendar_has_in_its_zone_is_refused() -> None:
    window = {"window_from": "9999-12-31T23:00:00-14:00", "window_to": "9999-12-31T23:30:00-14:00"}
    assert refused(**window).keys() == {"window_from", "window_to"}
