"""The closed lists that a courier chooses from: what is stated in the fact, and what is read on the screen."""

from typing import Final

from contract.cold_verdict import ColdVerdict
from contract.event import Outcome
from contract.route import Check, StopChange, TaskKind
from mobile_ui.core.day import StopState
from mobile_ui.core.say import Sentence, say

REASONS: Final[dict[Outcome, dict[str, Sentence]]] = {
    Outcome.ATTEMPTED: {
        "nobody_home": say("Nobody there"),
        "closed": say("Closed"),
        "wrong_address": say("The address is wrong"),
        "no_access": say("No way in"),
        "unsafe": say("Not safe"),
        "no_time": say("No time left"),
        "cold_exceeded": say("The cold was left"),
        "not_in_van": say("Not found in the van"),
    },
    Outcome.REFUSED: {
        "damaged": say("Damaged"),
        "not_ordered": say("Not ordered"),
        "too_late": say("Came too late"),
        "cold_exceeded": say("The cold was left"),
        "no_reason": say("No reason given"),
    },
    Outcome.RETURNED: {
        "back_to_sender": say("Back to the sender"),
        "recalled": say("Called back"),
        "damaged": say("Damaged"),
    },
    Outcome.DELIVERED: {
        "damaged": say("Damaged"),
        "not_ordered": say("Not ordered"),
        "not_in_van": say("Not found in the van"),
        "cold_exceeded": say("The cold was left"),
        "no_reason": say("No reason given"),
    },
    Outcome.PICKED_UP: {
        "damaged": say("Damaged"),
        "incomplete": say("Not all was there"),
        "no_reason": say("No reason given"),
    },
}
COLD_REASONS: Final[dict[str, Sentence]] = {
    "recipient_accepts": say("The recipient takes it all the same"),
    "recipient_checks": say("The recipient will check the goods"),
    "agreed_by_phone": say("Agreed with the dispatcher"),
}
WHY_TAKEN_BACK: Final[dict[str, Sentence]] = {
    "wrong parcel": say("The wrong parcel"),
    "scanned by mistake": say("Scanned by mistake"),
    "parcel stays at the dock": say("It stays at the dock"),
}
WHY_ACKNOWLEDGED: Final[dict[str, Sentence]] = {
    "door was open": say("The door was open"),
    "loading": say("We were loading"),
    "cooler is on again": say("The cooler runs again"),
    "dispatcher informed": say("The dispatcher knows"),
}
RELATIONS: Final[dict[str, Sentence]] = {
    "consignee": say("In person"),
    "household": say("Household"),
    "reception": say("Reception"),
    "neighbour": say("Neighbour"),
    "locker": say("Locker"),
}
OUTCOMES: Final[dict[Outcome, Sentence]] = {
    Outcome.DELIVERED: say("Delivered"),
    Outcome.ATTEMPTED: say("Not delivered"),
    Outcome.REFUSED: say("Refused"),
    Outcome.RETURNED: say("Back to the depot"),
    Outcome.PICKED_UP: say("Picked up"),
}
STATES: Final[dict[StopState, tuple[str, Sentence]]] = {
    StopState.OPEN: ("○", say("open")),
    StopState.DELIVERED: ("√", say("delivered")),
    StopState.PARTLY: ("◆", say("partly delivered")),
    StopState.ATTEMPTED: ("◆", say("not delivered")),
    StopState.REFUSED: ("◆", say("refused")),
    StopState.RETURNED: ("←", say("back to the depot")),
    StopState.PICKED_UP: ("↑", say("picked up")),
    StopState.CANCELLED: ("□", say("cancelled")),
}
"""A sign and a word each: colour is never alone."""
CHANGES: Final[dict[StopChange, Sentence]] = {
    StopChange.ADDED: say("new"),
    StopChange.CANCELLED: say("cancelled"),
    StopChange.REMOVED: say("taken off"),
    StopChange.MOVED: say("moved"),
    StopChange.CHANGED: say("changed"),
}
CHECKS: Final[dict[Check, Sentence]] = {
    Check.SIGNATURE: say("Signature"),
    Check.PHOTO: say("Photo"),
    Check.AGE: say("I looked at a document: the recipient is old enough"),
    Check.COLD: say("I showed the recipient the temperature"),
}
NEEDS: Final[dict[Check, Sentence]] = {
    Check.SIGNATURE: say("signature"),
    Check.PHOTO: say("photo"),
    Check.AGE: say("age"),
    Check.COLD: say("cold"),
}
TASKS: Final[dict[TaskKind, Sentence]] = {
    TaskKind.COLLECT: say("Collect"),
    TaskKind.HAND_OUT: say("Hand out"),
    TaskKind.TAKE_BACK: say("Take the old one back"),
}
VERDICTS: Final[dict[ColdVerdict, tuple[str, Sentence]]] = {
    ColdVerdict.INSIDE: ("·", say("inside its limits")),
    ColdVerdict.ABOVE: ("▲", say("too warm now")),
    ColdVerdict.BELOW: ("▼", say("too cold now")),
    ColdVerdict.NO_DATA: ("?", say("the sensor is silent")),
    ColdVerdict.EXCEEDED: ("▲", say("the time allowed is used up")),
}
