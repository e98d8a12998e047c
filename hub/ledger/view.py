"""The ledger inside one write transaction: what the protocol reads from it, and how its actions are carried out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from sqlalchemy import Connection, func, select

from contract.delivery.hub_actions import (
    Contact,
    ForgetClaims,
    HubAction,
    IncidentKind,
    Place,
    PutFacts,
    PutGap,
    Reply,
    Report,
)
from contract.delivery.hub_view import Audited, BranchHead, StreamName, Unfinished
from contract.limits import AUDIT_PREFIX_BYTES
from contract.messages import DocumentVersion, Mark
from hub import tables as t
from hub.ledger import questions
from hub.ledger.buffer import Placed, WriteBuffer
from hub.ledger.heads import StreamHeads, stream_name
from hub.ledger.safety import Safety
from hub.projector import LedgerFact
from hub.rows import read

HELD_STATEMENTS_PER_DEVICE: Final = 100
"""At most 25 MB of what one broken device says; the incident counts the rest."""
_ABOVE_ALL: Final = b"\xff" * (32 - AUDIT_PREFIX_BYTES)
"""The end of the range of identities that begin with a prefix."""


class LedgerTransaction:
    """Implements `contract.delivery.hub_view.HubView` over a write transaction, and carries out the protocol's actions.

    Actions gather in a buffer; a read that they could change writes them first, so each message sees all before it.
    """

    def __init__(self, tx: Connection, heads: StreamHeads, safety: Safety, now_ms: int) -> None:
        self._tx = tx
        self._heads = heads
        self._safety = safety
        self._now_ms = now_ms
        self._buffer = WriteBuffer(tx)
        self.incidents: dict[str, None] = {}
        """Keys of the incidents that were opened or repeated."""
        self.contacts: dict[str, None] = {}
        """Devices that said hello."""
        self.grown: set[str] = set()
        """Devices of whose streams something new was kept."""
        self.facts = 0
        """Facts that were put, repeated ones included."""
        self.readable: list[LedgerFact] = []
        """Those of them that can be folded, as they are in the ledger unless it had them before."""

    # -- reading (HubView) -----------------------------------------------------------------------------------------

    def branches(self, stream: StreamName) -> Sequence[BranchHead]:
        """The ends of a stream's branches in order of their numbers."""
        return self._heads.branches(self._tx, stream)

    def hashes_at(self, stream: StreamName, first_n: int, last_n: int) -> Mapping[int, Sequence[bytes]]:
        """Whole hashes of all branches at the positions `first_n` to `last_n`."""
        self._settle(stream.device)
        found: dict[int, list[bytes]] = {}
        number = self._heads.known_id(self._tx, stream)
        if number is not None:
            asked = {"stream": number, "from": first_n, "to": last_n}
            for n, whole in read(self._tx, questions.HASHES, **asked):
                found.setdefault(n, []).append(whole)
        return found

    def audit(self, device: str, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        """One answer per prefix, in order, about facts of this device."""
        self._settle(device)
        found: dict[bytes, Audited] = {}
        for p in prefixes:
            asked = {"from": p, "to": p + _ABOVE_ALL, "device": device}
            row = read(self._tx, questions.FACT, **asked).first()
            if row is not None:
                identity, has_content, seq, received_ms = row
                found[p] = Audited(identity, bool(has_content), self._safety.fact(seq, received_ms))
        return [found.get(p, _UNKNOWN) for p in prefixes]

    def audit_blobs(self, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        """The same for attachments."""
        found: dict[bytes, Audited] = {}
        for p in prefixes:
            asked = {"from": p, "to": p + _ABOVE_ALL}
            row = read(self._tx, questions.BLOB, **asked).first()
            if row is not None:
                found[p] = Audited(row.sha256, has_content=True, safe=self._safety.blob(row.seq, row.kept_ms))
            elif (erased := read(self._tx, questions.ERASED_BLOB, **asked).first()) is not None:
                # It shall be gone, from the device too.
                found[p] = Audited(erased.sha256, has_content=True, safe=True)
        return [found.get(p, _UNKNOWN) for p in prefixes]

    def documents(self, device: str) -> Sequence[DocumentVersion]:
        """The versions of the documents that this device should have."""
        return [DocumentVersion(*row) for row in read(self._tx, questions.DOCUMENTS, device=device)]

    def claims(self, stream: StreamName) -> Sequence[Mark]:
        """The heads that hellos announced for this stream and that were not forgotten since, in order of n."""
        self._settle(stream.device)
        number = self._heads.known_id(self._tx, stream)
        return [] if number is None else [Mark(*row) for row in read(self._tx, questions.CLAIMS, stream=number)]

    def is_first_hello(self, device: str, incarnation: bytes) -> bool:
        """Whether this incarnation never said hello before."""
        self._settle(device)
        return read(self._tx, questions.INCARNATION, device=device, incarnation=incarnation).first() is None

    def unfinished(self, device: str, incarnation: bytes) -> Sequence[Unfinished]:
        """Streams of other incarnations of this device of which an announced head is neither here nor in a stated gap."""
        self._settle(device)
        rows = read(self._tx, questions.OTHER_CLAIMS, device=device, incarnation=incarnation)
        return [
            Unfinished(stream_name(name, other, lane), claimed, there) for name, other, lane, claimed, there in rows
        ]

    def last_mono_ms(self, device: str, boot: bytes) -> int | None:
        """The monotonic time of the latest hello of this boot."""
        self._settle(device)
        last: int | None = read(self._tx, questions.LAST_HELLO, device=device, boot=boot).scalar()
        return last

    def _settle(self, device: str) -> None:
        if device in self._buffer.dirty:
            self._buffer.flush()

    # -- writing ---------------------------------------------------------------------------------------------------

    def carry_out(self, actions: Sequence[HubAction]) -> list[Reply]:
        """Buffer the writes of one message; the replies to publish after the commit."""
        replies = []
        placed: dict[bytes, Placed] = {}
        for action in actions:
            match action:
                case Place():
                    placed |= self._place(action)
                case PutFacts():
                    self._put(action, placed)
                case PutGap(stream, first_n, last_n, cause):
                    self._buffer.gap(self._heads.id_of(self._tx, stream), first_n, last_n, cause, self._now_ms)
                case Contact(device, hello):
                    named = [(StreamName(device, hello.incarnation, claim.lane), claim.head) for claim in hello.lanes]
                    claims = [(self._heads.id_of(self._tx, stream), head) for stream, head in named]
                    self._buffer.contact(action, claims, self._now_ms)
                    self._buffer.dirty.add(device)
                    self.contacts[device] = None
                case ForgetClaims(stream, marks):
                    self._buffer.forget_claims(self._heads.id_of(self._tx, stream), marks)
                case Report():
                    self.report(action)
                case Reply():
                    replies.append(action)
        return replies

    def _place(self, place: Place) -> dict[bytes, Placed]:
        number = self._heads.id_of(self._tx, place.stream)
        self.grown.add(place.stream.device)
        for placement in place.placements:
            self._buffer.position(number, place.branch, placement.n, placement.hash, placement.fact_id)
        last = place.placements[-1]
        head = BranchHead(place.branch, last.n, last.hash)
        self._heads.move(self._tx, place.stream, head)
        self._buffer.head(number, head, place.forks_after_n)
        self._buffer.dirty.add(place.stream.device)
        return {p.fact_id: (number, p.n, place.branch) for p in place.placements if p.fact_id is not None}

    def _put(self, put: PutFacts, placed: Mapping[bytes, Placed]) -> None:
        first = self._heads.take_seqs(self._tx, len(put.rows))
        unreadable = {row.fact_id: row.problem for row in put.rows if row.problem is not None}
        fresh = unreadable.keys() - self._known(put.device, unreadable)
        for seq, row in enumerate(put.rows, first):
            self._buffer.fact(seq, put.device, row, placed.get(row.fact_id), self._now_ms)
            if row.fact is not None:
                self.readable.append(LedgerFact(seq, row.fact_id, row.fact, self._now_ms))
        for identity in fresh:
            problem = unreadable[identity]
            self._buffer.quarantine("fact", put.device, problem, self._now_ms, fact_id=identity)
            detail = f"{identity.hex()}: {problem}"
            self.report(Report(IncidentKind.QUARANTINE, put.device, f"quarantine:{put.device}", detail))
        self._buffer.dirty.add(put.device)
        self.facts += len(put.rows)

    def _known(self, device: str, identities: Collection[bytes]) -> set[bytes]:
        if not identities:
            return set()
        self._settle(device)
        c = t.fact.c
        return set(self._tx.execute(select(c.fact_id).where(c.fact_id.in_(identities), c.core.is_not(None))).scalars())

    def report(self, report: Report) -> None:
        """Open or repeat an incident."""
        self._buffer.incident(report, self._now_ms)
        self.incidents[report.key] = None

    def keep_statement(self, device: str, raw: bytes, why: str) -> None:
        """Keep an authentic statement that cannot be taken, for a person to look at; so many of one device and no more."""
        key = f"quarantine:{device}"
        self.report(Report(IncidentKind.QUARANTINE, device, key, f"a statement of {len(raw)} bytes: {why}"))
        c = t.quarantine.c
        mine = (c.device == device) & (c.kind == "statement") & (c.state == "held")
        held = self._tx.execute(select(func.count()).select_from(t.quarantine).where(mine)).scalar() or 0
        if held < HELD_STATEMENTS_PER_DEVICE:
            self._buffer.quarantine("statement", device, why, self._now_ms, raw=raw)
            self._buffer.flush()

    def flush(self) -> None:
        """Write what is pending."""
        self._buffer.flush()


_UNKNOWN: Final = Audited(None, has_content=False, safe=False)
