import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import Malformed
from contract.event import Lane
from contract.items import Tombstone
from contract.limits import MAX_BATCH_ITEMS
from contract.messages import Ack, Batch, Credit, Mark, decode_down, decode_up, encode_message


def test_a_batch_keeps_cores_and_tombstones_apart() -> None:
    batch = Batch(b"i" * 16, Lane.CUSTODY, 7, b"p" * 16, (b"core", Tombstone(b"f" * 32, "thinned"), b"more"))
    assert decode_up(encode_message(batch)) == batch


def test_an_ack_reads_back() -> None:
    ack = Ack(b"i" * 16, Lane.TELEMETRY, Mark(9, b"h" * 16), Credit(0, 5000))
    assert decode_down(encode_message(ack)) == ack


@given(st.binary(max_size=400))
def test_any_bytes_decode_or_are_malformed(body: bytes) -> None:
    for decode in (decode_up, decode_down):
        try:
            message = decode(body)
        except Malformed:
            continue
        assert encode_message(message)


@pytest.mark.parametrize(
    "batch",
    [
        Batch(b"i" * 16, Lane.CUSTODY, 0, b"p" * 16, (b"core",)),
        Batch(b"i" * 16, Lane.CUSTODY, -1, b"p" * 16, (b"core",)),
        Batch(b"i" * 16, Lane.CUSTODY, 2**63, b"p" * 16, (b"core",)),
        Batch(b"i" * 16, Lane.CUSTODY, 1, b"p" * 16, ()),
        Batch(b"i" * 16, Lane.CUSTODY, 1, b"p" * 16, (b"c",) * (MAX_BATCH_ITEMS + 1)),
        Batch(b"i", Lane.CUSTODY, 1, b"p" * 16, (b"c",)),
        Batch(b"i" * 16, "other", 1, b"p" * 16, (b"c",)),  # type: ignore[arg-type]  # what a liar sends
    ],
)
def test_f066_values_outside_their_range_are_malformed(batch: Batch) -> None:
    with pytest.raises(Malformed):
        decode_up(encode_message(batch))


@pytest.mark.parametrize("n", [b"\xcb\x7f\xf0\0\0\0\0\0\0", b"\xa412ab", "９".encode(), b"\xcb\x7f\xf8\0\0\0\0\0\0"])
def test_f066_a_number_that_is_no_integer_is_malformed(n: bytes) -> None:
    ack = encode_message(Ack(b"i" * 16, Lane.CUSTODY, Mark(9, b"h" * 16), Credit()))
    with pytest.raises(Malformed):
        decode_down(ack.replace(b"\x92\x09", b"\x92" + n))


def test_f069_deep_nesting_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_up(b"\x91" * 100_000)
