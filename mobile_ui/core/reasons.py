"""The closed lists that a courier chooses from: what is stated in the fact, and what is read on the screen."""

from typing import Final

from contract.cold_verdict import ColdVerdict
from contract.event import Outcome
from contract.proof_words import Reason, Relation
from contract.route import Check, StopChange, TaskKind
from mobile_ui.core.day import StopState
from mobile_ui.core.say import Sentence, say

REASONS: Final[dict[Outcome, dict[Reason, Sentence]]] = {
    Outcome.ATTEMPTED: {
        Reason.NOBODY_HOME: say("Nobody there"),
        Reason.CLOSED: say("Closed"),
        Reason.WRONG_ADDRESS: say("The address is wrong"),
        Reason.NO_ACCESS: say("No way in"),
        Reason.UNSAFE: say("Not safe"),
        Reason.NO_TIME: say("No time left"),
        Reason.COLD_EXCEEDED: say("The cold was left"),
        Reason.NOT_IN_VAN: say("Not found in the van"),
    },
    Outcome.REFUSED: {
        Reason.DAMAGED: say("Damaged"),
        Reason.NOT_ORDERED: say("Not ordered"),
        Reason.TOO_LATE: say("Came too late"),
        Reason.COLD_EXCEEDED: say("The cold was left"),
        Reason.NO_REASON: say("No reason given"),
    },
    Outcome.RETURNED: {
        Reason.BACK_TO_SENDER: say("Back to the sender"),
        Reason.RECALLED: say("Called back"),
        Reason.DAMAGED: say("Damaged"),
    },
    Outcome.DELIVERED: {
        Reason.DAMAGED: say("Damaged"),
        Reason.NOT_ORDERED: say("Not ordered"),
        Reason.NOT_IN_VAN: say("Not found in the van"),
        Reason.COLD_EXCEEDED: say("The cold was left"),
        Reason.NO_REASON: say("No reason given"),
    },
    Outcome.PICKED_UP: {
        Reason.DAMAGED: say("Damaged"),
        Reason.INCOMPLETE: say("Not all was there"),
        Reason.NO_REASON: say("No reason given"),
    },
}
COLD_REASONS: Final[dict[Reason, Sentence]] = {
    Reason.RECIPIENT_ACCEPTS: say("The recipient takes it all the same"),
    Reason.RECIPIENT_CHECKS: say("The recipient will check the goods"),
    Reason.AGREED_BY_PHONE: say("Agreed with the dispatcher"),
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
RELATIONS: Final[dict[Relation, Sentence]] = {
    Relation.CONSIGNEE: say("In person"),
    Relation.HOUSEHOLD: say("Household"),
    Relation.RECEPTION: say("Reception"),
    Relation.NEIGHBOUR: say("Neighbour"),
    Relation.LOCKER: say("Locker"),
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
