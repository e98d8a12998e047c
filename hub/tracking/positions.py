"""Where devices are and were: blocks of positions, the track unpacked from them, and the latest of each device."""

from msgspec import Struct
from sqlalchemy import Connection

from hub.timeline import TimeSource


class DevicePosition(Struct, frozen=True):
    """Where a device was last. Degrees in 1e-7, speed in cm/s, heading in hundredths of a degree."""

    device: str
    receiver: str
    at_ms: int
    source: TimeSource
    known_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    speed_cm_s: int
    heading_c: int


class TrackPoint(Struct, frozen=True):
    """One position of a track."""

    at_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    speed_cm_s: int
    heading_c: int


def device_positions(conn: Connection) -> tuple[DevicePosition, ...]:
    """The latest position of every device that has one."""
    raise NotImplementedError


def device_position(conn: Connection, device: str) -> DevicePosition | None:
    """The latest position of one device."""
    raise NotImplementedError


def track(conn: Connection, device: str, from_ms: int, to_ms: int, points: int = 2000) -> tuple[TrackPoint, ...]:
    """The track of a device, both ends included, thinned evenly to at most `points` with first and last kept."""
    raise NotImplementedError
