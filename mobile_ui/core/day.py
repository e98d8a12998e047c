"""The day as this device knows it: its route, and what became of each stop by the facts that are kept here. Pure."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from contract.event import Correction, Outcome, Proof, Scan, Step
from contract.fact import Fact
from contract.route import Route, Stop, StopChange, StopParcel


class StopState(StrEnum):
    """What became of a stop."""

    OPEN = "open"
    DELIVERED = "delivered"
    PARTLY = "partly"
    """Some parcels were handed over, others not."""
    ATTEMPTED = "attempted"
    REFUSED = "refused"
    RETURNED = "returned"
    PICKED_UP = "picked_up"
    CANCELLED = "cancelled"
    """Nobody is to go there any more, and nobody was."""


_OF_OUTCOME: Final = {
    Outcome.DELIVERED: StopState.DELIVERED,
    Outcome.ATTEMPTED: StopState.ATTEMPTED,
    Outcome.REFUSED: StopState.REFUSED,
    Outcome.RETURNED: StopState.RETURNED,
    Outcome.PICKED_UP: StopState.PICKED_UP,
}


@dataclass(frozen=True, slots=True)
class KeptFact:
    """A fact on this device, and whether the hub has it."""

    fact_id: bytes
    fact: Fact
    committed: bool = False


@dataclass(frozen=True, slots=True)
class StopDay:
    """A stop with what became of it."""

    number: int
    """On the route; 0 where it is not there any more."""
    stop: Stop
    state: StopState
    proofs: tuple[KeptFact, ...] = ()
    """Attempts, oldest first; the last one tells the state."""
    change: StopChange | None = None
    """What the hub changed since the courier looked."""

    @property
    def said(self) -> tuple[Proof, ...]:
        """What the attempts say, oldest first."""
        return tuple(map(_proof, self.proofs))

    @property
    def conflict(self) -> bool:
        """Two people meant different things: it was cancelled, and a proof was kept all the same; or there are two proofs."""
        handed_over = [proof for proof in self.said if proof.delivered]
        return bool(self.proofs) and (self.stop.cancelled or len(handed_over) > 1)

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to go there."""
        return self.state is StopState.OPEN


@dataclass(frozen=True, slots=True)
class KeptScan:
    """A scan of today."""

    fact_id: bytes
    at_ms: int
    scan: Scan
    taken_back: str | None = None
    """Why, where it no longer counts."""


@dataclass(frozen=True, slots=True)
class Day:
    """Everything of today."""

    route: Route | None = None
    stops: tuple[StopDay, ...] = ()
    removed: tuple[str, ...] = ()
    """Stops that another route no longer has, until the courier looked."""
    left: tuple[StopDay, ...] = ()
    """Stops that are not on the route any more, with what was proved there on its day."""
    scans: tuple[KeptScan, ...] = ()
    """Newest first, those taken back included."""
    loaded: frozenset[str] = frozenset()
    stop_of: Mapping[str, StopDay] = field(default_factory=dict)
    """Of each parcel that is to be handed over."""

    def find(self, stop: str) -> StopDay | None:
        """A stop by its key."""
        return next((one for one in self.stops if one.stop.stop == stop), None)

    def find_left(self, stop: str) -> StopDay | None:
        """A stop that is not on the route any more, by its key."""
        return next((one for one in self.left if one.stop.stop == stop), None)

    @property
    def next_stop(self) -> StopDay | None:
        """Where to go now."""
        return next((one for one in self.stops if one.is_open), None)

    @property
    def done(self) -> int:
        """Stops where nobody has to go any more."""
        return sum(not one.is_open for one in self.stops)

    @property
    def not_loaded(self) -> tuple[StopParcel, ...]:
        """What is to be delivered and was not scanned into the van."""
        return tuple(
            parcel
            for one in self.stops
            if one.is_open
            for parcel in one.stop.parcels
            if parcel.parcel not in self.loaded
        )


def fold_day(
    route: Route | None,
    facts: Iterable[KeptFact],
    changes: Mapping[str, StopChange] | None = None,
    known: Mapping[str, Stop] | None = None,
    today: str = "",
) -> Day:
    """Fold what is kept into the day.

    Args:
        route: the document in force.
        facts: what this device kept, in any order; proofs of other days' stops do no harm.
        changes: what the document changed since the courier looked (`contract.route.route_changes`).
        known: stops that the route had before, as far as anybody remembers.
        today: the day whose proofs are listed where there is no route; empty: none.
    """
    changes, known = changes or {}, known or {}
    ordered = _in_order(facts)
    taken_back = {
        one.fact.event.target: one.fact.event.why for one in ordered if isinstance(one.fact.event, Correction)
    }
    proofs: defaultdict[str, list[KeptFact]] = defaultdict(list)
    scans: list[KeptScan] = []
    loaded: set[str] = set()
    for one in ordered:
        event = one.fact.event
        if isinstance(event, Proof):
            proofs[event.stop].append(one)
        elif isinstance(event, Scan):
            why = taken_back.get(one.fact_id)
            scans.append(KeptScan(one.fact_id, one.fact.at_ms, event, why))
            if event.step is Step.LOADED and why is None:
                loaded.add(event.parcel)
    stops = tuple(
        StopDay(n, stop, _state(stop, proofs[stop.stop]), tuple(proofs[stop.stop]), changes.get(stop.stop))
        for n, stop in enumerate(() if route is None else route.stops, 1)
    )
    here = {one.stop.stop for one in stops}
    since = today if route is None else route.day
    return Day(
        route=route,
        stops=stops,
        left=tuple(
            _left(name, kept, known)
            for name, kept in proofs.items()
            if kept and since and name not in here and date_of(kept[-1].fact.at_ms) >= since
        ),
        removed=tuple(name for name, change in changes.items() if name not in here and change is StopChange.REMOVED),
        scans=tuple(reversed(scans)),
        loaded=frozenset(loaded),
        stop_of={p.parcel: one for one in stops if not one.stop.cancelled for p in one.stop.parcels},
    )


def _in_order(facts: Iterable[KeptFact]) -> list[KeptFact]:
    """As they were made. By time only from one incarnation to the next: within one a clock may have gone back."""
    of_incarnation: defaultdict[bytes, list[KeptFact]] = defaultdict(list)
    for one in facts:
        of_incarnation[one.fact.incarnation].append(one)
    incarnations = sorted(of_incarnation.values(), key=lambda some: max(one.fact.at_ms for one in some))
    return [one for some in incarnations for one in sorted(some, key=lambda one: one.fact.ord)]


def date_of(at_ms: int) -> str:
    """In the handheld's zone, which is that of the route."""
    return time.strftime("%Y-%m-%d", time.localtime(at_ms / 1000))


def _left(name: str, proofs: list[KeptFact], known: Mapping[str, Stop]) -> StopDay:
    last = _proof(proofs[-1])
    # The proof names no address; its parcels and who took them are what the courier can tell it by.
    parcels = ", ".join((*last.delivered, *last.refused))
    stop = known.get(name) or Stop(name, last.recipient or parcels, parcels if last.recipient else "")
    return StopDay(0, stop, _state(stop, proofs), tuple(proofs))


def _proof(one: KeptFact) -> Proof:
    event = one.fact.event
    assert isinstance(event, Proof)  # noqa: S101 sorted in `fold_day`
    return event


def _state(stop: Stop, proofs: list[KeptFact]) -> StopState:
    if not proofs:
        return StopState.CANCELLED if stop.cancelled else StopState.OPEN
    last = _proof(proofs[-1])
    if last.outcome is Outcome.DELIVERED:
        handed_over = {parcel for one in proofs for parcel in _proof(one).delivered}
        asked_for = {parcel.parcel for parcel in stop.parcels}
        return StopState.PARTLY if last.refused or asked_for - handed_over else StopState.DELIVERED
    return _OF_OUTCOME[last.outcome]
