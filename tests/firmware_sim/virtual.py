"""What simulated devices are driven with where nothing is real: a clock that is moved by hand, and a journal in memory."""

from dataclasses import dataclass

from firmware_sim.journal import JsonValue


@dataclass(slots=True)
class VirtualClock:
    """A clock that stands still until it is advanced."""

    ms: int = 1_767_225_600_000
    """Epoch milliseconds; 2026-01-01T00:00:00Z unless told."""

    def now_ms(self) -> int:
        return self.ms

    def advance(self, ms: int) -> None:
        """Let time pass."""
        self.ms += ms


class MemoryJournal:
    """A journal kept as a list."""

    def __init__(self) -> None:
        self.records: list[dict[str, JsonValue]] = []

    def write(self, t_ms: int, /, **fields: JsonValue) -> None:
        self.records.append({"t_ms": t_ms, **fields})
