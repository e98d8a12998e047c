"""What couriers do at doors: who takes what, who is not at home, who refuses, and what proves it. Pure."""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from msgspec.structs import replace

from contract.cold_verdict import ColdVerdict, least_left_s, worst_verdict
from contract.event import Fix, Outcome, Proof
from contract.identity import identify
from contract.local import SensorCold
from contract.proof_words import Reason, Relation
from contract.signature import PAD_WIDTH, Signature, encode_signature
from firmware_sim.chance import chance
from firmware_sim.demo.city import Order
from firmware_sim.physics.codes import Code

# Every so manieth stop of a van is one of these; the first of each comes early enough to be seen.
NOBODY_HOME: Final = (9, 2)
REFUSED: Final = (13, 1)
DAMAGED: Final = (7, 5)
PHOTO_EVERY, SIGNATURE_EVERY = 4, 3
ACCURACY_M: Final = 6
PHOTO_PX: Final = (240, 180)
PAD_HEIGHT: Final = 4_000
RELATIONS: Final = (Relation.CONSIGNEE, Relation.CONSIGNEE, Relation.HOUSEHOLD, Relation.NEIGHBOUR, Relation.RECEPTION)


@dataclass(frozen=True, slots=True)
class Visit:
    """A stop of a van's route, as its courier knows it."""

    number: int
    """Of the stop in the day's work of this van."""
    stop: str
    name: str
    fix: Fix
    codes: tuple[Code, ...]
    parcels: tuple[str, ...]
    """Their keys."""
    checks: frozenset[str]

    def is_one(self, pattern: tuple[int, int]) -> bool:
        """Whether this is one of every so many."""
        every, first = pattern
        return self.number % every == first


@dataclass(frozen=True, slots=True)
class Deed:
    """A proof as the app states it, with the bytes of its pictures."""

    proof: Proof
    photos: tuple[bytes, ...] = ()
    signature: bytes | None = None
    is_cold: bool = False
    """Whether what changes hands must stay cold."""

    def shown(self, cold: Sequence[SensorCold]) -> Proof:
        """Return the proof of a recipient who was shown how the load stands; one who takes it all the same says why."""
        verdict = worst_verdict(cold) if self.is_cold else None
        if verdict is None:
            return self.proof
        reasons = [self.proof.reason] if self.proof.reason else []
        if verdict is ColdVerdict.EXCEEDED:
            reasons.insert(0, Reason.RECIPIENT_ACCEPTS if self.signature is None else Reason.RECIPIENT_CHECKS)
        return replace(self.proof, reason=",".join(reasons), cold_verdict=verdict, cold_budget_s=least_left_s(cold))


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of a visit."""

    deed: Deed
    again: bool = False
    """Whether the courier comes back at the end of the round."""
    back: tuple[Code, ...] = ()
    """What is to be brought back to the dock."""


def visits(items: Sequence[Mapping[str, Any]], orders: Mapping[str, Order]) -> Iterator[Visit]:
    """Yield the stops of a route as the hub tells them, those of these orders."""
    for item in items:
        own = [orders[reference] for reference in item["references"] if reference in orders]
        codes = tuple(code for order in own for code in order.codes)
        if own:
            yield Visit(
                number=0,
                stop=item["stop"],
                name=item["name"],
                fix=Fix(round(item["latitude"] * 1e7), round(item["longitude"] * 1e7), ACCURACY_M),
                codes=codes,
                parcels=tuple(identify(code.data, code.aim).key for code in codes),
                checks=frozenset(item["checks"]),
            )


def first_try(visit: Visit) -> Tried:
    """Return what comes of the first visit."""
    if visit.is_one(NOBODY_HOME):
        return Tried(_not_given(visit, Outcome.ATTEMPTED, Reason.NOBODY_HOME), again=True)
    if visit.is_one(REFUSED):
        return Tried(_not_given(visit, Outcome.REFUSED, Reason.NOT_ORDERED), again=True)
    if visit.is_one(DAMAGED) and len(visit.codes) == len(visit.parcels) > 1:
        return Tried(_given(visit, visit.parcels[:-1], visit.parcels[-1:], Reason.DAMAGED), back=visit.codes[-1:])
    return Tried(_given(visit, visit.parcels))


def second_try(visit: Visit) -> Tried:
    """Return what comes of it at the end of the round: what nobody wants goes back, the others have come home."""
    if visit.is_one(REFUSED):
        return Tried(_not_given(visit, Outcome.RETURNED, Reason.BACK_TO_SENDER), back=visit.codes)
    return Tried(_given(visit, visit.parcels))


def _given(visit: Visit, parcels: tuple[str, ...], refused: tuple[str, ...] = (), reason: str = "") -> Deed:
    rng = chance(visit.number, "door", visit.stop)
    photos = visit.number % PHOTO_EVERY == 0 or "photo" in visit.checks or bool(refused)
    signs = visit.number % SIGNATURE_EVERY == 0 or "signature" in visit.checks
    relation = Relation.RECEPTION if "signature" in visit.checks else rng.choice(RELATIONS)
    proof = Proof(
        stop=visit.stop,
        outcome=Outcome.DELIVERED,
        delivered=parcels,
        refused=refused,
        reason=reason,
        recipient=visit.name if relation is Relation.CONSIGNEE else rng.choice(("Li Na", "T. Smit", "O. Demir")),
        relation=relation,
        fix=visit.fix,
    )
    pictures = (photo(visit.stop),) if photos else ()
    return Deed(proof, pictures, signature(visit.stop) if signs else None, "cold" in visit.checks)


def _not_given(visit: Visit, outcome: Outcome, reason: Reason) -> Deed:
    proof = Proof(visit.stop, outcome, refused=visit.parcels, reason=reason, fix=visit.fix)
    return Deed(proof, (photo(f"{visit.stop} {outcome}"),) if outcome is Outcome.ATTEMPTED else ())


def signature(seed: str) -> bytes:
    """Return the strokes of somebody's pen."""
    rng = chance(0, "pen", seed)
    strokes, t_ms, x = [], 0, 900
    for _ in range(rng.randint(2, 4)):
        points = []
        y = rng.randint(1_200, 2_800)
        for _ in range(rng.randint(6, 14)):
            points.append((min(x, PAD_WIDTH), min(max(y, 300), PAD_HEIGHT - 300), t_ms))
            x, y, t_ms = x + rng.randint(80, 260), y + rng.randint(-900, 900), t_ms + 16
        strokes.append(tuple(points))
        t_ms += rng.randint(80, 200)
    return encode_signature(Signature(PAD_HEIGHT, tuple(strokes)))


def photo(seed: str) -> bytes:
    """Return a picture of a parcel before a door, another for each seed, as a small PNG file."""
    rng = chance(0, "camera", seed)
    width, height = PHOTO_PX
    wall, door, box = (bytes(rng.randint(low, low + 60) for low in lows) for lows in _PAINT)
    left, parcel = rng.randint(40, 90), rng.randint(30, 60)
    rows = []
    for y in range(height):
        row = bytearray(wall * width)
        if y > height // 6:
            row[3 * left : 3 * (left + 90)] = door * 90
        if y > height - parcel:
            row[3 * (left + 50) : 3 * (left + 50 + 2 * parcel)] = box * (2 * parcel)
        rows.append(b"\0" + bytes(row))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (
        (b"IHDR", head),
        (b"tEXt", b"Comment\0" + seed.encode()),
        (b"IDAT", zlib.compress(b"".join(rows))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


_PAINT: Final = ((170, 165, 150), (60, 70, 90), (150, 110, 70))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
