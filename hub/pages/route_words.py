"""How pages say what came of stops, why some wait, and what was checked of proofs: colour, sign and word. Pure."""

from collections.abc import Mapping
from typing import Final

from contract.event import Outcome
from contract.route import Check, TaskKind
from hub.deliveries.evidence import PictureState
from hub.deliveries.state import StopStatus
from hub.routes.plan import Why

STATUSES: Final[Mapping[StopStatus, tuple[str, str, str]]] = {
    StopStatus.OPEN: ("none", "·", "still to do"),
    StopStatus.DELIVERED: ("ok", "✓", "delivered"),
    StopStatus.PARTLY: ("attention", "◆", "delivered in part"),
    StopStatus.PICKED_UP: ("ok", "✓", "picked up"),
    StopStatus.ATTEMPTED: ("attention", "◆", "attempted"),
    StopStatus.REFUSED: ("attention", "◆", "refused"),
    StopStatus.RETURNED: ("none", "↩", "returned"),
    StopStatus.CANCELLED: ("none", "✕", "cancelled"),
}

OUTCOMES: Final[Mapping[Outcome, tuple[str, str, str]]] = {
    outcome: STATUSES[StopStatus(outcome.value)] for outcome in Outcome
}

WHYS: Final[Mapping[Why, str]] = {
    Why.NO_PLACE: "nobody knows where it is: the shipment has no coordinates",
    Why.TOO_HEAVY: "too heavy: the strongest van carries {kg} kg",
    Why.TOO_LARGE: "too large: the largest van holds {litres} l",
    Why.TOO_MANY: "too many parcels: the largest van holds {parcels}",
    Why.OUT_OF_REACH: "no van can be there in time: the best would be {late} late",
    Why.NOT_ABOARD: "all vans have left, and none has it on board",
    Why.NO_ROOM: "the vans are full",
    Why.NO_TIME: "the vans have no time left: other stops matter more or lie closer",
    Why.TAKEN_OFF: "a person took it off its route",
}

CHECKS: Final[Mapping[Check, str]] = {
    Check.SIGNATURE: "signature",
    Check.PHOTO: "photo",
    Check.AGE: "age",
    Check.COLD: "cold hand-over",
}

TASKS: Final[Mapping[TaskKind, str]] = {
    TaskKind.COLLECT: "collect a return",
    TaskKind.HAND_OUT: "hand out",
    TaskKind.TAKE_BACK: "take back",
}

PICTURES: Final[Mapping[PictureState, str]] = {
    PictureState.HERE: "here",
    PictureState.COMING: "photo pending, {percent} % came",
    PictureState.PENDING: "photo pending: it is still on the device",
    PictureState.ERASED: "erased when its time was over",
}

CHECKED: Final[Mapping[str, str]] = {
    "core": "what the device stated hashes to its identity",
    "shown": "what this page shows is what the device stated",
    "chain": "its place follows in the device's chain",
    "photo": "photo",
    "signature": "drawn signature",
}

TIMES: Final[Mapping[str, str]] = {
    "device": "the device's clock, which was right",
    "hub_fix": "the hub's clock, carried over to the device",
    "device_unsynced": "the device's clock, which nobody has compared",
    "received": "no later than it was received",
}

FIGURES: Final[Mapping[str, str]] = {
    "stops": "stops",
    "done": "done",
    "attempted": "attempted",
    "refused": "refused",
    "open": "open",
    "on_time": "on time",
    "first_attempt": "at the first attempt",
}
"""What late proofs may change."""

CARDS: Final[Mapping[str, str]] = {"HF:STEP": "Step", "HF:ACTOR": "Person", "HF:PLACE": "Place"}
"""What a control card says, as it stands on it."""

COLD_VERDICTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "inside": ("ok", "✓", "within the limits"),
    "above": ("attention", "▲", "too warm, budget not used up"),
    "below": ("attention", "▼", "too cold, budget not used up"),
    "no_data": ("silence", "?", "no data"),
    "exceeded": ("attention", "▲", "limit exceeded"),
}
"""What a proof says of the cold (`contract.cold_verdict`)."""

REASONS: Final[Mapping[str, str]] = {
    "nobody_home": "nobody at home",
    "closed": "closed for the day",
    "wrong_address": "wrong address",
    "no_access": "no way in",
    "unsafe": "not safe there",
    "no_time": "no time left",
    "cold_exceeded": "cold limit exceeded",
    "not_in_van": "not in the van",
    "damaged": "parcel damaged",
    "not_ordered": "not ordered",
    "too_late": "came too late",
    "no_reason": "no reason given",
    "back_to_sender": "back to the sender",
    "recalled": "recalled by the sender",
    "incomplete": "not complete",
    "recipient_accepts": "the recipient accepts it as it is",
    "recipient_checks": "the recipient will have it checked",
    "agreed_by_phone": "agreed by phone",
}
"""Codes of couriers' apps; others, of another version, are shown as they are."""

RELATIONS: Final[Mapping[str, str]] = {
    "consignee": "the consignee",
    "household": "of the household",
    "reception": "at the reception",
    "neighbour": "a neighbour",
    "locker": "a locker",
}


def said(words: Mapping[str, str], codes: str) -> tuple[str, ...]:
    """What codes mean, several with commas between; one that is not known stands for itself."""
    return tuple(words.get(code, code) for code in codes.split(",") if code)


def why_values(value: int, late: str) -> dict[str, object]:
    """The figure of a reason in the unit that its sentence says; `late` is the same as a duration."""
    return {"kg": f"{value / 1000:g}", "litres": f"{value / 1000:g}", "parcels": value, "late": late}
