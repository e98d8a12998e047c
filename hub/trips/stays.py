"""Where a parcel stayed, told by its custody events alone. Pure; the same stays in any order of arrival.

- `loaded`, `departed`, `out_for_delivery` and `picked_up` put it on board of the device that says so.
- `received`, `arrived`, `counted` and `returned` lay it down at their place; but said by the carrying device about no other
  place than before, the parcel is still on board.
- `handed_over`, said by another device than the one that has it, puts it on board there; said by the one that has it, the
  place names who took it, and where it names nobody new, nobody knows where it is.
- `delivered` ends its way; only `returned`, `received` or a correction begin another one.
- `attempted` and `refused` move nothing.
- What is corrected does not count; what a correction says instead happened when and where the corrected fact did.
"""

from collections.abc import Collection, Mapping
from typing import Final

from msgspec import Struct, structs

from hub.tracking.custody import UNDOES_DELIVERED, CustodyEvent, Deed, EventKind, in_order, taken_back
from hub.trips.runs import until_ms

PUTS_ABOARD: Final = frozenset({Deed.LOADED, Deed.DEPARTED, Deed.OUT_FOR_DELIVERY, Deed.PICKED_UP})
LAYS_DOWN: Final = frozenset({Deed.RECEIVED, Deed.ARRIVED, Deed.COUNTED, Deed.RETURNED})


class Stay(Struct, frozen=True, gc=False):
    """One stretch of a parcel's way; fields as in `hub.trips.tables.StayRow`."""

    opened_by: bytes
    opened_step: str
    device: str
    place: str
    aboard: bool
    from_ms: int
    known_ms: int
    to_ms: int | None = None
    closed_by: bytes | None = None
    closed_step: str = ""
    closed_known_ms: int | None = None

    @property
    def until_ms(self) -> int:
        """Its end, or how long it counts while none is known."""
        return until_ms(self.from_ms, self.to_ms)

    def ended_by(self, event: CustodyEvent) -> "Stay":
        """The same with its end."""
        return structs.replace(
            self,
            to_ms=event.happened_ms,
            closed_by=event.fact_id,
            closed_step=event.deed.value if event.deed else "",
            closed_known_ms=event.known_ms,
        )


class Where(Struct, frozen=True, gc=False):
    """On board of a device, or at a place."""

    device: str
    place: str
    aboard: bool

    def same_as(self, stay: Stay) -> bool:
        """Whether a parcel that is here did not move since."""
        if self.aboard or stay.aboard:
            return self.aboard == stay.aboard and self.device == stay.device
        return self.place == stay.place and (bool(self.place) or self.device == stay.device)


def stays_of(events: Collection[CustodyEvent]) -> list[Stay]:
    """The stays of one parcel, in order, from all its events in any order."""
    done: list[Stay] = []
    stay: Stay | None = None
    delivered = False
    for event in _that_count(events):
        deed = event.deed
        if delivered and event.kind is not EventKind.CORRECTION and deed not in UNDOES_DELIVERED:
            continue
        if deed is Deed.DELIVERED:
            delivered = True
            done += [stay.ended_by(event)] if stay else []
            stay = None
            continue
        where = _where(event, stay)
        delivered = False
        if where is None or (stay is not None and where.same_as(stay)):
            continue
        done += [stay.ended_by(event)] if stay else []
        stay = Stay(
            opened_by=event.fact_id,
            opened_step=deed.value if deed else "",
            device=where.device,
            place=where.place,
            aboard=where.aboard,
            from_ms=event.happened_ms,
            known_ms=event.known_ms,
        )
    return [*done, stay] if stay else done


def _that_count(events: Collection[CustodyEvent]) -> list[CustodyEvent]:
    """What happened, in order, corrections in the place of what they correct."""
    if not any(event.targets for event in events):
        return sorted((event for event in events if event.deed is not None), key=in_order)
    corrected = taken_back((event.fact_id, target) for event in events for target in event.targets)
    stated = {event.fact_id: event for event in events if event.kind is not EventKind.CORRECTION}
    held = sorted((e for e in events if e.fact_id not in corrected and e.deed is not None), key=in_order)
    # By the fact that they speak of, so that of several corrections of one fact the latest counts.
    put_back = [_put_back(event, stated) for event in held]
    return sorted({event.fact_id: event for event in put_back}.values(), key=in_order)


def _put_back(event: CustodyEvent, stated: Mapping[bytes, CustodyEvent]) -> CustodyEvent:
    """A correction as it stands in the place of the first fact that it corrects."""
    targets = sorted((stated[target] for target in event.targets if target in stated), key=in_order)
    if not targets:
        return event
    first = targets[0]
    return structs.replace(
        event,
        fact_id=first.fact_id,
        happened_ms=first.happened_ms,
        device=first.device,
        incarnation=first.incarnation,
        ord=first.ord,
        place=first.place,
    )


def _where(event: CustodyEvent, stay: Stay | None) -> Where | None:
    """Where it is after this event; None: nothing moved."""
    # A proof's place is a customer's stop, which says nothing about who carries the parcel on.
    place = "" if event.kind is EventKind.PROOF and event.deed is not Deed.RETURNED else event.place
    carried = stay is not None and stay.aboard and stay.device == event.device
    if event.deed in PUTS_ABOARD:
        return Where(event.device, place, aboard=True)
    if event.deed in LAYS_DOWN:
        if carried and stay is not None and place in ("", stay.place):
            return None
        return Where(event.device, place, aboard=False)
    if event.deed is Deed.HANDED_OVER:
        if stay is None or stay.device != event.device:
            return Where(event.device, place, aboard=True)
        return Where("", "" if place == stay.place else place, aboard=False)
    return None
