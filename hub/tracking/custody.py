"""The chain of custody of one parcel, folded into where it is now.

The fold takes events in the order of the product's rule 3, so it comes out the same whatever arrived first.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Final

from msgspec import Struct

from hub.archive.redaction import Personal
from hub.timeline import TimeSource


class Deed(StrEnum):
    """What one event did with a parcel: the steps of scans, and what proofs add to them."""

    RECEIVED = "received"
    LOADED = "loaded"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    RETURNED = "returned"
    COUNTED = "counted"
    HANDED_OVER = "handed_over"
    ATTEMPTED = "attempted"
    REFUSED = "refused"
    PICKED_UP = "picked_up"


class ParcelStatus(StrEnum):
    """What people ask first; the deed says it more exactly."""

    KNOWN = "known"
    """Seen, but only counted, or all corrected away."""
    IN_STORE = "in_store"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    EXCEPTION = "exception"
    """Attempted or refused: somebody must decide."""
    RETURNED = "returned"


STATUS_OF: Final[Mapping[Deed, ParcelStatus]] = {
    Deed.RECEIVED: ParcelStatus.IN_STORE,
    Deed.ARRIVED: ParcelStatus.IN_STORE,
    Deed.LOADED: ParcelStatus.IN_TRANSIT,
    Deed.DEPARTED: ParcelStatus.IN_TRANSIT,
    Deed.HANDED_OVER: ParcelStatus.IN_TRANSIT,
    Deed.PICKED_UP: ParcelStatus.IN_TRANSIT,
    Deed.OUT_FOR_DELIVERY: ParcelStatus.OUT_FOR_DELIVERY,
    Deed.DELIVERED: ParcelStatus.DELIVERED,
    Deed.ATTEMPTED: ParcelStatus.EXCEPTION,
    Deed.REFUSED: ParcelStatus.EXCEPTION,
    Deed.RETURNED: ParcelStatus.RETURNED,
}
"""`counted` is missing: it says that a parcel was seen, not what was done with it."""

UNDOES_DELIVERED: Final = frozenset({Deed.RETURNED, Deed.RECEIVED})
"""A parcel that comes back is scanned as one of these. Anything else after a delivery is a late fact or a wrong clock."""


class EventKind(StrEnum):
    """What stated an event."""

    SCAN = "scan"
    PROOF = "proof"
    CORRECTION = "correction"


class CustodyEvent(Struct, frozen=True, gc=False):
    """One link of the chain of custody, as far as the state of the parcel depends on it.

    Attributes:
        deed: what was done; of a correction, what holds instead, None where it only takes back.
        happened_ms: corrected time; `time_source` and `uncertainty_ms` say how sure.
        known_ms: when the hub took the fact.
        withheld: what it told once, and does not any more.
        targets: the facts that a correction takes back.
    """

    fact_id: bytes
    kind: EventKind
    deed: Deed | None
    happened_ms: int
    time_source: TimeSource
    uncertainty_ms: int | None
    known_ms: int
    device: str
    incarnation: bytes
    ord: int
    actor: str = ""
    place: str = ""
    lat_e7: int | None = None
    lon_e7: int | None = None
    verdict: str = ""
    cold_verdict: str = ""
    cold_budget_s: int | None = None
    code_kind: str = ""
    recipient: str = ""
    withheld: tuple[Personal, ...] = ()
    targets: tuple[bytes, ...] = ()


in_order: Final[Callable[[CustodyEvent], tuple[int, str, bytes, int, bytes]]] = attrgetter(
    "happened_ms", "device", "incarnation", "ord", "fact_id"
)
"""Sort key: the one order of facts at the hub."""


class ParcelState(Struct, frozen=True):
    """Where a parcel is.

    Attributes:
        step: the event that holds now; None where none does.
        seen: the latest event that counts, of any deed.
        known_ms: when the hub last learnt anything about the parcel.
        withheld: which of recipient and position (`fix`) would be told, were it not withheld.
        corrected: identities of events that no longer count, each with the correction's.
        ignored: identities of events later than a delivery that they could not undo.
    """

    step: CustodyEvent | None
    seen: CustodyEvent
    status: ParcelStatus
    known_ms: int
    kind: str
    lat_e7: int | None
    lon_e7: int | None
    verdict: str
    cold_verdict: str
    cold_budget_s: int | None
    recipient: str
    withheld: tuple[Personal, ...]
    events: int
    corrections: int
    corrected: Mapping[bytes, bytes]
    ignored: tuple[bytes, ...]


def taken_back(pairs: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Facts that no longer count, each with the correction because of which: of several the last.

    Args:
        pairs: a correction and what it takes back, in order. That may be a correction itself: then it is undone, and what it
            took back counts again.
    """
    known = list(pairs)
    against: dict[bytes, list[bytes]] = {}
    for correction, target in known:
        against.setdefault(target, []).append(correction)

    def stands(correction: bytes) -> bool:
        # A fact names only facts that were made before it, so this ends.
        return not any(stands(by) for by in against.get(correction, ()))

    return {target: correction for correction, target in known if stands(correction)}


def fold_parcel(events: Collection[CustodyEvent]) -> ParcelState:
    """Fold all events of one parcel, in any order, into its state.

    Raises:
        ValueError: there is no scan and no proof among them.
    """
    ordered = sorted(events, key=in_order)
    stated = [event for event in ordered if event.kind is not EventKind.CORRECTION]
    if not stated:
        raise ValueError("a parcel needs at least one scan or proof")
    corrected: dict[bytes, bytes] = {}
    holds = valid = stated
    if len(stated) < len(ordered):
        corrected = taken_back((event.fact_id, target) for event in ordered for target in event.targets)
        holds = [event for event in ordered if event.fact_id not in corrected]
        valid = [event for event in stated if event.fact_id not in corrected]
    step, ignored = _hold(holds)
    fixed: CustodyEvent | None = None
    verdict = cold_verdict = ""
    cold_budget_s: int | None = None
    for event in valid:
        fixed = event if event.lat_e7 is not None or Personal.FIX in event.withheld else fixed
        verdict = event.verdict or verdict
        cold_verdict = event.cold_verdict or cold_verdict
        cold_budget_s = event.cold_budget_s if event.cold_budget_s is not None else cold_budget_s
    received = _received(step, valid)
    recipient = _last([event.recipient for event in received])
    withheld = {
        Personal.RECIPIENT: not recipient and any(Personal.RECIPIENT in event.withheld for event in received),
        Personal.FIX: fixed is not None and fixed.lat_e7 is None,
    }
    return ParcelState(
        step=step,
        seen=(valid or stated)[-1],
        status=STATUS_OF[step.deed] if step and step.deed else ParcelStatus.KNOWN,
        known_ms=max([event.known_ms for event in ordered]),
        kind=_last([event.code_kind for event in stated]),
        lat_e7=fixed.lat_e7 if fixed else None,
        lon_e7=fixed.lon_e7 if fixed else None,
        verdict=verdict,
        cold_verdict=cold_verdict,
        cold_budget_s=cold_budget_s,
        recipient=recipient,
        withheld=tuple(field for field, is_so in withheld.items() if is_so),
        events=len(stated),
        corrections=len(ordered) - len(stated),
        corrected=corrected,
        ignored=tuple(ignored),
    )


def _hold(ordered: list[CustodyEvent]) -> tuple[CustodyEvent | None, list[bytes]]:
    """The event that holds in the end, and those that a delivery kept from holding."""
    step: CustodyEvent | None = None
    ignored: list[bytes] = []
    for event in ordered:
        if event.deed is None or event.deed is Deed.COUNTED:
            continue
        delivered = step is not None and step.deed is Deed.DELIVERED
        if delivered and event.kind is not EventKind.CORRECTION and event.deed not in UNDOES_DELIVERED:
            # A scan and its proof both say delivered: the first one dates it.
            if event.deed is not Deed.DELIVERED:
                ignored.append(event.fact_id)
            continue
        step = event
    return step, ignored


def _received(step: CustodyEvent | None, valid: list[CustodyEvent]) -> list[CustodyEvent]:
    """What tells who took it: the delivery that holds, and proofs after the scan that dates it."""
    if step is None or step.deed is not Deed.DELIVERED:
        return []
    since = in_order(step)
    return [event for event in valid if event.deed is Deed.DELIVERED and in_order(event) >= since]


def _last(texts: Sequence[str]) -> str:
    return next(filter(None, reversed(texts)), "")
