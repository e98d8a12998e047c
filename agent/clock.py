"""The device's clocks: wall, monotonic, boot id, whether the wall clock is known to be right, and the best fix by the hub.

Raw values are never corrected here: a fact carries what the clocks said, and the hub corrects with the stated fixes.
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from contract.delivery.device_states import Now
from contract.event import ClockFix, ClockStep
from contract.fact import Clock

STEP_MS: Final = 2_000
"""The wall clock moved against the monotonic one by more than this: somebody set it (slewing stays far below)."""
BETTER_MS: Final = 50
"""A fix worth stating narrows the uncertainty at least by this much, or by half."""
BOOT_ID_FILE: Final = Path("/proc/sys/kernel/random/boot_id")
MAX_AT_MS: Final = 253_402_300_799_999
"""The end of the year 9999, where the contract's times end."""
TIME_ERROR: Final = 5
"""adjtimex(2): the clock is not synchronised."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """One instant as a fact carries it."""

    at_ms: int
    mono_ms: int
    clock: Clock


class TimeSource(Protocol):
    """Where time comes from; a virtual one in tests."""

    def wall_ms(self) -> int:
        """UTC milliseconds since 1970."""

    def mono_ms(self) -> int:
        """Milliseconds since boot, running on in sleep."""

    def synced(self) -> bool:
        """Whether the wall clock is known to be disciplined."""


class _Timex(ctypes.Structure):
    """The kernel's struct timex is 208 bytes at most; adjtimex with modes 0 only reads."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_char * 508))


class SystemTime:
    """The machine's own clocks."""

    def __init__(self) -> None:
        adjtimex = getattr(ctypes.CDLL(None), "adjtimex", None)
        self._adjtimex: Callable[..., int] | None = adjtimex
        self._timex = ctypes.byref(_Timex())

    def wall_ms(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def mono_ms(self) -> int:
        """CLOCK_BOOTTIME in milliseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000

    def synced(self) -> bool:
        """What the kernel says; unknown counts as not synchronised."""
        if self._adjtimex is None:
            return False
        state = self._adjtimex(self._timex)
        return 0 <= state < TIME_ERROR


def read_boot_id() -> bytes:
    """The 16 bytes that the kernel made for this boot.

    Raises:
        OSError: the kernel does not tell.
    """
    return bytes.fromhex(BOOT_ID_FILE.read_text(encoding="ascii").strip().replace("-", ""))


class DeviceClock:
    """Stamps facts, notices steps of the wall clock, and judges which of the hub's times is worth stating."""

    def __init__(self, boot: bytes, source: TimeSource) -> None:
        self.boot = boot
        self._source = source
        self._step_base_ms = source.wall_ms() - source.mono_ms()
        self._synced_base_ms = self._step_base_ms if source.synced() else None
        """The step base when the wall clock was last known to be right, in this boot."""
        self.best: ClockFix | None = None
        """The fix of this boot that was stated last."""

    @classmethod
    def of_system(cls) -> "DeviceClock":
        """The clock of the machine this runs on."""
        return cls(read_boot_id(), SystemTime())

    def _wall_ms(self) -> int:
        # A battery that died sets clocks before 1970; the contract's times begin there.
        return min(max(self._source.wall_ms(), 0), MAX_AT_MS)

    def now(self) -> Now:
        """Both clocks, for the protocol."""
        return Now(self._source.mono_ms(), self._wall_ms())

    def stamp(self) -> Stamp:
        """Both clocks and the sync flag, for a fact."""
        clock = Clock.SYNCED if self._source.synced() else Clock.FREE
        return Stamp(self._wall_ms(), self._source.mono_ms(), clock)

    def true_ms(self, at_ms: int, mono_ms: int) -> int:
        """The best guess at the true time of an instant of this boot: by the hub's fix, or else by the wall clock."""
        return at_ms if self.best is None else mono_ms + _offset(self.best)

    @property
    def trusted(self) -> bool:
        """Whether that is more than a guess."""
        return self.best is not None or self._source.synced()

    def step(self) -> ClockStep | None:
        """What to state if the wall clock was set since the last call; call it at every sample and scan, it is cheap."""
        # Not the time that facts carry: beyond its bounds that stands still, which would look like a step at every call.
        base_ms = self._source.wall_ms() - self._source.mono_ms()
        by_ms = base_ms - self._step_base_ms
        step = None
        if abs(by_ms) > STEP_MS:
            self._step_base_ms = base_ms
            step = ClockStep(by_ms, self._behind_ms(base_ms))
        if self._source.synced():
            self._synced_base_ms = base_ms
        return step

    def _behind_ms(self, base_ms: int) -> int | None:
        # The hub and the network may differ; a clock that agrees with either is not behind.
        known = [] if self._synced_base_ms is None else [self._synced_base_ms]
        if self.best is not None:
            known.append(_offset(self.best) - self.best.uncertainty_ms)
        return min(known) - base_ms if known else None

    def is_better(self, fix: ClockFix) -> bool:
        """Whether this fix tells more than the one stated last: usefully narrower, or the two contradict each other."""
        if self.best is None:
            return True
        moved_ms = abs(_offset(fix) - _offset(self.best))
        if moved_ms > fix.uncertainty_ms + self.best.uncertainty_ms + STEP_MS:
            return True
        gain_ms = self.best.uncertainty_ms - fix.uncertainty_ms
        return gain_ms >= BETTER_MS or (gain_ms > 0 and fix.uncertainty_ms * 2 <= self.best.uncertainty_ms)

    def adopt(self, fix: ClockFix) -> None:
        """Remember the fix as stated; call it after the commit."""
        self.best = fix


def _offset(fix: ClockFix) -> int:
    return fix.hub_ms - fix.mono_ms
