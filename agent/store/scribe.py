"""Making facts: each gets its number, its exact bytes, its identity and its place in a chain, inside one transaction.

Works for `agent.outbox`, the only one that writes outbox rows.
"""

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agent.blocks import Measured, OpenBlock, Sample, fits, sample_of, seal, series_of
from agent.clock import DeviceClock, Stamp
from agent.faultpoint import faultpoint
from agent.store import blobs, chain, samples
from agent.store.blobs import BlobFiles
from agent.store.errors import Cause, NotKept
from contract.errors import ContractError, TooLarge
from contract.event import Damage, Event, Lane, Proof, Status, StatusDetail
from contract.fact import CORE_VERSION, SALT_BYTES, Fact, encode_core, fact_id

REQUESTS_KEPT: Final = 20_000
"""Answers remembered for repeated requests: weeks of work, a few megabytes."""
MISSING_SENTENCE = "Not kept: an attachment of it is missing on the device. Take it again."


@dataclass(frozen=True, slots=True)
class Kept:
    """One fact that is on disk. `repeated` says that this request had been kept before."""

    fact_id: bytes
    lane: Lane
    n: int
    ord: int
    at_ms: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """A fact before it has its place."""

    event: Event
    actor: str
    stamp: Stamp
    boot: bytes
    blobs: tuple[bytes, ...] = ()


class _StoredKept(msgspec.Struct, frozen=True, array_like=True):
    fact_id: bytes
    lane: Lane
    n: int
    ord: int
    at_ms: int


_kept_encoder = msgspec.msgpack.Encoder()
_kept_decoder = msgspec.msgpack.Decoder(tuple[_StoredKept, ...])


class Scribe:
    """Writes facts for one device."""

    def __init__(self, device: str, clock: DeviceClock, files: BlobFiles, entropy: Callable[[int], bytes]) -> None:
        self._device = device
        self._clock = clock
        self._files = files
        self._entropy = entropy
        self._heads: chain.Heads | None = None

    def forget_heads(self) -> None:
        """Read the heads of the lanes anew: a transaction was undone, or somebody else chained positions."""
        self._heads = None

    def _heads_of(self, connection: sqlite3.Connection) -> chain.Heads:
        # To read them takes longer than to write a row, and only this one writer ever moves them.
        if self._heads is None:
            self._heads = chain.heads(connection)
        return self._heads

    def keep(
        self, connection: sqlite3.Connection, drafts: Sequence[Draft], *, dropped: str | None = None
    ) -> tuple[Kept, ...]:
        """Chain facts under the incarnation in force; with `dropped`, as tombstones of that cause."""
        heads = self._heads_of(connection)
        kept: list[Kept] = []
        for draft in drafts:
            fact = self._fact(heads, draft)
            core = _encoded(fact)
            identity = fact_id(core)
            if dropped is None:
                n = chain.add_content(connection, heads, fact.lane, identity, core, at_ms=fact.at_ms)
            else:
                n = chain.add_tombstone(connection, heads, fact.lane, identity, dropped, at_ms=fact.at_ms)
            kept.append(Kept(identity, fact.lane, n, fact.ord, fact.at_ms))
        return tuple(kept)

    def _fact(self, heads: chain.Heads, draft: Draft) -> Fact:
        return Fact(
            version=CORE_VERSION,
            device=self._device,
            incarnation=heads.incarnation,
            boot=draft.boot,
            ord=heads.last_ord + 1,
            salt=self._entropy(SALT_BYTES),
            at_ms=draft.stamp.at_ms,
            mono_ms=draft.stamp.mono_ms,
            clock=draft.stamp.clock,
            actor=draft.actor,
            event=draft.event,
            blobs=draft.blobs,
        )

    def status(self, detail: StatusDetail) -> Draft:
        """Something about the device itself, now."""
        return Draft(Status(detail), "", self._clock.stamp(), self._clock.boot)

    def state_damage(self, connection: sqlite3.Connection, detail: str) -> None:
        """The first fact of an incarnation that was begun for a reason says so."""
        present = chain.present(connection)
        if present is not None and present.reason and self._heads_of(connection).last_ord == 0:
            self.keep(connection, [self.status(Damage(present.reason, detail))])

    def note_blobs(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> None:
        """Note the attachments of facts, whose files must be there.

        Raises:
            NotKept: one is missing.
        """
        for draft in drafts:
            for digest in draft.blobs:
                size = self._files.size(digest)
                if size is None:
                    raise NotKept(Cause.MALFORMED, MISSING_SENTENCE)
                blobs.insert(connection, digest, size, draft.stamp.at_ms)

    def add(self, connection: sqlite3.Connection, measured: Measured, *, dropped: str | None) -> None:
        """Put a measurement into its open block, after sealing one that it does not fit."""
        series, sample = series_of(measured, self._clock.boot), sample_of(measured)
        block = samples.find(connection, series.kind, series.name)
        if block is not None and not fits(block, series, sample):
            self.seal(connection, block, dropped=dropped)
            block = None
        samples.add(connection, block or samples.start(connection, series, sample), sample)

    def seal(self, connection: sqlite3.Connection, block: OpenBlock, *, dropped: str | None) -> None:
        """Make a fact of a block; with `dropped`, only its position with that cause (P4)."""
        taken, damaged = samples.take(connection, block)
        faultpoint("sealing")
        try:
            self._keep_block(connection, block, taken, dropped)
        except (NotKept, ValueError) as error:
            if isinstance(error, NotKept) and error.cause is not Cause.MALFORMED:
                raise
            # Nothing will ever make a fact of it, and while it is there no other block is sealed.
            damaged += len(taken)
        if damaged:
            damage = Damage("reading_corrupt", f"{damaged} readings of {block.series.name}")
            self.keep(connection, [self.status(damage)])

    def _keep_block(
        self, connection: sqlite3.Connection, block: OpenBlock, taken: list[Sample], dropped: str | None
    ) -> None:
        if not taken:
            return
        event, stamp = seal(block, taken)
        draft = Draft(event, "", stamp, block.series.boot)
        try:
            self.keep(connection, [draft], dropped=dropped)
        except NotKept as error:
            if error.cause is not Cause.TOO_LARGE or len(taken) == 1:
                raise
            for half in (taken[: len(taken) // 2], taken[len(taken) // 2 :]):
                self._keep_block(connection, block, half, dropped)


def _encoded(fact: Fact) -> bytes:
    try:
        return encode_core(fact)
    except TooLarge as error:
        raise NotKept(Cause.TOO_LARGE, f"Not kept: it is too large ({error}). Shorten the text or split it.") from error
    except ContractError as error:
        raise NotKept(Cause.MALFORMED, f"Not kept: a value is outside of what may be kept ({error}).") from error


def attachments(event: Event, more: Sequence[bytes]) -> tuple[bytes, ...]:
    """The attachments of a fact: those that a proof names, then `more`."""
    named: tuple[bytes, ...] = ()
    if isinstance(event, Proof):
        named = (*([event.signature] if event.signature is not None else []), *event.photos)
    return tuple(dict.fromkeys((*named, *more)))


def answered(connection: sqlite3.Connection, request_id: bytes | None) -> tuple[Kept, ...]:
    """What this request was answered before; empty for a new one."""
    if request_id is None:
        return ()
    row = connection.execute("SELECT kept FROM request WHERE request_id = ?", (request_id,)).fetchone()
    if row is None:
        return ()
    return tuple(Kept(k.fact_id, k.lane, k.n, k.ord, k.at_ms, repeated=True) for k in _kept_decoder.decode(row[0]))


def answer(connection: sqlite3.Connection, request_id: bytes, kept: Sequence[Kept]) -> None:
    """Remember what this request was answered."""
    stored = tuple(_StoredKept(k.fact_id, k.lane, k.n, k.ord, k.at_ms) for k in kept)
    connection.execute(
        "INSERT INTO request (request_id, kept) VALUES (?, ?)", (request_id, _kept_encoder.encode(stored))
    )


def forget_answers(connection: sqlite3.Connection) -> None:
    """Let the oldest answers go."""
    connection.execute("DELETE FROM request WHERE seq <= (SELECT max(seq) FROM request) - ?", (REQUESTS_KEPT,))
