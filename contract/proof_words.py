"""The closed lists that a courier chooses from for a proof. The fact holds the code; hub and app say it in their languages.

`Proof.reason` and `Proof.relation` are texts on the wire, so a device of another version may state others.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was not handed over, or was in spite of the cold; of both, the latter first and a comma between."""

    NOBODY_HOME = "nobody_home"
    CLOSED = "closed"
    WRONG_ADDRESS = "wrong_address"
    NO_ACCESS = "no_access"
    UNSAFE = "unsafe"
    NO_TIME = "no_time"
    COLD_EXCEEDED = "cold_exceeded"
    NOT_IN_VAN = "not_in_van"
    DAMAGED = "damaged"
    NOT_ORDERED = "not_ordered"
    TOO_LATE = "too_late"
    NO_REASON = "no_reason"
    """The recipient gave none."""
    BACK_TO_SENDER = "back_to_sender"
    RECALLED = "recalled"
    INCOMPLETE = "incomplete"
    RECIPIENT_ACCEPTS = "recipient_accepts"
    """In spite of the cold, as the next two."""
    RECIPIENT_CHECKS = "recipient_checks"
    AGREED_BY_PHONE = "agreed_by_phone"


class Relation(StrEnum):
    """Who took it."""

    CONSIGNEE = "consignee"
    HOUSEHOLD = "household"
    RECEPTION = "reception"
    NEIGHBOUR = "neighbour"
    LOCKER = "locker"
    """The recipient's name is the number of the locker."""


def reasons_of(text: str) -> tuple[str, ...]:
    """The codes in a proof's `reason`."""
    return tuple(code for code in text.split(",") if code)
