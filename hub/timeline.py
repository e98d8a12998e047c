"""Corrected time: when a fact happened, by the best that is known, and how sure that is.

A device states three things with each fact: its wall clock, its monotonic clock in this boot, and whether the wall clock was
synchronised. At each contact that tells better it states a fix: at this monotonic instant the hub's clock read so much. From
these follows one time for each fact, the same whatever came first:

- A fix of the same boot carries over along the monotonic clock, and gets vaguer with the distance by DRIFT_PPM. The fix that
  is least vague at the fact's instant counts.
- A synchronised wall clock that agrees with the fix stays (`device`); otherwise the fix counts (`hub_fix`).
- Without a fix the wall clock stays (`device`, or `device_unsynced`), unless it cannot be right: before PLAUSIBLE_FROM_MS, or
  later than the hub knew of it. Then the fact is dated no later than it was received, and facts of that boot keep their
  distances (`received`): at most that late, in the right order, never 1970 and never in the future.

Raw clock values are never overwritten, so a later fix dates the facts of its boot anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy import Connection, select
from sqlmodel import Field, SQLModel

from contract.event import ClockFix, Status
from contract.fact import Clock
from hub.db import insert, table_of
from hub.projector import LedgerFact

DRIFT_PPM: Final = 50
"""A plain quartz at warehouse to cold-store temperatures; NTP (RFC 5905) reckons with 15 for disciplined ones."""
AGREE_MS: Final = 1_000
"""Network time on a handheld is that good; closer than this, two right clocks cannot be told apart."""
PLAUSIBLE_FROM_MS: Final = 1_704_067_200_000
"""2024-01-01: older than this software, so a clock that says less was never set."""
MAX_AHEAD_MS: Final = 60_000
"""Two synchronised clocks differ by less; a fact cannot be received before it happened."""


class TimeSource(StrEnum):
    """Where a corrected time comes from."""

    DEVICE = "device"
    """The device's own synchronised clock."""
    HUB_FIX = "hub_fix"
    """The hub's clock, carried over along the device's monotonic clock."""
    DEVICE_UNSYNCED = "device_unsynced"
    """The device's clock, which nobody has compared with another."""
    RECEIVED = "received"
    """Only that it was no later than its receipt."""


class ClockFixRow(SQLModel, table=True):
    """A fix that a device stated, by which facts of that boot are dated."""

    __tablename__ = "clock_fix"
    __table_args__ = ({"sqlite_with_rowid": False},)

    device: str = Field(primary_key=True, max_length=64)
    boot: bytes = Field(primary_key=True)
    fact_id: bytes = Field(primary_key=True)
    mono_ms: int
    hub_ms: int
    uncertainty_ms: int


clock_fix = table_of(ClockFixRow)

Boot = tuple[str, bytes]
"""A device and the id of one of its boots: the range of one monotonic clock."""


@dataclass(frozen=True, slots=True)
class Stamped:
    """What the clocks said at an instant. `known_ms` and `known_mono_ms` belong to the fact as a whole: its receipt, its making."""

    at_ms: int
    mono_ms: int
    clock: Clock
    known_ms: int
    known_mono_ms: int


@dataclass(frozen=True, slots=True)
class Dated:
    """A corrected time. `uncertainty_ms` is None where nothing bounds it."""

    at_ms: int
    source: TimeSource
    uncertainty_ms: int | None


@dataclass(frozen=True, slots=True)
class BootClock:
    """What is known of one boot: its fixes, and the least `received - mono` of its implausibly dated facts."""

    fixes: Sequence[ClockFix] = ()
    received_bound_ms: int | None = None
