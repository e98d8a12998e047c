"""The hub's side of the delivery protocol.

`decide(device, message, ...)` takes one authentic message and returns the writes and the replies. It holds no state of its
own: everything it must know is in the ledger, which it reads through `HubView` inside the transaction of the group. So any
number of workers, and a hub restored from any copy, decide alike.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from contract.delivery.clock_tamper import clock_tampers
from contract.delivery.hub_actions import (
    Contact,
    FactRow,
    ForgetClaims,
    HubAction,
    IncidentKind,
    Place,
    Placement,
    PutFacts,
    PutGap,
    Reply,
    Report,
)
from contract.delivery.hub_view import Audited, BranchHead, HubView, StreamName
from contract.errors import IllegalTransition, Malformed
from contract.event import Damage, Status
from contract.fact import decode_core, fact_id, next_hash, root_hash
from contract.items import CAUSES, Item, Tombstone
from contract.limits import MAX_DOCUMENTS, MAX_HEADS
from contract.messages import (
    AUDIT_HAVE,
    AUDIT_MISSING,
    AUDIT_SAFE,
    MARK_HASH_BYTES,
    Ack,
    Batch,
    Credit,
    Fill,
    Gap,
    Hello,
    LaneAnswer,
    LaneClaim,
    Mark,
    Nack,
    Welcome,
    mark,
)


class Shape(StrEnum):
    """What the hub's copy of a stream looks like."""

    UNSEEN = "unseen"
    LINEAR = "linear"
    FORKED = "forked"


class Growth(StrEnum):
    """What a message does to a stream."""

    EXTENDED = "extended"
    REPEATED = "repeated"
    BRANCHED = "branched"
    DETACHED = "detached"
    SKIPPED = "skipped"


STREAM_TRANSITIONS: Final[dict[Shape, dict[Growth, Shape]]] = {
    Shape.UNSEEN: {
        Growth.EXTENDED: Shape.LINEAR,
        Growth.DETACHED: Shape.UNSEEN,
        Growth.SKIPPED: Shape.LINEAR,
    },
    Shape.LINEAR: {
        Growth.EXTENDED: Shape.LINEAR,
        Growth.REPEATED: Shape.LINEAR,
        Growth.BRANCHED: Shape.FORKED,
        Growth.DETACHED: Shape.LINEAR,
        Growth.SKIPPED: Shape.LINEAR,
    },
    Shape.FORKED: {
        Growth.EXTENDED: Shape.FORKED,
        Growth.REPEATED: Shape.FORKED,
        Growth.BRANCHED: Shape.FORKED,
        Growth.DETACHED: Shape.FORKED,
        Growth.SKIPPED: Shape.FORKED,
    },
}
"""A stream never un-forks and is never forgotten; a pair that is not here is an `IllegalTransition`."""


def shape_of(branches: int) -> Shape:
    """The shape of a stream with this many branches."""
    if branches == 0:
        return Shape.UNSEEN
    return Shape.LINEAR if branches == 1 else Shape.FORKED


def shape_after(shape: Shape, growth: Growth) -> Shape:
    """The shape after a growth.

    Raises:
        IllegalTransition: a repetition or a fork of a stream that was never seen.
    """
    to = STREAM_TRANSITIONS[shape].get(growth)
    if to is None:
        raise IllegalTransition(f"{growth} of a stream that is {shape}: no rule for it, nothing was changed")
    return to


def decide(
    device: str, message: Hello | Batch | Fill | Gap, view: HubView, *, credit: Credit, now_ms: int
) -> list[HubAction]:
    """What one authentic message of `device` changes, and what is answered after the commit.

    Args:
        device: whose topic and MAC the message came with.
        message: decoded and within all limits.
        view: the ledger, including what earlier messages of this group wrote.
        credit: what the hub can take next.
        now_ms: the hub's clock, UTC epoch ms.
    """
    match message:
        case Hello():
            return _hello(device, message, view, credit, now_ms)
        case Batch():
            return _batch(device, message, view, credit)
        case Fill():
            rows = tuple(_row(device, core, None) for core in message.cores)
            return [*clock_tampers(device, rows, view), PutFacts(device, rows)]
        case Gap():
            return _gap(device, message, view, credit)


# -- batches -------------------------------------------------------------------------------------------------------


def _batch(device: str, batch: Batch, view: HubView, credit: Credit) -> list[HubAction]:
    stream = StreamName(device, batch.incarnation, batch.lane)
    branches = view.branches(stream)
    parent = _find(stream, Mark(batch.n - 1, batch.previous), branches, view)
    if parent is None:
        shape_after(shape_of(len(branches)), Growth.DETACHED)
        return [Reply(device, Nack(batch.incarnation, batch.lane, "parent_unknown", credit))]
    rows = [_item_row(device, batch, item) for item in batch.items]
    chain = _chain(parent, batch.n, rows)
    actions: list[HubAction] = []
    known = _repeated(stream, parent, chain, branches, view)
    growth = Growth.REPEATED
    if new := chain[known:]:
        tail = chain[known - 1].hash if known else parent
        growth, place = _grow(stream, new, tail, branches)
        actions.append(place)
        if growth is Growth.BRANCHED:
            actions.append(_fork(stream, new[0].n))
    shape_after(shape_of(len(branches)), growth)
    actions.append(PutFacts(device, tuple(rows)))
    actions += _losses(device, rows)
    actions += _damages(device, rows[known:])
    last = chain[-1]
    actions += clock_tampers(device, rows, view)
    actions.append(Reply(device, Ack(batch.incarnation, batch.lane, mark(last.n, last.hash), credit)))
    return actions


def _find(stream: StreamName, named: Mark, branches: Sequence[BranchHead], view: HubView) -> bytes | None:
    """The whole hash of a prefix that the hub knows; None when it does not know it."""
    if named.n == 0:
        known: Sequence[bytes] = (root_hash(stream.device, stream.incarnation, stream.lane),)
    else:
        # The head is asked about nearly always, and it is at hand.
        known = tuple(b.hash for b in branches if b.n == named.n)
        if not any(h[:MARK_HASH_BYTES] == named.hash for h in known):
            known = view.hashes_at(stream, named.n, named.n).get(named.n, ())
    return next((h for h in known if h[:MARK_HASH_BYTES] == named.hash), None)


def _item_row(device: str, batch: Batch, item: Item) -> FactRow:
    if isinstance(item, Tombstone):
        if item.cause in CAUSES:
            return FactRow(item.fact_id, None, cause=item.cause)
        return FactRow(item.fact_id, None, cause=f"unknown: {item.cause}")
    return _row(device, item, batch)


def _row(device: str, core: bytes, batch: Batch | None) -> FactRow:
    """Read a core; what cannot be used is kept as it is, with the reason."""
    identity = fact_id(core)
    try:
        fact = decode_core(core)
    except Malformed as error:
        return FactRow(identity, core, problem=str(error))
    if fact.device != device:
        return FactRow(identity, core, problem=f"foreign_origin: a fact of {fact.device!r} came from {device!r}")
    if batch is not None and fact.lane is not batch.lane:
        return FactRow(identity, core, problem=f"wrong_lane: a {fact.lane} fact came in {batch.lane}")
    return FactRow(identity, core, fact=fact)


def _chain(parent: bytes, first_n: int, rows: Sequence[FactRow]) -> list[Placement]:
    chain = []
    previous = parent
    for n, row in enumerate(rows, first_n):
        previous = next_hash(previous, n, row.fact_id)
        chain.append(Placement(n, previous, row.fact_id))
    return chain


def _repeated(
    stream: StreamName, parent: bytes, chain: Sequence[Placement], branches: Sequence[BranchHead], view: HubView
) -> int:
    """How many positions from the front the hub has already, or a gap stands for: a known hash names its whole prefix."""
    first, last = chain[0].n, chain[-1].n
    if any(b.n == first - 1 and b.hash == parent for b in branches) or all(b.n < first for b in branches):
        return 0
    there = view.hashes_at(stream, first, last)
    known = (count for count, p in enumerate(chain, 1) if p.hash in there.get(p.n, ()))
    return max(known, default=0)


def _grow(
    stream: StreamName, new: Sequence[Placement], tail: bytes, branches: Sequence[BranchHead]
) -> tuple[Growth, Place]:
    """Append behind the branch that ends at `tail`; when none does, its parent has another child: keep both."""
    before = new[0].n - 1
    for head in branches:
        if head.n == before and head.hash == tail:
            return Growth.EXTENDED, Place(stream, head.branch, tuple(new))
    if not branches:
        return Growth.EXTENDED, Place(stream, 0, tuple(new))
    number = max(b.branch for b in branches) + 1
    return Growth.BRANCHED, Place(stream, number, tuple(new), forks_after_n=before)


def _losses(device: str, rows: Sequence[FactRow]) -> list[HubAction]:
    causes = sorted({row.cause for row in rows if row.cause is not None} & _LOSSES)
    return [
        Report(
            IncidentKind.CONTENT_LOST,
            device,
            f"content_lost:{device}:{cause}",
            f"{sum(r.cause == cause for r in rows)} facts came without content: {cause}",
        )
        for cause in causes
    ]


_LOSSES: Final = frozenset({"storage_full", "corrupt", "db_lost"})
"""Causes that somebody must hear of; `thinned`, `released` and `erased` are as intended."""


def _damages(device: str, rows: Sequence[FactRow]) -> list[HubAction]:
    """P6: what a device found out about its own storage shows by itself; a clone may have noticed before it branched."""
    return [
        Report(
            _FOUND_BY_DEVICE.get(damage.kind, IncidentKind.DEVICE_DAMAGE),
            device,
            f"device_damage:{device}:{damage.kind}",
            f"the device states: {damage.kind}{': ' if damage.detail else ''}{damage.detail}",
        )
        for row in rows
        if row.fact is not None and isinstance(row.fact.event, Status)
        if isinstance(damage := row.fact.event.detail, Damage)
    ]


_FOUND_BY_DEVICE: Final = {
    "forked": IncidentKind.FORK,
    "restored": IncidentKind.DEVICE_REGRESSED,
    "blob_refused": IncidentKind.BLOB_REFUSED,
}
"""Why a device began anew at the hub's word is an incident of its own kind; all else is damage."""


def _fork(stream: StreamName, n: int) -> Report:
    return Report(
        IncidentKind.FORK,
        stream.device,
        f"fork:{stream.device}:{stream.incarnation.hex()}:{stream.lane}",
        f"two continuations of {stream.lane} at position {n}: a clone, or a restored device; what comes of both is kept",
    )


# -- gaps ----------------------------------------------------------------------------------------------------------


def _gap(device: str, gap: Gap, view: HubView, credit: Credit) -> list[HubAction]:
    """P4: what cannot come is a row with its cause, and the chain goes on behind it."""
    stream = StreamName(device, gap.incarnation, gap.lane)
    branches = view.branches(stream)
    reply = Reply(device, Ack(gap.incarnation, gap.lane, mark(gap.last, gap.end), credit))
    if _find(stream, mark(gap.last, gap.end), branches, view) is not None:
        return [reply]
    below = [b for b in branches if b.n < gap.last]
    if branches and not below:
        number, begins, growth = max(b.branch for b in branches) + 1, gap.first, Growth.BRANCHED
    else:
        head = max(below, key=lambda b: b.n, default=BranchHead(0, 0, b""))
        number, begins, growth = head.branch, head.n + 1, Growth.SKIPPED
    shape_after(shape_of(len(branches)), growth)
    forks_after = gap.first - 1 if growth is Growth.BRANCHED else None
    actions: list[HubAction] = [
        Place(stream, number, (Placement(gap.last, gap.end, None),), forks_after_n=forks_after),
        PutGap(stream, begins, gap.last, gap.cause),
        Report(
            IncidentKind.GAP,
            device,
            f"gap:{device}:{gap.incarnation.hex()}:{gap.lane}:{gap.last}",
            f"{gap.lane} positions {begins} to {gap.last} can no longer come from the device: {gap.cause}",
        ),
    ]
    if growth is Growth.BRANCHED:
        actions.append(_fork(stream, gap.last))
    return [*actions, reply]


# -- hello ---------------------------------------------------------------------------------------------------------


def _hello(device: str, hello: Hello, view: HubView, credit: Credit, now_ms: int) -> list[HubAction]:
    last_mono_ms = view.last_mono_ms(device, hello.boot)
    if last_mono_ms is not None and hello.mono_ms <= last_mono_ms:
        return [
            Report(
                IncidentKind.STALE_HELLO,
                device,
                f"stale_hello:{device}",
                "a hello that is not newer than the last one of its boot; it was played back or delivered twice",
            )
        ]
    actions: list[HubAction] = []
    if view.is_first_hello(device, hello.incarnation):
        actions += [
            _never_came(u.stream, u.committed_n, u.claimed_n) for u in view.unfinished(device, hello.incarnation)
        ]
    actions.append(Contact(device, hello))
    answers = []
    forked = False
    for claim in hello.lanes:
        stream = StreamName(device, hello.incarnation, claim.lane)
        branches = view.branches(stream)
        best = _best(stream, claim, branches, view)
        forked |= shape_of(len(branches)) is Shape.FORKED
        heads = sorted(branches, key=lambda b: b.n, reverse=True)[:MAX_HEADS]
        answers.append(LaneAnswer(claim.lane, best, tuple(mark(b.n, b.hash) for b in heads)))
        announced = view.claims(stream)
        actions += _regressions(stream, claim, best, announced)
        actions += _settled(stream, claim.head, announced, branches, view)
        if best != claim.head:
            actions += _divergence(stream, claim.head, view)
    audited = view.audit(device, hello.audit)
    blobs = view.audit_blobs(hello.audit_blobs)
    welcome = Welcome(
        nonce=hello.nonce,
        lanes=tuple(answers),
        forked=forked,
        audit=bytes(_answer(a) for a in audited),
        audit_blobs=bytes(_answer(a) for a in blobs),
        safe=tuple(a.identity for a in audited if a.safe and a.has_content and a.identity is not None),
        safe_blobs=tuple(a.identity for a in blobs if a.safe and a.has_content and a.identity is not None),
        documents=tuple(view.documents(device))[:MAX_DOCUMENTS],
        hub_ms=now_ms,
        credit=credit,
    )
    return [*actions, Reply(device, welcome)]


def _answer(audited: Audited) -> int:
    if audited.identity is None or not audited.has_content:
        return AUDIT_MISSING
    return AUDIT_SAFE if audited.safe else AUDIT_HAVE


def _best(stream: StreamName, claim: LaneClaim, branches: Sequence[BranchHead], view: HubView) -> Mark | None:
    """The longest prefix that the device named and the hub has."""
    named = [claim.head, *([claim.acked] if claim.acked is not None else []), *claim.checkpoints, claim.base]
    for candidate in sorted(named, key=lambda m: m.n, reverse=True):
        if _find(stream, candidate, branches, view) is not None:
            return candidate
    return None


def _regressions(stream: StreamName, claim: LaneClaim, best: Mark | None, announced: Sequence[Mark]) -> list[HubAction]:
    """P6: a restored hub and a restored device each show by themselves."""
    where = f"{stream.device}:{stream.incarnation.hex()}:{stream.lane}"
    found: list[HubAction] = []
    acked = claim.acked if claim.acked is not None else claim.head
    best_n = best.n if best is not None else 0
    if acked.n > best_n:
        found.append(
            Report(
                IncidentKind.HUB_REGRESSED,
                stream.device,
                f"hub_regressed:{where}",
                f"the device saw {stream.lane} acknowledged up to {acked.n}; this hub knows it up to {best_n}",
            )
        )
    # Not by what is committed: a batch may overtake the hello that was said before it. The device judges by the heads in the
    # welcome, and states it; what was announced and never sent it cannot know of.
    announced_n = max((m.n for m in announced), default=0)
    if announced_n > claim.head.n:
        found.append(
            Report(
                IncidentKind.DEVICE_REGRESSED,
                stream.device,
                f"device_regressed:{where}",
                f"the device ends {stream.lane} at {claim.head.n} and announced it up to {announced_n} before",
            )
        )
    return found


def _settled(
    stream: StreamName, head: Mark, announced: Sequence[Mark], branches: Sequence[BranchHead], view: HubView
) -> list[HubAction]:
    """P4, P6: what was announced has come, or something else has come in its place, which shows.

    The furthest is remembered in any case: by it a device that was set back is known.
    """
    reached_n = max((b.n for b in branches), default=0)
    furthest = max((head, *announced), key=lambda m: m.n)
    settled = [m for m in announced if m.n <= reached_n]
    actions = [action for m in settled if m != head for action in _divergence(stream, m, view)]
    pending = [m for m in announced if m.n > reached_n]
    # A prefix of what was announced later is told by that; where many are pending one can be spared.
    spared = pending[MOST_CLAIMS - 1 : -1]
    forgotten = tuple(m for m in (*settled, *spared) if m not in (head, furthest))
    return [*actions, ForgetClaims(stream, forgotten)] if forgotten else actions


MOST_CLAIMS: Final = 16
"""Announced heads of one stream that are remembered until they come."""


def _divergence(stream: StreamName, head: Mark, view: HubView) -> list[HubAction]:
    """P4, P6: the hub has something else where a device says it ends; that shows even if what the device has never comes."""
    there = view.hashes_at(stream, head.n, head.n).get(head.n, ())
    return [_fork(stream, head.n)] if there and all(h[:MARK_HASH_BYTES] != head.hash for h in there) else []


def _never_came(stream: StreamName, committed_n: int, claimed_n: int) -> Report:
    told = f"{stream.lane} position {claimed_n} was announced, where the hub has another fact,"
    if committed_n < claimed_n:
        told = f"{stream.lane} positions {committed_n + 1} to {claimed_n} were announced"
    return Report(
        IncidentKind.GAP,
        stream.device,
        f"gap:{stream.device}:{stream.incarnation.hex()}:{stream.lane}:{claimed_n}",
        f"{told} before the device began anew; "
        "what it could rescue comes with its old identity, the rest is lost with its storage",
    )
