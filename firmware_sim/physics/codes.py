"""What a hand holds under a scanner: an endless, seeded stream of believable codes.

The seed and the running number are written into every code, so that no two seeds and no two numbers
ever share one: whatever a checker finds twice was doubled by the system.

References:
    GS1 General Specifications sections 3.2 (SSCC), 3.3.2 (GTIN), 3.5.2 (serial number) and 7.9 (check
    digit); UPU S10 (identification of postal items).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from firmware_sim.chance import chance

GS = b"\x1d"
MAX_SEED = 999_999
MAX_NUMBER = 9_999_999
CODE_128, GS1_128, GS1_DATAMATRIX = "]C0", "]C1", "]d2"

# GS1 keeps prefix 952 for demonstrations: these codes can never be anyone's real goods.
DEMO_PREFIX = "952"
CARDS = (
    b"HF:STEP:received",
    b"HF:STEP:loaded",
    b"HF:STEP:out_for_delivery",
    b"HF:STEP:delivered",
    b"HF:ACTOR:w.chen",
    b"HF:PLACE:dock-4",
)

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

# S10: parcels, express, tracked letters, registered, insured.
_S10_SERVICES = "CELRV"
_S10_COUNTRIES = "ATBECHCNCZDEDKESFIFRGBIEITJPLUNLNOPLPTSE"
_S10_WEIGHTS = (8, 6, 4, 2, 3, 5, 9, 7)
_S10_SERIALS = 10**8
_S10_ROOM = _S10_SERIALS * len(_LETTERS) * len(_S10_SERVICES) * (len(_S10_COUNTRIES) // 2)
_S10_PER_SEED = _S10_ROOM // (MAX_SEED + 1)


@dataclass(frozen=True, slots=True)
class Code:
    """One printed code as a scanner reads it."""

    data: bytes
    aim: str = CODE_128
    """AIM symbology identifier (ISO/IEC 15424)."""
    is_card: bool = False
    """Whether it is a configuration card, which tells the device something and is no parcel."""


def gs1_check_digit(digits: str) -> str:
    """Return the GS1 modulo-10 check digit that belongs behind ``digits``."""
    total = sum(int(digit) * (3 if i % 2 == 0 else 1) for i, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def sscc(seed: int, number: int) -> Code:
    """Return a logistic unit's label: GS1-128 with an SSCC."""
    digits = f"{number % 10}{DEMO_PREFIX}{seed:06d}{number:07d}"
    return Code(f"00{digits}{gs1_check_digit(digits)}".encode(), GS1_128)


def serialised_item(seed: int, number: int) -> Code:
    """Return an item's GS1 DataMatrix: GTIN, expiry, lot, separator, serial number."""
    item = f"0{DEMO_PREFIX}{seed:06d}{number % 1000:03d}"
    gtin = item + gs1_check_digit(item)
    lot, serial = f"L{seed % 97:02d}{number // 500:03d}", f"{seed:06d}{number:07d}"
    return Code(f"01{gtin}1728063010{lot}".encode() + GS + f"21{serial}".encode(), GS1_DATAMATRIX)


def postal_item(seed: int, number: int) -> Code:
    """Return a UPU S10 number; past a seed's share of them, an SSCC."""
    if number >= _S10_PER_SEED:
        return sscc(seed, number)
    rest, serial = divmod(seed * _S10_PER_SEED + number, _S10_SERIALS)
    rest, second = divmod(rest, len(_LETTERS))
    country, first = divmod(rest, len(_S10_SERVICES))
    digits = f"{serial:08d}"
    remainder = 11 - sum(int(d) * w for d, w in zip(digits, _S10_WEIGHTS, strict=True)) % 11
    check = {10: 0, 11: 5}.get(remainder, remainder)
    land = _S10_COUNTRIES[2 * country : 2 * country + 2]
    return Code(f"{_S10_SERVICES[first]}{_LETTERS[second]}{digits}{check}{land}".encode())


def carrier_parcel(seed: int, number: int) -> Code:
    """Return a carrier's own number in the 1Z form: shipper, service, serial, check digit."""
    hundred_thousands, rest = divmod(seed, 100_000)
    body = f"{_LETTERS[7 + hundred_thousands]}{rest:05d}03{number:07d}"
    # Letters count from A=2, wrapping every ten; every second character counts twice.
    values = [int(c) if c.isdigit() else (ord(c) - ord("A") + 2) % 10 for c in body]
    total = sum(v * (2 if i % 2 else 1) for i, v in enumerate(values))
    return Code(f"1Z{body}{-total % 10}".encode())


_KINDS = (sscc, serialised_item, postal_item, carrier_parcel)
_WEIGHTS = (40, 30, 15, 15)


def code_stream(seed: int, *, start: int = 1, card_share: float = 0.0) -> Iterator[tuple[int, Code]]:
    """Yield numbered codes for ever, each code once.

    Args:
        seed: 0 to ``MAX_SEED``; two seeds have no code in common.
        start: The first number, to carry on after a restart; the n-th code is the same either way.
        card_share: Share of codes that are configuration cards (these do repeat).

    Raises:
        ValueError: The seed is out of range.
    """
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"seed {seed}: expected 0 to {MAX_SEED}")
    for number in count(start):
        if number > MAX_NUMBER:
            return
        rng = chance(seed, "code", number)
        if rng.random() < card_share:
            yield number, Code(rng.choice(CARDS), is_card=True)
        else:
            [kind] = rng.choices(_KINDS, _WEIGHTS)
            yield number, kind(seed, number)
