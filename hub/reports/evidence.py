"""The facts that a report rests on, as the devices stated them: exact cores in their chain.

A verifier needs no database for them: a core gives its identity, identities give the hashes of positions, and the last hash is
a head that hub and device know too. Positions in between that are not of the report are there by their identities alone.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from contract.delivery.hub_view import StreamName
from contract.errors import Malformed
from contract.event import Digest, EpochMs, Lane
from contract.fact import fact_id, next_hash
from contract.limits import MAX_CORE_BYTES
from hub.archive.redaction import Personal
from hub.reports.content import ChainRun

MAX_LINKS_BYTES: Final = 256 * 1024 * 1024
"""Of one run after inflating: a year of three sensors at a minute. A hostile file may claim more than memory holds."""

Core = Annotated[bytes, Meta(min_length=1, max_length=MAX_CORE_BYTES)]


class Rests(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="rests"):
    """A fact that the report rests on.

    Attributes:
        core: its exact bytes.
        received_ms: when the hub took it.
        shift_ms: corrected minus stated time of its (first) instant.
    """

    core: Core
    received_ms: EpochMs
    shift_ms: int = 0


class Beside(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="beside"):
    """A position that is not of the report: only the chain needs it."""

    identity: Digest


class Withheld(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="withheld"):
    """A fact of the report of which personal data was withheld: what is left does not hash to its identity any more.

    Attributes:
        fields: what is withheld.
    """

    identity: Digest
    fields: tuple[Personal, ...]


class Hop(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="hop"):
    """Where a gap ends that the device stated: nothing but its word tells the hash of that position."""

    n: Annotated[int, Meta(ge=1, le=2**53)]
    hash: Digest


Link = Rests | Beside | Withheld | Hop
"""What stands at one position of a run; a `Hop` stands for all positions up to its own."""


class Placed(Struct, frozen=True):
    """A core of the report where its device put it."""

    device: str
    lane: Lane
    n: int
    fact_id: bytes
    core: bytes
    received_ms: int
    shift_ms: int


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(tuple[Link, ...])


def pack_run(stream: StreamName, first_n: int, previous: bytes, links: Sequence[Link]) -> ChainRun:
    """A run from its positions, which must follow one another from `first_n` on; `previous` is the hash before it."""
    head, n = previous, first_n - 1
    for link in links:
        head, n = _next(head, n, link)
    return ChainRun(
        device=stream.device,
        incarnation=stream.incarnation.hex(),
        lane=stream.lane,
        first_n=first_n,
        last_n=n,
        previous=previous.hex(),
        head=head.hex(),
        links=zlib.compress(_encode(links), 6),
    )


def _next(head: bytes, n: int, link: Link) -> tuple[bytes, int]:
    match link:
        case Hop():
            return link.hash, link.n
        case Rests():
            return next_hash(head, n + 1, fact_id(link.core)), n + 1
        case Beside() | Withheld():
            return next_hash(head, n + 1, link.identity), n + 1


def unpack_run(run: ChainRun) -> Iterator[Placed]:
    """The cores of a run, in order, each checked against the chain once all are read.

    Raises:
        Malformed: the links cannot be read, or do not lead from `previous` at `first_n` to `head` at `last_n`.
    """
    head, n = bytes.fromhex(run.previous), run.first_n - 1
    for link in _links(run):
        head, n = _next(head, n, link)
        if isinstance(link, Rests):
            yield Placed(run.device, run.lane, n, fact_id(link.core), link.core, link.received_ms, link.shift_ms)
    if (head.hex(), n) != (run.head, run.last_n):
        raise Malformed(
            f"the chain of {run.device} ({run.lane}, {run.first_n} to {run.last_n}) leads to another head: "
            "a fact in it was changed, left out or added"
        )


def withheld_in(run: ChainRun) -> int:
    """Of how many facts of a run personal data is withheld.

    Raises:
        Malformed: the links cannot be read.
    """
    return sum(isinstance(link, Withheld) for link in _links(run))


def _links(run: ChainRun) -> tuple[Link, ...]:
    inflate = zlib.decompressobj()
    try:
        raw = inflate.decompress(run.links, MAX_LINKS_BYTES)
        if not inflate.eof or inflate.unused_data:
            raise Malformed(f"facts of {run.device} ({run.lane}): not whole, or larger than {MAX_LINKS_BYTES} bytes")
        return _decoder.decode(raw)
    except (zlib.error, msgspec.DecodeError) as error:
        raise Malformed(f"facts of {run.device} ({run.lane}) cannot be read: {error}") from error
