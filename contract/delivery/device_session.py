"""What one connection of a device remembers; all of it may be forgotten at any moment."""

from dataclasses import dataclass, field
from typing import Final, Protocol

from contract.limits import KIB, RESEND_CAP_MS, RESEND_FIRST_MS

LEAST_PORTION_BYTES: Final = 4 * KIB
"""On a line of 10 kbit/s this is through before its first timer runs out."""


class Entropy(Protocol):
    """Where nonces and jitter come from; a seeded one in simulation."""

    def nonce(self) -> bytes:
        """16 bytes that were never used before."""

    def uniform(self) -> float:
        """A number in [0, 1)."""


@dataclass(slots=True)
class ResendTimer:
    """Re-send timer: RESEND_FIRST_MS, then doubling with full jitter up to RESEND_CAP_MS."""

    due_ms: int | None = None
    attempts: int = 0

    def start(self, now_ms: int, jitter: float) -> None:
        """Wait for an answer; `jitter` is in [0, 1)."""
        wait = RESEND_FIRST_MS
        if self.attempts:
            ceiling = min(RESEND_CAP_MS, RESEND_FIRST_MS << min(self.attempts, 16))
            wait += int(jitter * (ceiling - RESEND_FIRST_MS))
        self.due_ms = now_ms + wait
        self.attempts += 1

    def is_answered_early(self, now_ms: int) -> bool:
        """Whether an answer now, to what was sent once, leaves time for the answer to twice as much."""
        return self.attempts == 1 and self.due_ms is not None and self.due_ms - now_ms >= RESEND_FIRST_MS // 2

    def stop(self) -> None:
        """An answer came."""
        self.due_ms = None
        self.attempts = 0


@dataclass(slots=True)
class Portion:
    """How much to send at once: half of it when no answer came in time, twice as much when answers come early."""

    most: int
    size: int = 0

    def __post_init__(self) -> None:
        self.size = self.most

    def shrink(self) -> None:
        """No answer came."""
        self.size = max(self.size // 2, LEAST_PORTION_BYTES)

    def grow(self, timer: ResendTimer, now_ms: int) -> None:
        """An answer came to what this timer waited for."""
        if timer.is_answered_early(now_ms):
            self.size = min(2 * self.size, self.most)


@dataclass(slots=True)
class LaneSession:
    """What this connection knows of one lane."""

    acked_n: int = 0
    awaiting_n: int | None = None
    """The last position of the batch or gap in flight."""
    timer: ResendTimer = field(default_factory=ResendTimer)

    def settle(self) -> None:
        """Nothing is in flight any more."""
        self.awaiting_n = None
        self.timer.stop()


@dataclass(slots=True)
class PendingHello:
    """The hello whose answer counts, and nothing else does."""

    nonce: bytes
    sent_mono_ms: int
    candidates: tuple[bytes, ...]
    audited: tuple[bytes, ...]
    blob_candidates: tuple[bytes, ...]
    audited_blobs: tuple[bytes, ...]


@dataclass(slots=True)
class BlobTransfer:
    """The attachment on its way; `missing` is None until the hub has said what it lacks."""

    sha256: bytes
    size: int
    missing: tuple[tuple[int, int], ...] | None = None
    chunk_start: int | None = None
    """Where the chunk in flight begins; None while the hub is asked what it lacks."""

    def is_answered_by(self, missing: tuple[tuple[int, int], ...]) -> bool:
        """Whether what the hub lacks is the answer to what is in flight.

        A hub that still lacks the chunk speaks of an earlier one: taking each late answer for the present one would send
        every chunk twice from then on. What is beyond the attachment is nobody's answer.
        """
        if not all(0 <= start < end <= self.size for start, end in missing):
            return False
        return self.chunk_start is None or all(start != self.chunk_start for start, _ in missing)
