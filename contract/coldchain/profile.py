"""Temperature profiles: the limits that a load must keep.

A profile is data that people write and machines judge by; it travels as JSON (decisions, `holdfast-hub judge --profile FILE`)
and inside documents to devices. Values are in hundredths of the sensor's unit, durations in whole seconds.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from contract.event import CentiUnits, Key, Quantity

Seconds = Annotated[int, Meta(ge=0, le=10 * 366 * 86_400)]


class Side(StrEnum):
    """On which side of its threshold a limit is broken."""

    ABOVE = "above"
    BELOW = "below"


class Rule(StrEnum):
    """How time beyond a limit is counted against what is allowed."""

    SINGLE = "single"
    """Each run beyond the limit by itself."""
    CUMULATIVE = "cumulative"
    """All runs beyond this limit together."""
    DUAL = "dual"
    """All runs beyond any limit of this rule together: one budget for both sides."""


class Limit(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One limit of a profile.

    Attributes:
        name: how people call it; unique in its profile, and what excursions are told by.
        threshold: in hundredths.
        inclusive: a reading on the threshold itself is beyond it; otherwise it is still inside.
        allowed_s: time beyond the limit that is no alarm yet; the alarm is when more than that was used. 0: at once.
    """

    name: Key
    side: Side
    threshold: CentiUnits
    rule: Rule = Rule.SINGLE
    allowed_s: Seconds = 0
    inclusive: bool = False

    def broken_by(self, value: int) -> bool:
        """Whether a value in hundredths is beyond this limit."""
        if value == self.threshold:
            return self.inclusive
        return (value > self.threshold) is (self.side is Side.ABOVE)


class Freezing(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What counts as one freeze and thaw: from at or below `frozen` to at or above `thawed`, in hundredths."""

    frozen: CentiUnits = -50
    thawed: CentiUnits = 50


class Profile(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a load may be exposed to.

    Attributes:
        name: how people call it.
        limits: judged each by itself.
        quantity: what its values measure.
        ignore_first_s: readings of this long after the beginning are not judged: the logger is still taking the temperature of
            its place.
        no_data_s: two readings further apart than this have no data between them, which is a finding of its own.
        freezing: what counts as a freeze and thaw.
    """

    name: Key
    limits: Annotated[tuple[Limit, ...], Meta(max_length=16)]
    quantity: Quantity = Quantity.TEMPERATURE_C
    ignore_first_s: Seconds = 0
    no_data_s: Annotated[int, Meta(ge=1, le=7 * 86_400)] = 900
    freezing: Freezing = Freezing()


HOUR_S: Final = 3_600
MINUTE_S: Final = 60
