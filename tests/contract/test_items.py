import random
import tracemalloc
import zlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.errors import Malformed
from contract.event import Fix, Scan, Status, StatusDetail, Step, Verdict
from contract.fact import Clock, Fact, encode_core
from contract.items import BYTES, CAUSES, INTEGER, TEXT, Alike, Gone, Item, Packed, Tombstone, Whole, pack, unpack
from contract.limits import MAX_BATCH_ITEMS, MAX_CORE_BYTES

encode = msgspec.msgpack.encode
read = msgspec.msgpack.Decoder(Packed).decode


def scan(n: int, rnd: random.Random, *, fix: bool = True) -> bytes:
    digits = f"003{rnd.randrange(10**17):017}"
    place = Fix(523_700_000 + rnd.randrange(9000), 48_900_000 + rnd.randrange(9000), rnd.randrange(12), 0)
    event = Scan(
        digits.encode(),
        "]C1",
        "sscc",
        digits[2:],
        Step.LOADED,
        "dock-4",
        "front",
        Verdict.EXPECTED,
        place if fix else None,
        n,
    )
    at_ms = 1_790_000_000_000 + 7919 * n
    return encode_core(
        Fact(1, "van-1", b"i" * 16, b"b" * 16, n, rnd.randbytes(8), at_ms, 7919 * n, Clock.SYNCED, "w.chen", event)
    )


def over_the_wire(items: tuple[Item, ...]) -> tuple[Item, ...]:
    return unpack(read(encode(pack(items))))


def deflated(data: bytes) -> int:
    return len(zlib.compress(data, 6))


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | st.floats(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)
# Few different ones and each often, so that groups of alike cores come about.
cores = st.lists(values, min_size=1, max_size=3).map(encode) | st.binary(min_size=1, max_size=30)
tombstones = st.builds(Tombstone, st.binary(min_size=32, max_size=32), st.sampled_from(CAUSES))


@st.composite
def batches(draw: st.DrawFn) -> tuple[Item, ...]:
    kinds = draw(st.lists(cores | tombstones, min_size=1, max_size=5))
    return tuple(draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=40)))


@given(batches())
def test_items_come_off_the_wire_byte_for_byte(items: tuple[Item, ...]) -> None:
    assert over_the_wire(items) == items


@given(
    st.lists(
        st.tuples(st.integers(-(2**54), 2**54), st.text(max_size=3), st.binary(max_size=3)), min_size=4, max_size=30
    )
)
def test_cores_of_one_skeleton_come_off_the_wire_byte_for_byte(rows: list[tuple[int, str, bytes]]) -> None:
    items = tuple(encode([1, [text, None, True], number, raw]) for number, text, raw in rows)

    assert over_the_wire(items) == items


def test_a_boolean_is_not_taken_for_a_number_or_a_text() -> None:
    items = tuple(encode([value]) for value in (True, 1, "a", False, 0, b"a", None) for _ in range(5))

    assert over_the_wire(items) == items


def test_a_core_that_another_encoder_wrote_longer_keeps_its_bytes() -> None:
    long_one = b"\x92\xcd\x00\x01\xa1x"  # the number 1 in two bytes more than it needs
    items = (long_one,) * 9

    assert over_the_wire(items) == items
    assert pack(items).groups == (Whole(items),)


def test_facts_of_several_kinds_keep_their_order() -> None:
    rnd = random.Random(1)
    items: list[Item] = [scan(n, rnd, fix=n % 3 > 0) for n in range(1, 60)]
    items[7:7] = [Tombstone(b"f" * 32, "thinned"), b"not a core", Tombstone(b"g" * 32, "corrupt")]

    assert over_the_wire(tuple(items)) == tuple(items)
    assert [type(g) for g in pack(items).groups].count(Alike) == 2


def test_a_shift_of_scans_is_not_much_more_than_what_is_new_in_each() -> None:
    rnd = random.Random(2)
    items = tuple(scan(n, rnd) for n in range(1, 257))

    assert deflated(encode(pack(items))) / 256 < 29
    assert deflated(encode(pack(items))) < 0.65 * deflated(encode(items))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_scans_travel_as_they_are(count: int) -> None:
    rnd = random.Random(3)
    items = tuple(scan(n, rnd) for n in range(1, count + 1))

    assert len(encode(pack(items))) <= len(encode(items)) + 12


LIES = [
    Packed((), b""),
    Packed((Whole(()),)),
    Packed((Whole((b"a",)), Whole((b"b",)))),
    Packed((Whole((b"a",)), Whole((b"b",))), b"\0"),
    Packed((Whole((b"a",)),), b"\0\0"),
    Packed((Whole((b"a",)),), b"\1"),
    Packed((Gone(()), Whole((b"a",))), b"\0"),
    Packed((Alike(2, (INTEGER,), ()),)),
    Packed((Alike(2, (INTEGER,), ((1, 2), (3, 4))),)),
    Packed((Alike(2, (INTEGER,), ((1, 2, 3),)),)),
    Packed((Alike(2, (INTEGER,), (b"ab",)),)),
    Packed((Alike(2, (INTEGER,), (("a", "b"),)),)),
    Packed((Alike(2, (INTEGER,), ((True, False),)),)),
    Packed((Alike(2, (INTEGER,), ((2**53, 2**53),)),)),
    Packed((Alike(2, (TEXT,), ((1, 2),)),)),
    Packed((Alike(2, (TEXT,), (b"\xff\xff",)),)),
    Packed((Alike(2, (BYTES,), (b"abc",)),)),
    Packed((Alike(2, (BYTES,), (b"",)),)),
    Packed((Alike(2, (BYTES,), ([],)),)),
    Packed((Alike(2, (7,), ((1, 2),)),)),
    Packed((Alike(2, ("text",), ()),)),
    Packed((Alike(2, (1.5,), ()),)),
    Packed((Alike(2, ((((((((((INTEGER,),),),),),),),),),), ((1, 2),)),)),
]


@pytest.mark.parametrize("lie", LIES, ids=str)
def test_f063_f065_groups_that_do_not_fit_together_are_malformed(lie: Packed) -> None:
    with pytest.raises((Malformed, msgspec.ValidationError)):
        unpack(read(encode(lie)))


def test_f066_more_items_than_a_batch_may_hold_are_malformed() -> None:
    full = Whole((b"a",) * MAX_BATCH_ITEMS)

    with pytest.raises(Malformed, match="257 items"):
        unpack(Packed((full, Whole((b"b",))), b"\0" * MAX_BATCH_ITEMS + b"\1"))


def nest(depth: int) -> tuple[object, ...]:
    return (nest(depth - 1),) if depth else ()


@pytest.mark.parametrize(
    "packed",
    [
        Packed((Alike(MAX_BATCH_ITEMS, (BYTES,), ((b"x" * (MAX_CORE_BYTES - 8),),)),)),
        Packed((Alike(MAX_BATCH_ITEMS, (BYTES,), ((b"x" * 10 * MAX_CORE_BYTES,),)),)),
        Packed((Alike(MAX_BATCH_ITEMS, (None,) * 500_000, ()),)),
        Packed((Alike(MAX_BATCH_ITEMS, ((),) * 300_000, ()),)),
        Packed((Alike(MAX_BATCH_ITEMS, ((None,) * 1000,) * 300, ()),)),
        Packed((Alike(4, (nest(6),) * 2000, ()),) * 64, bytes(range(64)) * 4),
    ],
    ids=["many", "long", "wide", "empty", "deep", "nested"],
)
def test_f064_groups_that_would_grow_beyond_the_limits_are_malformed_before_memory_is_spent(packed: Packed) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            unpack(packed)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 2**20


@settings(max_examples=300)
@given(st.data())
def test_f063_any_change_on_the_wire_gives_other_items_or_is_malformed(data: st.DataObject) -> None:
    rnd = random.Random(4)
    wire = bytearray(encode(pack(tuple(scan(n, rnd) for n in range(1, 8)))))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    try:
        items = unpack(read(bytes(wire)))
    except (Malformed, msgspec.DecodeError, UnicodeDecodeError):
        return
    assert 1 <= len(items) <= MAX_BATCH_ITEMS


def test_a_core_of_many_parts_travels_whole() -> None:
    items = tuple(encode([*range(n, n + 300)]) for n in range(10))

    assert over_the_wire(items) == items
    assert pack(items).groups == (Whole(items),)


def test_a_status_between_scans_does_not_part_them() -> None:
    rnd = random.Random(5)
    signed: StatusDetail = msgspec.msgpack.decode(encode(["sign", True]), type=StatusDetail)
    status = encode_core(
        Fact(1, "van-1", b"i" * 16, b"b" * 16, 99, b"s" * 8, 5, 5, Clock.SYNCED, "w.chen", Status(signed))
    )
    items = (*(scan(n, rnd) for n in range(1, 9)), status, *(scan(n, rnd) for n in range(9, 17)))

    assert over_the_wire(items) == items
    assert [type(g) for g in pack(items).groups] == [Alike, Whole]
