"""How the cold of a device stands in one word, for a hand-over: the worst of its sensors. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from contract.local import ColdState, SensorCold


class ColdVerdict(StrEnum):
    """What a proof says of the cold, from good to bad."""

    INSIDE = "inside"
    ABOVE = "above"
    BELOW = "below"
    NO_DATA = "no_data"
    EXCEEDED = "exceeded"
    """More was used than a limit allows: nothing undoes it."""


_OF_STATE: Final = {
    ColdState.INSIDE: ColdVerdict.INSIDE,
    ColdState.ABOVE: ColdVerdict.ABOVE,
    ColdState.BELOW: ColdVerdict.BELOW,
    ColdState.NO_DATA: ColdVerdict.NO_DATA,
}
_BADNESS: Final = {verdict: i for i, verdict in enumerate(ColdVerdict)}


def verdict_of(sensor: SensorCold) -> ColdVerdict:
    """How one sensor stands. A limit that allows no time is exceeded by the first of it."""
    if any(budget.used_ms > 0 and budget.left_ms == 0 for budget in sensor.budgets):
        return ColdVerdict.EXCEEDED
    return _OF_STATE[sensor.state]


def worst_verdict(sensors: Iterable[SensorCold]) -> ColdVerdict | None:
    """How the worst of them stands; None where none is judged."""
    return max(map(verdict_of, sensors), key=_BADNESS.__getitem__, default=None)


def least_left_s(sensors: Iterable[SensorCold]) -> int | None:
    """The smallest budget left in whole seconds; None where no limit allows any time, and none was broken."""
    left = [b.left_ms for sensor in sensors for b in sensor.budgets if b.allowed_ms or b.used_ms]
    return min(left) // 1000 if left else None
