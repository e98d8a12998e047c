from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import Malformed, TooLarge
from contract.event import LANE_OF, Event, Fix, Lane, Scan, Step
from contract.fact import Clock, Fact, decode_core, encode_core, fact_id, next_hash, root_hash


def fact(**changes: object) -> Fact:
    scan = Scan(b"]C10034\x1d", "]C1", "sscc", "003401", Step.LOADED, "dock-4", "line-1", fix=Fix(1, 2, 3, 4))
    made = Fact(1, "van-1", b"i" * 16, b"b" * 16, 1, b"s" * 8, 1_700_000_000_000, 12, Clock.SYNCED, "w.chen", scan)
    return msgspec.structs.replace(made, **changes)


@given(
    code=st.binary(max_size=8192),
    text=st.text(max_size=256),
    at_ms=st.integers(0, 253_402_300_799_999),
    mono_ms=st.integers(0, 2**53),
)
def test_a_core_decodes_to_the_fact_it_was_made_from(code: bytes, text: str, at_ms: int, mono_ms: int) -> None:
    scan = Scan(code, "]Q3", "plain", "key", Step.COUNTED, text, "usb", cold_budget_s=-5)
    made = fact(at_ms=at_ms, mono_ms=mono_ms, event=scan, actor=text)
    assert decode_core(encode_core(made)) == made


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_malformed(data: bytes) -> None:
    try:
        decoded = decode_core(data)
    except Malformed:
        return
    assert encode_core(decoded)


def test_every_kind_of_event_has_a_lane() -> None:
    assert set(LANE_OF) == set(Event.__args__)


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "Van 1"},
        {"incarnation": b"short"},
        {"ord": 0},
        {"ord": 2**53 + 1},
        {"at_ms": -1},
        {"at_ms": 2**63},
        {"version": 2},
        {"salt": b""},
        {"actor": "x" * 257},
        {"blobs": (b"x",)},
    ],
)
def test_f066_a_value_outside_its_range_is_never_encoded(changes: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        encode_core(fact(**changes))


def test_a_core_beyond_its_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(TooLarge, match="core of 16385 bytes; at most 16384 are allowed"):
        decode_core(b"\x9c" + b"\0" * 16384)


def test_f069_deep_nesting_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_core(b"\x91" * 16384)


def test_f068_a_lone_surrogate_or_broken_utf8_is_malformed() -> None:
    core = encode_core(fact()).replace(b"w.chen", b"w.\xed\xa0\x80n")
    with pytest.raises(Malformed):
        decode_core(core)


def test_trailing_bytes_and_further_fields_are_malformed() -> None:
    core = encode_core(fact())
    with pytest.raises(Malformed):
        decode_core(core + b"\0")
    with pytest.raises(Malformed):
        decode_core(bytes([core[0] + 1]) + core[1:] + b"\xc0")


def test_identity_and_chain_are_the_published_hashes() -> None:
    core = encode_core(fact())
    identity = sha256(b"hf1.fact" + core).digest()
    root = sha256(b"hf1.root" + b"\x05van-1" + b"i" * 16 + b"custody").digest()

    assert fact_id(core) == identity
    assert root_hash("van-1", b"i" * 16, Lane.CUSTODY) == root
    assert next_hash(root, 1, identity) == sha256(b"hf1.pos" + root + b"\0" * 7 + b"\1" + identity).digest()


def test_f070_another_content_is_another_identity() -> None:
    assert fact_id(encode_core(fact())) != fact_id(encode_core(fact(salt=b"t" * 8)))
