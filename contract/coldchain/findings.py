"""What the judgement of readings finds: excursions, time without data, budgets. Times are UTC epoch ms, values hundredths."""

from typing import Annotated

from msgspec import Meta, Struct

from contract.event import CentiUnits, EpochMs, Text

DurationMs = Annotated[int, Meta(ge=0, le=2**53)]


class Excursion(Struct, frozen=True, array_like=True):
    """One run beyond one limit.

    Attributes:
        limit: its name.
        started_ms: the first reading beyond the limit.
        extreme: the value furthest beyond.
        beyond_ms: time beyond in this run so far: each reading holds until the next; time without data does not count.
        alarm_ms: the instant at which more than the allowed time was used; None where it was not (yet).
        ended_ms: the first reading inside again; or, where no data came between, the last reading before that. None: open.
    """

    limit: Text
    started_ms: EpochMs
    extreme: CentiUnits
    beyond_ms: DurationMs = 0
    alarm_ms: EpochMs | None = None
    ended_ms: EpochMs | None = None


class NoData(Struct, frozen=True, array_like=True):
    """A stretch of which nothing is known: from the last value before it to the first behind it. None: it still lasts."""

    from_ms: EpochMs
    to_ms: EpochMs | None = None


class Budget(Struct, frozen=True, array_like=True):
    """How much of what a limit allows is used: for rule `single` by the run that lasts, else by all together."""

    limit: Text
    used_ms: DurationMs
    allowed_ms: DurationMs

    @property
    def left_ms(self) -> int:
        """What is left, 0 at least."""
        return max(self.allowed_ms - self.used_ms, 0)


class Judgement(Struct, frozen=True, array_like=True):
    """All that was found from one instant to another, both included.

    Attributes:
        excursions: of all limits, by start, then in the profile's order; those without an alarm included.
        no_data: stretches longer than the profile allows.
        budgets: one for each limit, in the profile's order.
        above_ms, below_ms, inside_ms, no_data_ms, ignored_ms: add up to the whole; beyond several limits counts once.
            Before the first value there is no data, which is a finding only where it is longer than the profile allows.
        readings: with a value, one from before that holds at the beginning included. faults: without.
        low, high: the extremes; None without a reading.
        freeze_thaws: how often it froze and thawed.
    """

    from_ms: EpochMs
    to_ms: EpochMs
    excursions: tuple[Excursion, ...]
    no_data: tuple[NoData, ...]
    budgets: tuple[Budget, ...]
    above_ms: DurationMs
    below_ms: DurationMs
    inside_ms: DurationMs
    no_data_ms: DurationMs
    readings: int
    faults: int
    low: CentiUnits | None
    high: CentiUnits | None
    freeze_thaws: int
    ignored_ms: DurationMs = 0

    @property
    def alarmed(self) -> tuple[Excursion, ...]:
        """Excursions that used more than what was allowed."""
        return tuple(e for e in self.excursions if e.alarm_ms is not None)

    @property
    def complete(self) -> bool:
        """Whether nothing is unknown."""
        return not self.no_data and self.readings > 0
