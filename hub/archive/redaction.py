"""What facts tell of people outside the company, and how a fact is kept without it. Pure.

A fact whose personal data was withheld keeps its identity, its place and all else that it says. In the place of its core stands

    C1 "hf1.withheld" | identity, names of the emptied fields, core with these empty (MessagePack) | SHA-256 over all before

MessagePack never uses the byte C1, so no core that can be read begins with it (as for pointers, `hub.archive.store`). What is
left no longer hashes to the fact's identity, so that it was stated is the hub's word; the hash at the end finds a changed byte.
"""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from contract.errors import ContractError
from contract.event import Digest, Event, Proof, Scan, Step
from contract.fact import decode_core, encode_core, fact_id

START: Final = b"\xc1hf1.withheld"
SEAL_BYTES: Final = 32
ADDED_BYTES: Final = 160
"""What the form adds to a core at most."""


class Personal(StrEnum):
    """Fields of facts that tell of the people who receive: who, and, with `fix`, where their door is."""

    RECIPIENT = "recipient"
    RELATION = "relation"
    REASON = "reason"
    """Of whoever stood at the door: codes (`contract.proof_words`) or free text, which nobody tells apart for certain."""
    NOTES = "notes"
    FIX = "fix"


class Content(Struct, frozen=True):
    """What the ledger holds of a fact.

    Attributes:
        core: its exact bytes; where something is withheld, those of the same fact without it.
        withheld: the fields that said something and are empty now.
    """

    core: bytes
    withheld: tuple[Personal, ...] = ()


class _Kept(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    identity: Digest
    withheld: tuple[Personal, ...]
    core: bytes


_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(_Kept)


def personal_fields(event: Event) -> tuple[Personal, ...]:
    """The fields of this event that tell something personal.

    Why somebody takes a scan back, acknowledges or decides are words of the company's own people; they stay.
    """
    if isinstance(event, Proof):
        return tuple(field for field in Personal if getattr(event, field))
    if isinstance(event, Scan) and event.step is Step.DELIVERED and event.fix is not None:
        # Made at the same door as its proof.
        return (Personal.FIX,)
    return ()


def redacted(core: bytes) -> bytes:
    """The form of a fact without its personal data; the same bytes where there is none, or where they cannot be read."""
    try:
        fact = decode_core(core)
    except ContractError:
        return core
    if not (told := personal_fields(fact.event)):
        return core
    empty: dict[str, Any] = {field.value: None if field is Personal.FIX else "" for field in told}
    left = replace(fact, event=replace(fact.event, **empty))
    body = START + _encode(_Kept(fact_id(core), told, encode_core(left)))
    return body + sha256(body).digest()


def opened(stored: bytes, identity: bytes) -> Content:
    """The content in bytes that stand in the place of a core, and are no pointer.

    Bytes that hash to the identity are the core itself, whatever they begin with. A form that was changed is given back as it
    is: it is no core, and neither does it hash to the identity.
    """
    if not stored.startswith(START) or fact_id(stored) == identity:
        return Content(stored)
    body, seal = stored[:-SEAL_BYTES], stored[-SEAL_BYTES:]
    if sha256(body).digest() != seal:
        return Content(stored)
    try:
        kept = _decoder.decode(body[len(START) :])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Content(stored)
    return Content(kept.core, kept.withheld) if kept.identity == identity and kept.withheld else Content(stored)


def listed(fields: Iterable[Personal]) -> str:
    """As a row holds them."""
    return " ".join(fields)


@cache
def fields_in(text: str) -> tuple[Personal, ...]:
    """The fields that a row names."""
    return tuple(map(Personal, text.split()))
