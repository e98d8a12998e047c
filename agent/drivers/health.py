"""How a driver is doing, for `drivers list` and status."""

from enum import StrEnum

from msgspec import Struct

from agent.drivers.frames import Reason, Rejection


class State(StrEnum):
    """Whether a driver has its port."""

    OPEN = "open"
    MISSING = "missing"
    """Not there; tried again and again."""
    CLOSED = "closed"
    """Not started, or stopped."""


class RejectionHealth(Struct, frozen=True):
    """Rejections for one reason, with the newest."""

    reason: Reason
    count: int
    last_evidence: str
    """How it began, with other than printable ASCII escaped."""


class DriverHealth(Struct, frozen=True):
    """A driver at one moment. Ages are seconds before that moment."""

    name: str
    kind: str
    port: str
    state: State
    state_age_s: float
    opened: int
    """Times the port was opened."""
    bytes_read: int
    frames: int
    last_frame_age_s: float | None
    rejected: int
    noise_bytes: int
    """Bytes that became no frame."""
    writes_failed: int
    silent: bool
    """The port is open but the sensor behind it does not answer."""
    problem: str
    """Why the port is missing, or was last."""
    rejections: tuple[RejectionHealth, ...]


def escaped(data: bytes) -> str:
    r"""Bytes as text that is safe to print and log: `\x1d` for what is not printable ASCII."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


class Tally:
    """Counts rejections by reason; bounded, as reasons are few and evidence is short."""

    def __init__(self) -> None:
        self._newest: dict[Reason, tuple[int, Rejection]] = {}
        self.noise_bytes = 0

    def add(self, rejection: Rejection) -> None:
        """Count one."""
        count = self._newest[rejection.reason][0] if rejection.reason in self._newest else 0
        self._newest[rejection.reason] = (count + 1, rejection)
        self.noise_bytes += rejection.size

    def rejections(self) -> tuple[RejectionHealth, ...]:
        """The counts, most frequent reason first."""
        ordered = sorted(self._newest.items(), key=lambda item: (-item[1][0], item[0]))
        return tuple(RejectionHealth(reason, count, escaped(newest.evidence)) for reason, (count, newest) in ordered)
