"""Whether the latest figure of a sensor may be believed: one rule for pages, counts and the interface. Pure.

`hub/static/fresh.js` counts on by the same rule in the browser; the numbers are handed to it with each page.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from contract.limits import DEFAULT_SEAL_S
from hub.fleet.freshness import is_silent

MISSED_READINGS: Final = 3
"""One late or lost poll is everyday on a bus, three in a row are a lost sensor."""
ON_ITS_WAY_MS: Final = (DEFAULT_SEAL_S + 30) * 1000
"""A block is sealed so long after its first reading, then sent, and sent again once or twice if need be."""


class Freshness(StrEnum):
    """Why a figure may or may not be believed; in the order of what somebody can repair here and now."""

    FAULT = "fault"
    """The sensor answers, but not with a value."""
    LOST = "lost"
    """The device is in contact, but has no readings of this sensor."""
    SILENT = "silent"
    """No contact with the device, which goes on keeping readings."""
    LATE = "late"
    """Older than its schedule allows, and nothing was heard since that could say why."""
    FRESH = "fresh"


TROUBLE: Final = frozenset({Freshness.FAULT, Freshness.LOST, Freshness.SILENT})
"""What somebody should look into."""
TROUBLE_FIRST: Final[dict[Freshness, int]] = {freshness: order for order, freshness in enumerate(Freshness)}


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest that is known of a sensor. Times epoch ms; `value` in hundredths, None for a fault.

    Attributes:
        at_ms: when it was measured; None where no reading is known.
        known_ms: when the hub learnt of it.
        every_ms: how often the sensor is read; None where that is not known yet.
        contact_ms: when its device was heard last.
        kept: whether the ledger has it; a live value runs ahead.
    """

    at_ms: int | None
    value: int | None
    every_ms: int | None
    contact_ms: int | None
    known_ms: int | None = None
    kept: bool = True


def freshness_of(seen: Seen, now_ms: int) -> Freshness:
    """The state of a figure at this instant."""
    contact_ms = seen.contact_ms
    if contact_ms is None or is_silent(contact_ms, now_ms):
        return Freshness.SILENT
    # The device was heard after readings were due, and had none: it has lost its sensor.
    if seen.at_ms is None or contact_ms - seen.at_ms > allowed_ms(seen.every_ms):
        return Freshness.LOST
    if now_ms - seen.at_ms > allowed_ms(seen.every_ms):
        return Freshness.LATE
    return Freshness.FAULT if seen.value is None else Freshness.FRESH


def allowed_ms(every_ms: int | None) -> int:
    """How old the latest reading may be by its schedule."""
    return MISSED_READINGS * (every_ms or 0) + ON_ITS_WAY_MS


def sensor_counts(figures: Iterable[Seen], now_ms: int) -> Counter[Freshness]:
    """How many sensors are in each state."""
    return Counter(freshness_of(seen, now_ms) for seen in figures)
