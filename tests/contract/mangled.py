"""Genuine bytes spoilt in the ways that lines, disks and liars spoil them; the same ones for the same seed."""

import random
from collections.abc import Iterator, Sequence

NASTY: tuple[bytes, ...] = (
    # MessagePack: numbers at and beyond every edge, infinity, NaN, numbers as text and in full-width digits.
    *(b"\xcf" + n.to_bytes(8, "big") for n in (0, 2**31, 2**53, 2**63, 2**64 - 1)),
    b"\xd3" + (-1).to_bytes(8, "big", signed=True),
    b"\xd3" + (-(2**63)).to_bytes(8, "big", signed=True),
    b"\xcb\x7f\xf0\0\0\0\0\0\0",
    b"\xcb\x7f\xf8\0\0\0\0\0\0",
    b"\xa412ab",
    b"\xa9" + "\uff19\uff19\uff19".encode(),
    # Lengths that lie: arrays, maps, text and bytes of 4 GiB.
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    # Nesting, doubled keys, a lone surrogate, NUL, a byte order mark, nothing, an extension type.
    b"\x91" * 2_000,
    b"\x81\xa1a" * 500,
    b"\x82\xa1a\x01\xa1a\x02",
    b"\xa3\xed\xa0\x80",
    b"\xa1\0",
    b"\xa3\xef\xbb\xbf",
    b"\xc0",
    b"\xc7\xff\x05" + b"x" * 255,
    b"",
)


def mangled(seeds: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many spoilt copies of the seeds, one to three wounds each."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 3)):
            _wound(data, rng, seeds)
        yield bytes(data)


def _wound(data: bytearray, rng: random.Random, seeds: Sequence[bytes]) -> None:
    at = rng.randint(0, len(data))
    length = rng.choice((1, 1, 2, 4, 16, 64))
    match rng.randrange(6):
        case 0 if at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        case 1 if at < len(data):
            data[at] = rng.randrange(256)
        case 2:
            del data[at : at + length]
        case 3:
            data[at:at] = data[at : at + length]
        case 4:
            data[at : at + rng.choice((0, 1, 9))] = rng.choice(NASTY)
        case _:
            other = rng.choice(seeds)
            data[at:] = other[rng.randint(0, len(other)) :]
