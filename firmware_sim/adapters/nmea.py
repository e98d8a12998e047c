"""NMEA 0183 sentences of a position receiver: GGA, RMC, GSA and VTG.

References:
    NMEA 0183 version 4.10, sections 5.3 (framing, checksum) and 6.3 (sentences); an empty field means the
    receiver does not know.
"""

from dataclasses import dataclass
from datetime import datetime

KNOTS_PER_MPS = 3600 / 1852
KMH_PER_MPS = 3.6
MINUTES_PER_DEGREE = 60
# Below this a receiver has no idea which way it points and leaves the course empty.
COURSE_FROM_MPS = 0.5


@dataclass(frozen=True, slots=True)
class Fix:
    """One position solution."""

    latitude_deg: float
    longitude_deg: float
    altitude_m: float
    speed_mps: float
    heading_deg: float
    satellites: int
    hdop: float


def checksum(body: str) -> int:
    """Return the exclusive or of all characters between ``$`` and ``*``."""
    value = 0
    for byte in body.encode("ascii"):
        value ^= byte
    return value


def sentence(*fields: str) -> bytes:
    """Return a whole sentence from its fields, the first being talker and type."""
    body = ",".join(fields)
    return f"${body}*{checksum(body):02X}\r\n".encode("ascii")


def latitude(degrees: float) -> tuple[str, str]:
    """Return a latitude as ``ddmm.mmmmm`` and hemisphere."""
    return _angle(degrees, 2), "N" if degrees >= 0 else "S"


def longitude(degrees: float) -> tuple[str, str]:
    """Return a longitude as ``dddmm.mmmmm`` and hemisphere."""
    return _angle(degrees, 3), "E" if degrees >= 0 else "W"


def _angle(degrees: float, digits: int) -> str:
    # Rounded as a whole, so that 59.999999 minutes never prints as 60.
    scaled = round(abs(degrees) * MINUTES_PER_DEGREE * 100_000)
    whole, fraction = divmod(scaled, MINUTES_PER_DEGREE * 100_000)
    minutes, rest = divmod(fraction, 100_000)
    return f"{whole:0{digits}d}{minutes:02d}.{rest:05d}"


def epoch(moment: datetime | None, fix: Fix | None) -> bytes:
    """Return the sentences of one epoch.

    Args:
        moment: The time in UTC, None while the receiver does not know it.
        fix: The position, None without a fix; then its fields are empty.
    """
    clock = "" if moment is None else f"{moment:%H%M%S}.{moment.microsecond // 10_000:02d}"
    date = "" if moment is None else f"{moment:%d%m%y}"
    if fix is None:
        return (
            sentence("GPGGA", clock, "", "", "", "", "0", "00", "99.99", "", "", "", "", "", "")
            + sentence("GPGSA", "A", "1", *[""] * 12, "99.99", "99.99", "99.99")
            + sentence("GPRMC", clock, "V", "", "", "", "", "", "", date, "", "", "N")
            + sentence("GPVTG", "", "", "", "", "", "", "", "", "N")
        )
    place = (*latitude(fix.latitude_deg), *longitude(fix.longitude_deg))
    knots = f"{fix.speed_mps * KNOTS_PER_MPS:.3f}"
    kmh = f"{fix.speed_mps * KMH_PER_MPS:.3f}"
    course = f"{fix.heading_deg:.2f}" if fix.speed_mps >= COURSE_FROM_MPS else ""
    used = [f"{number:02d}" for number in range(2, 2 + min(fix.satellites, 12))]
    hdop, vdop, pdop = (f"{fix.hdop * factor:.2f}" for factor in (1.0, 1.4, 1.72))
    altitude = (f"{fix.altitude_m:.1f}", "M", "45.0", "M")
    return (
        sentence("GPGGA", clock, *place, "1", f"{fix.satellites:02d}", hdop, *altitude, "", "")
        + sentence("GPGSA", "A", "3", *used, *[""] * (12 - len(used)), pdop, hdop, vdop)
        + sentence("GPRMC", clock, "A", *place, knots, course, date, "", "", "A")
        + sentence("GPVTG", course, "T", "", "M", knots, "N", kmh, "K", "A")
    )
