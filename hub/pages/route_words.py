"""How pages say what came of stops, why some wait, and what was checked of proofs: colour, sign and word. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from contract.event import Outcome
from contract.proof_words import Reason, Relation, reasons_of
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
    PictureState.REFUSED: "photo refused, it will not come: {why}",
}

OVER_QUOTA: Final = "the pictures of its device have used up their room at the hub"
_QUOTA: Final = re.compile(r"attachments of \S+ would take more than \d+ bytes")
DAMAGED: Final = "its file on the device is damaged"


def why_refused(why: str) -> str:
    """Why a picture will not come, as a sentence where it is one of those known (`hub.blobs`, `contract.delivery.device`)."""
    if _QUOTA.fullmatch(why):
        return OVER_QUOTA
    return DAMAGED if why == "corrupt" else why


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

REASONS: Final[Mapping[Reason, str]] = {
    Reason.NOBODY_HOME: "nobody at home",
    Reason.CLOSED: "closed for the day",
    Reason.WRONG_ADDRESS: "wrong address",
    Reason.NO_ACCESS: "no way in",
    Reason.UNSAFE: "not safe there",
    Reason.NO_TIME: "no time left",
    Reason.COLD_EXCEEDED: "cold limit exceeded",
    Reason.NOT_IN_VAN: "not in the van",
    Reason.DAMAGED: "parcel damaged",
    Reason.NOT_ORDERED: "not ordered",
    Reason.TOO_LATE: "came too late",
    Reason.NO_REASON: "no reason given",
    Reason.BACK_TO_SENDER: "back to the sender",
    Reason.RECALLED: "recalled by the sender",
    Reason.INCOMPLETE: "not complete",
    Reason.RECIPIENT_ACCEPTS: "the recipient accepts it as it is",
    Reason.RECIPIENT_CHECKS: "the recipient will have it checked",
    Reason.AGREED_BY_PHONE: "agreed by phone",
}

RELATIONS: Final[Mapping[Relation, str]] = {
    Relation.CONSIGNEE: "the consignee",
    Relation.HOUSEHOLD: "of the household",
    Relation.RECEPTION: "at the reception",
    Relation.NEIGHBOUR: "a neighbour",
    Relation.LOCKER: "a locker",
}


def said(words: Mapping[Reason, str] | Mapping[Relation, str], text: str) -> tuple[str, ...]:
    """What a proof's codes mean; those of another version stand for themselves, and so does a text that has none."""
    known: Mapping[str, str] = {code.value: word for code, word in words.items()}
    codes = reasons_of(text)
    if known.keys().isdisjoint(codes):
        return (text,) if text else ()
    return tuple(known.get(code, code) for code in codes)


def why_values(value: int, late: str) -> dict[str, object]:
    """The figure of a reason in the unit that its sentence says; `late` is the same as a duration."""
    return {"kg": f"{value / 1000:g}", "litres": f"{value / 1000:g}", "parcels": value, "late": late}
