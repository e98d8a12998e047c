"""What the positions of a batch hold, and how that travels: facts that are built alike go column by column.

Scans of one shift differ in a few digits, and those lie side by side once their cores are taken apart: deflate then leaves
26 bytes of a scan instead of 45. Identities rest on the exact bytes of a core, so a core is taken apart only when putting it
together again gives the same bytes; any other travels whole.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, repeat
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from contract.errors import Malformed
from contract.event import Digest, Text
from contract.limits import MAX_BATCH_ITEMS, MAX_CORE_BYTES, MAX_DECODED_BYTES

Core = Annotated[bytes, Meta(min_length=1, max_length=MAX_CORE_BYTES)]


class Tombstone(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A position whose content is gone from the device, with the cause (one of `CAUSES`)."""

    fact_id: Digest
    cause: Text


CAUSES: Final = ("storage_full", "thinned", "corrupt", "db_lost", "released", "erased")
"""Why content can be gone; nothing is ever missing without one of these."""

Item = bytes | Tombstone
"""What one position of a batch holds: a core, or the word that it is gone."""

Leaf = int | str | bytes
Skeleton = bool | int | None | tuple["Skeleton", ...]
"""A core without what changes: nil and booleans as they are, arrays as arrays, and for each leaf what it is.

(An int is INTEGER, TEXT or BYTES; the leaves themselves stand in the columns, in the order in which the skeleton names them.)
"""
# Not 0 and 1, which would equal the booleans of a skeleton.
INTEGER: Final = 2
TEXT: Final = 3
BYTES: Final = 4
Lengths = tuple[int, ...]
Column = bytes | Sequence[Leaf]
"""The leaves of one place in the skeleton, over all cores of a group; one leaf alone stands for all.

Numbers are the first and then differences. Texts and byte strings of one length are turned: first bytes, second bytes and so
on, as one byte string; of several lengths they are listed.
"""


class Whole(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="whole"):
    """Cores as they are."""

    cores: Annotated[tuple[Core, ...], Meta(max_length=MAX_BATCH_ITEMS)]


class Gone(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="gone"):
    """Tombstones as they are."""

    tombstones: Annotated[tuple[Tombstone, ...], Meta(max_length=MAX_BATCH_ITEMS)]


class Alike(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="alike"):
    """`count` cores of one skeleton, in columns."""

    count: Annotated[int, Meta(ge=1, le=MAX_BATCH_ITEMS)]
    skeleton: tuple[object, ...]
    columns: Annotated[tuple[object, ...], Meta(max_length=MAX_CORE_BYTES)]


Group = Whole | Gone | Alike


class Packed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The items of a batch. Byte k of `order` is the group from which item k comes; empty when one group holds them all."""

    groups: Annotated[tuple[Group, ...], Meta(min_length=1, max_length=MAX_BATCH_ITEMS)]
    order: Annotated[bytes, Meta(max_length=MAX_BATCH_ITEMS)] = b""


ALIKE_FROM: Final = 4
"""Fewer cores of one skeleton are shorter as they are."""
MAX_NUMBER: Final = 2**53
"""Differences of larger numbers might not fit MessagePack's; such a core travels whole."""
MAX_DEPTH: Final = 8
"""Arrays within arrays; a fact has five."""
MAX_SKELETON_BYTES: Final = 256
"""A scan has 28. Each byte may be an array to build anew for each core, and a megabyte of them is a kilobyte on the wire."""

_WHOLE: Final[tuple[str, Lengths]] = ("whole", ())
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


# -- taking apart --------------------------------------------------------------------------------------------------


def pack(items: Sequence[Item]) -> Packed:
    """Group the items of a batch for the wire; `unpack` gives exactly them back."""
    apart = [_take_apart(item) for item in items]
    exact = Counter((shape, lengths) for shape, lengths, _ in apart)
    # Texts of one length can be turned, so cores that agree in all lengths, too, go together where there are enough of them.
    keys = [(shape, lengths if exact[shape, lengths] >= ALIKE_FROM else ()) for shape, lengths, _ in apart]
    whole = {
        key for key, count in Counter(keys).items() if isinstance(key[0], tuple) and not _goes_apart(key[0], count)
    }
    members: dict[tuple[Skeleton | str, Lengths], list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(_WHOLE if key in whole else key, []).append(index)
    order = bytearray(len(items))
    groups: list[Group] = []
    for number, ((shape, _), indexes) in enumerate(members.items()):
        for index in indexes:
            order[index] = number
        if isinstance(shape, tuple):
            columns = zip(*(apart[i][2] for i in indexes), strict=True)
            groups.append(Alike(len(indexes), shape, tuple(_column(column) for column in columns)))
        elif shape == "gone":
            groups.append(Gone(tuple(item for i in indexes if isinstance(item := items[i], Tombstone))))
        else:
            groups.append(Whole(tuple(item for i in indexes if isinstance(item := items[i], bytes))))
    return Packed(tuple(groups), bytes(order) if len(groups) > 1 else b"")


def _goes_apart(skeleton: Skeleton, count: int) -> bool:
    return count >= ALIKE_FROM and len(_encode(skeleton)) <= MAX_SKELETON_BYTES


def _take_apart(item: Item) -> tuple[Skeleton | str, Lengths, Sequence[Leaf]]:
    """The skeleton (or the name of the group), the lengths of texts and byte strings, and the leaves."""
    if isinstance(item, Tombstone):
        return "gone", (), ()
    leaves: list[Leaf] = []
    try:
        value = _decode(item)
        if not isinstance(value, list) or _encode(value) != item:
            return *_WHOLE, ()
        skeleton = _bones(value, leaves, 0)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, _Boneless):
        return *_WHOLE, ()
    return skeleton, tuple([len(leaf) for leaf in leaves if not isinstance(leaf, int)]), leaves


class _Boneless(Exception):
    """A value that has no place in a skeleton."""


def _bones(value: object, leaves: list[Leaf], depth: int) -> Skeleton:
    """The skeleton of a value; its leaves are added to `leaves`."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, list) and depth < MAX_DEPTH:
        return tuple([_bones(part, leaves, depth + 1) for part in value])
    if isinstance(value, int) and -MAX_NUMBER <= value <= MAX_NUMBER:
        leaves.append(value)
        return INTEGER
    if isinstance(value, str):
        leaves.append(value)
        return TEXT
    if isinstance(value, bytes):
        leaves.append(value)
        return BYTES
    raise _Boneless


def _column(leaves: tuple[Leaf, ...]) -> Column:
    first = leaves[0]
    if leaves.count(first) == len(leaves):
        return (first,)
    if isinstance(first, int):
        return (first, *(b - a for a, b in pairwise(leaves)))  # type: ignore[operator]  # one skeleton: all are numbers
    raw = [leaf.encode() if isinstance(leaf, str) else leaf for leaf in leaves if not isinstance(leaf, int)]
    width = len(raw[0])
    if any(len(leaf) != width for leaf in raw):
        return leaves
    joined = b"".join(raw)
    return b"".join(joined[k::width] for k in range(width))


# -- putting together ----------------------------------------------------------------------------------------------


def unpack(packed: Packed) -> tuple[Item, ...]:
    """The items of a batch, bounded by the limits of the contract whatever the groups claim.

    Raises:
        Malformed: groups, columns or order do not fit together, or the cores are larger than allowed.
    """
    groups = [_items(group) for group in packed.groups]
    if not packed.order:
        if len(groups) > 1:
            raise Malformed("batch of several groups without their order")
        items = tuple(_bounded(groups[0]))
    else:
        if max(packed.order) >= len(groups):
            raise Malformed(f"batch names group {max(packed.order)} of {len(groups)}")
        items = tuple(_bounded(_dealt(groups, packed.order)))
        if any(next(group, None) is not None for group in groups):
            raise Malformed("batch holds items that its order does not name")
    if not 1 <= len(items) <= MAX_BATCH_ITEMS:
        raise Malformed(f"batch of {len(items)} items; 1 to {MAX_BATCH_ITEMS} are allowed")
    return items


def _dealt(groups: Sequence[Iterator[Item]], order: bytes) -> Iterator[Item]:
    for number in order:
        item = next(groups[number], None)
        if item is None:
            raise Malformed("order of the batch names more items than its groups hold")
        yield item


def _bounded(items: Iterator[Item]) -> Iterator[Item]:
    room = MAX_DECODED_BYTES
    for item in items:
        if isinstance(item, bytes):
            room -= len(item)
            if len(item) > MAX_CORE_BYTES or room < 0:
                raise Malformed(
                    f"cores of the batch are larger than {MAX_CORE_BYTES} each or {MAX_DECODED_BYTES} in all"
                )
        yield item


def _items(group: Group) -> Iterator[Item]:
    match group:
        case Whole(cores):
            return iter(cores)
        case Gone(tombstones):
            return iter(tombstones)
        case Alike(count, skeleton, columns):
            if len(_encode(skeleton)) > MAX_SKELETON_BYTES:
                raise Malformed(f"skeleton of more than {MAX_SKELETON_BYTES} bytes")
            leaves = iter(columns)
            rows = _rows(skeleton, leaves, count, 0)
            if next(leaves, None) is not None:
                raise Malformed("group of alike cores has more columns than its skeleton names")
            return map(_encode, rows)


def _rows(bones: object, columns: Iterator[object], count: int, depth: int) -> Iterator[object]:
    """One value for each core, built only when it is asked for: a skeleton may claim more than memory holds."""
    if bones is None or isinstance(bones, bool):
        return repeat(bones, count)
    if isinstance(bones, (tuple, list)) and depth < MAX_DEPTH:
        if not bones:
            return repeat((), count)
        return zip(*[_rows(part, columns, count, depth + 1) for part in bones], strict=True)
    if isinstance(bones, int) and bones in _KINDS:
        return _leaves(_KINDS[bones], next(columns, None), count)
    raise Malformed("skeleton of something else than arrays, leaves, nil and booleans")


def _leaves(kind: type[Leaf], column: object, count: int) -> Iterator[Leaf]:
    if isinstance(column, bytes) and kind is not int:
        return _turned(kind, column, count)
    if not isinstance(column, (list, tuple)) or set(map(type, column)) != {kind}:
        raise Malformed(f"column of {kind.__name__} holds something else, or is not there")
    if len(column) == 1:
        return repeat(column[0], count)
    if len(column) != count:
        raise Malformed(f"column of {len(column)} for {count} cores")
    return _summed(column) if kind is int else iter(column)


def _summed(differences: Sequence[int]) -> Iterator[int]:
    numbers = tuple(accumulate(differences))
    if max(numbers) > MAX_NUMBER or min(numbers) < -MAX_NUMBER:
        raise Malformed("column holds a number beyond 2^53")
    return iter(numbers)


def _turned(kind: type[Leaf], column: bytes, count: int) -> Iterator[Leaf]:
    if not column or len(column) % count:
        raise Malformed(f"column of {len(column)} bytes for {count} cores; it must divide")
    raw = (column[k::count] for k in range(count))
    if kind is bytes:
        return raw
    try:
        return iter([text.decode() for text in raw])
    except UnicodeDecodeError as error:
        raise Malformed(f"column of texts is not UTF-8: {error}") from error


_KINDS: Final[dict[int, type[Leaf]]] = {INTEGER: int, TEXT: str, BYTES: bytes}
