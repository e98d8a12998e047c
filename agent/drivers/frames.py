"""What decoders make of bytes."""

from enum import StrEnum

from msgspec import Struct

from contract.event import Quantity

# Enough to recognise what came, little enough to keep for every reason.
EVIDENCE_BYTES = 64


class Code(Struct, frozen=True):
    """A scanned code: its bytes as the symbol holds them, control characters included."""

    raw: bytes
    aim: str = ""
    """AIM symbology identifier such as `]C1`; empty where the scanner does not say."""


class Sample(Struct, frozen=True):
    """One measurement of one sensor, now."""

    sensor: str
    """Last part of the sensor id: `{device}.{driver}.{sensor}`."""
    quantity: Quantity
    value: int | None
    """Hundredths of a degree Celsius or percent; None with a fault."""
    fault: str | None = None


class Fix(Struct, frozen=True):
    """One position (WGS 84) that the receiver itself calls valid."""

    lat_e7: int
    lon_e7: int
    accuracy_m: int = 0
    """0 where the receiver does not say."""
    speed_cm_s: int = 0
    heading_c: int = 0
    """Hundredths of a degree, clockwise from true north."""
    utc_ms: int | None = None
    """The receiver's own date and time."""


class Reason(StrEnum):
    """Why bytes did not become a frame."""

    NOISE = "noise"
    TOO_LONG = "too_long"
    UNFINISHED = "unfinished"
    """Silence where more should have come."""
    MERGED = "merged"
    """Parts of two codes in one."""
    NO_AIM = "no_aim"
    """Configured to be sent, but the code starts otherwise: its head is lost."""
    CHECKSUM = "checksum"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    UNKNOWN_KEY = "unknown_key"
    OVERRUN = "overrun"
    """The system dropped events before they were read."""
    TIMEOUT = "timeout"
    LATE = "late"
    """Bytes that nobody waited for any more."""
    REFUSED = "refused"
    """The sensor answered that it cannot."""


class Rejection(Struct, frozen=True):
    """Bytes that were not understood: why, how they began, and how many."""

    reason: Reason
    evidence: bytes
    size: int
    scan: bool = False
    """A person scanned this and must hear that it was not kept."""


class Write(Struct, frozen=True):
    """Bytes that must go out on the line now."""

    data: bytes


class Lost(Struct, frozen=True):
    """The line is open but the sensor on it is silent."""

    why: str


class Found(Struct, frozen=True):
    """A silent sensor answers again."""


Frame = Code | Sample | Fix
Outcome = Frame | Rejection | Write | Lost | Found


def reject(reason: Reason, data: bytes | bytearray, *, scan: bool = False) -> Rejection:
    """A rejection with the start of `data` as evidence."""
    return Rejection(reason, bytes(data[:EVIDENCE_BYTES]), len(data), scan)
