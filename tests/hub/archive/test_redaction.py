"""A fact without its personal data is the same fact otherwise, says what it lacks, and is taken for nothing else."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contract.event import (
    Alarm,
    Booted,
    Correction,
    Decision,
    Event,
    Fix,
    Outcome,
    Phase,
    Positions,
    Proof,
    Quantity,
    Readings,
    Scan,
    Status,
    Step,
)
from contract.fact import CORE_VERSION, Clock, Fact, decode_core, encode_core, fact_id
from contract.limits import MAX_CORE_BYTES
from hub.archive.redaction import ADDED_BYTES, START, Content, Personal, fields_in, listed, opened, redacted
from hub.archive.store import Pointer, is_pointer

texts = st.text(st.characters(codec="utf-8"), max_size=20)
fixes = st.none() | st.builds(Fix, st.integers(-900_000_000, 900_000_000), st.integers(-10, 10))
proofs = st.builds(
    Proof,
    st.just("stop-1"),
    st.sampled_from(Outcome),
    delivered=st.just(("P1",)),
    reason=texts,
    recipient=texts,
    relation=texts,
    notes=texts,
    signature=st.none() | st.just(b"s" * 32),
    fix=fixes,
)
scans = st.builds(
    Scan,
    st.binary(max_size=20),
    st.just("]C1"),
    st.just("sscc"),
    st.just("P1"),
    st.sampled_from(Step),
    texts,
    texts,
    fix=fixes,
)
others = st.sampled_from(
    [
        Alarm("a", Phase.ACKNOWLEDGED, "van-1.box.t", "above 8", 1, by="w.chen", why="door"),
        Status(Booted("1.0")),
        Readings("van-1.box.t", Quantity.TEMPERATURE_C, 1, 1, 60_000, 1, b"c"),
        Positions("gps", 1, 1, 60_000, 1, b"c"),
        Decision("correct", (b"t" * 32,), "q.person", "wrong parcel"),
        Correction(b"t" * 32, "scanned by mistake"),
    ]
)
events = st.one_of(proofs, scans, others)

PUBLIC = {"stop", "outcome", "delivered", "refused", "signature", "photos", "cold_verdict", "cold_budget_s"}
"""What a proof says of the parcels and not of people. Drawings and photos have a term of their own."""


def core_of(event: Event) -> bytes:
    return encode_core(
        Fact(CORE_VERSION, "van-1", b"i" * 16, b"b" * 16, 1, b"s" * 8, 1, 1, Clock.SYNCED, "w.chen", event)
    )


PROOF = Proof("s", Outcome.DELIVERED, ("P1",), recipient="Wang", relation="aunt", notes="red door", fix=Fix(1, 2))
CORE = core_of(PROOF)


def test_whoever_adds_a_field_to_a_proof_decides_whether_it_is_personal() -> None:
    assert set(Proof.__struct_fields__) == PUBLIC | set(Personal)


def test_all_kinds_of_events_are_in_these_tests() -> None:
    tried = {Proof, Scan, Alarm, Status, Readings, Positions, Decision, Correction}
    assert set(get_args(Event)) == tried


@given(events)
def test_redacting_twice_is_redacting_once(event: Event) -> None:
    once = redacted(core_of(event))
    assert redacted(once) == once
    assert len(once) <= len(core_of(event)) + ADDED_BYTES


@given(events)
def test_what_is_left_is_the_same_fact_without_what_it_names(event: Event) -> None:
    core = core_of(event)
    content = opened(redacted(core), fact_id(core))
    left = decode_core(content.core)
    told = {field: getattr(event, field) for field in content.withheld}
    assert all(told.values())
    assert replace(left, event=replace(left.event, **told)) == decode_core(core)
    assert not any(getattr(left.event, field) for field in content.withheld)
    if isinstance(event, Proof):
        assert not any(getattr(left.event, field) for field in Personal)
    assert opened(redacted(content.core), fact_id(content.core)) == Content(content.core)


def test_where_nothing_is_personal_the_exact_bytes_stay() -> None:
    plain = core_of(Proof("s", Outcome.DELIVERED, ("P1",)))
    loaded = core_of(Scan(b"c", "", "sscc", "P1", Step.LOADED, "dock", "usb", fix=Fix(1, 2)))
    taken_back = core_of(Correction(b"t" * 32, "the courier's own words"))
    for core in (plain, loaded, taken_back, b"unreadable"):
        assert redacted(core) == core


def test_the_position_of_a_door_goes_with_the_scan_made_there() -> None:
    core = core_of(Scan(b"c", "", "sscc", "P1", Step.DELIVERED, "stop-1", "usb", fix=Fix(1, 2)))
    assert opened(redacted(core), fact_id(core)).withheld == (Personal.FIX,)


@given(st.data(), st.integers(1, 255))
def test_a_changed_byte_of_what_is_left_is_never_taken_for_content(data: st.DataObject, by: int) -> None:
    form = redacted(CORE)
    at = data.draw(st.integers(0, len(form) - 1))
    changed = form[:at] + bytes([form[at] ^ by]) + form[at + 1 :]
    assert opened(changed, fact_id(CORE)) == Content(changed)


def test_the_form_of_one_fact_does_not_stand_for_another() -> None:
    other = fact_id(core_of(replace(PROOF, recipient="Li")))
    assert opened(redacted(CORE), other) == Content(redacted(CORE))


@pytest.mark.parametrize("stated", [redacted(CORE), START, START + bytes(40)])
def test_bytes_that_a_device_stated_are_themselves_whatever_they_look_like(stated: bytes) -> None:
    assert opened(stated, fact_id(stated)) == Content(stated)
    assert not is_pointer(stated, fact_id(stated))


def test_a_form_is_no_pointer_and_a_pointer_no_form() -> None:
    assert not is_pointer(redacted(CORE), fact_id(CORE))
    pointer = Pointer(bytes(8), 0, 0).encode()
    assert opened(pointer, fact_id(CORE)).withheld == ()


def test_the_largest_proof_is_redacted_too() -> None:
    many = Proof("s", Outcome.DELIVERED, tuple("P" * 200 for _ in range(80)), recipient="W")
    core = core_of(many)
    assert len(core) < len(redacted(core)) <= MAX_CORE_BYTES + ADDED_BYTES


@given(st.lists(st.sampled_from(Personal), unique=True))
def test_fields_read_back_as_a_row_lists_them(fields: list[Personal]) -> None:
    assert fields_in(listed(fields)) == tuple(fields)
