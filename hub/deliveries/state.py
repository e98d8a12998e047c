"""What a stop has come to, folded from all proofs of it. Pure; the same in any order of arrival.

- Proofs count in the order of facts (corrected time, device, incarnation, ord, identity); one that was corrected does not.
- `delivered` and `picked_up` hold against `attempted` and `refused`, whatever came later: only `returned`, or a correction,
  undoes them. `refused` holds against `attempted`.
- Parcels of several proofs add up: where some were handed over and others refused, the stop is done in part.
- Two devices that each say what became of a stop contradict each other, unless the earlier of them only tried, or the later one
  brings back. Both proofs are kept and shown; a person decides.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Final

from msgspec import Struct

from contract.event import Outcome
from hub.archive.redaction import Personal


class StopStatus(StrEnum):
    """What a stop has come to."""

    OPEN = "open"
    DELIVERED = "delivered"
    PARTLY = "partly"
    PICKED_UP = "picked_up"
    ATTEMPTED = "attempted"
    REFUSED = "refused"
    RETURNED = "returned"
    CANCELLED = "cancelled"
    """Taken back at the hub, and nobody says that they were there."""


class ProofView(Struct, frozen=True):
    """One proof as the hub knows it.

    Attributes:
        corrected_by: the decision that took it back.
        withheld: the fields that were told once and are empty now: their time is over.
    """

    fact_id: bytes
    stop: str
    outcome: Outcome
    delivered: tuple[str, ...]
    refused: tuple[str, ...]
    happened_ms: int
    time_source: str
    uncertainty_ms: int | None
    known_ms: int
    at_ms: int
    device: str
    incarnation: bytes
    ord: int
    actor: str = ""
    reason: str = ""
    recipient: str = ""
    relation: str = ""
    notes: str = ""
    lat_e7: int | None = None
    lon_e7: int | None = None
    accuracy_m: int | None = None
    fix_age_s: int | None = None
    cold_verdict: str = ""
    cold_budget_s: int | None = None
    signature: bytes | None = None
    photos: tuple[bytes, ...] = ()
    corrected_by: bytes | None = None
    withheld: tuple[Personal, ...] = ()

    @property
    def id(self) -> str:
        """The identity, hex: its address."""
        return self.fact_id.hex()


in_order: Final[Callable[[ProofView], tuple[int, str, bytes, int, bytes]]] = attrgetter(
    "happened_ms", "device", "incarnation", "ord", "fact_id"
)

DONE: Final = frozenset({StopStatus.DELIVERED, StopStatus.PARTLY, StopStatus.PICKED_UP})
"""What shippers pay for."""
TO_DECIDE: Final = frozenset({StopStatus.ATTEMPTED, StopStatus.REFUSED, StopStatus.RETURNED, StopStatus.PARTLY})
"""Somebody was there, and not all was handed over: it is tried again, or goes back to its shipper."""
_GIVEN: Final = frozenset({Outcome.DELIVERED, Outcome.PICKED_UP})
_RANK: Final = {
    Outcome.ATTEMPTED: 0,
    Outcome.REFUSED: 1,
    Outcome.DELIVERED: 2,
    Outcome.PICKED_UP: 2,
    Outcome.RETURNED: 2,
}


class StopOutcome(Struct, frozen=True):
    """A stop by its proofs, all of them in order. `decided_by` is the one that its status comes from."""

    status: StopStatus
    proofs: tuple[ProofView, ...] = ()
    decided_by: ProofView | None = None
    conflict: bool = False

    @property
    def visited(self) -> bool:
        """Whether anybody says that they were there."""
        return self.decided_by is not None

    @property
    def first(self) -> ProofView | None:
        """The first proof that counts."""
        return next(counting(self.proofs), None)


UNVISITED: Final = StopOutcome(StopStatus.OPEN)


def counting(proofs: Iterable[ProofView]) -> Iterator[ProofView]:
    """Those that nobody took back."""
    return (proof for proof in proofs if proof.corrected_by is None)


def fold_stop(proofs: Sequence[ProofView], *, cancelled: bool = False) -> StopOutcome:
    """What a stop has come to."""
    ordered = tuple(sorted(proofs, key=in_order))
    counts = list(counting(ordered))
    if not counts:
        return StopOutcome(StopStatus.CANCELLED if cancelled else StopStatus.OPEN, ordered)
    holds = counts[0]
    for proof in counts[1:]:
        if _RANK[proof.outcome] >= _RANK[holds.outcome]:
            holds = proof
    return StopOutcome(_status(holds, counts), ordered, holds, _conflict(counts))


def _status(holds: ProofView, counts: Sequence[ProofView]) -> StopStatus:
    if holds.outcome not in _GIVEN:
        return StopStatus(holds.outcome.value)
    given = handed_over(counts)
    held_back = {parcel for proof in counts for parcel in proof.refused} - given
    if given and held_back:
        return StopStatus.PARTLY
    return StopStatus(holds.outcome.value)


def handed_over(proofs: Iterable[ProofView]) -> frozenset[str]:
    """Parcels that any of these proofs says were given, or taken along."""
    return frozenset(parcel for proof in counting(proofs) if proof.outcome in _GIVEN for parcel in proof.delivered)


def contradicting(proof: ProofView, proofs: Iterable[ProofView]) -> tuple[ProofView, ...]:
    """Those of a stop's proofs, in order, that say something else than this one; none if it does not count."""
    if proof.corrected_by is not None:
        return ()
    return tuple(other for other in counting(proofs) if _contradict(*sorted((proof, other), key=in_order)))


def _conflict(ordered: Iterable[ProofView]) -> bool:
    """Whether any two of them contradict each other; in one pass, for a device may prove one stop thousands of times."""
    said: set[str] = set()
    for proof in ordered:
        if proof.outcome is not Outcome.RETURNED and said - {proof.device}:
            return True
        if proof.outcome is not Outcome.ATTEMPTED:
            said.add(proof.device)
    return False


def _contradict(first: ProofView, later: ProofView) -> bool:
    tried = first.outcome is Outcome.ATTEMPTED or later.outcome is Outcome.RETURNED
    return first.device != later.device and not tried
