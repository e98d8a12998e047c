"""How each sensor stands at a glance: one word for the colour, sign and text of pages and displays. Pure."""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from contract.coldchain.findings import Budget


class Glance(StrEnum):
    """How a sensor stands, worst first."""

    ALARM_ABOVE = "alarm_above"
    """Beyond an upper limit, and more than the allowed time is used."""
    ALARM_BELOW = "alarm_below"
    NO_DATA = "no_data"
    """Silent for longer than its profile allows."""
    ATTENTION = "attention"
    """Beyond a limit with time left, or half of what is allowed is used."""
    OK = "ok"
    UNJUDGED = "unjudged"
    """No profile is assigned."""


WORST_FIRST: Final[dict[Glance, int]] = {glance: order for order, glance in enumerate(Glance)}


class Condition(Struct, frozen=True):
    """How a sensor stands at one instant.

    Attributes:
        budget: the limit of which most is used, in relation to what it allows; None where nothing is judged.
        since_ms: since when it is beyond, or silent; None where it is neither.
    """

    glance: Glance
    budget: Budget | None = None
    since_ms: int | None = None
