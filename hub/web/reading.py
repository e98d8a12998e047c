"""What the state of a reading is, by its age, its value and its device's contact. `fresh.js` counts on in the browser."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.limits import DEFAULT_SEAL_S
from hub.fleet.freshness import is_silent

MISSED_READINGS: Final = 3
"""One missed reading is noise on the line, three in a row are a lost sensor."""
ON_ITS_WAY_MS: Final = 2 * DEFAULT_SEAL_S * 1000
"""A block is sealed for so long before it is sent, and sent again once if need be."""


class ReadingState(StrEnum):
    """Why a figure may or may not be believed."""

    FAULT = "fault"
    """The sensor answers, but not with a value."""
    LOST = "lost"
    """The device is in contact, but has no readings of this sensor."""
    SILENT = "silent"
    """No contact with the device, which goes on keeping readings."""
    LATE = "late"
    """Older than its schedule allows, and nothing was heard since that could say why."""
    FRESH = "fresh"


TROUBLE: Final = frozenset({ReadingState.FAULT, ReadingState.LOST, ReadingState.SILENT})
"""What somebody should look into."""
READING_ORDER: Final[dict[ReadingState, int]] = {state: order for order, state in enumerate(ReadingState)}
"""Trouble first: what can be repaired here and now before what is only not known."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a sensor's freshness; times epoch ms, `value` in hundredths (None: fault)."""

    at_ms: int | None
    value: int | None
    every_ms: int | None
    contact_ms: int | None


def state_of(seen: Seen, now_ms: int) -> ReadingState:
    """The state at this instant."""
    contact_ms = seen.contact_ms
    if contact_ms is None or is_silent(contact_ms, now_ms):
        return ReadingState.SILENT
    # The device was heard after readings were due, and had none: it has lost its sensor.
    if seen.at_ms is None or contact_ms - seen.at_ms > allowed_ms(seen.every_ms):
        return ReadingState.LOST
    if now_ms - seen.at_ms > allowed_ms(seen.every_ms):
        return ReadingState.LATE
    return ReadingState.FAULT if seen.value is None else ReadingState.FRESH


def allowed_ms(every_ms: int | None) -> int:
    """How old the latest reading may be by its schedule."""
    return MISSED_READINGS * (every_ms or 0) + ON_ITS_WAY_MS
