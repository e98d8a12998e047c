"""Who may speak: enrolled devices and their keys, at hand for every message."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from hub import tables as t
from hub.display.tables import display

DISPLAY_PREFIX: Final = "display-"
"""Begins the user names of screens at the broker, and therefore no device's."""


def display_user(name: str) -> str:
    """The user name of a screen at the broker."""
    return DISPLAY_PREFIX + name


@dataclass(frozen=True, slots=True)
class EnrolledDevice:
    """A device with its 32-byte key; a secret, so nothing prints it."""

    id: str
    key: bytes
    place: str
    enrolled_ms: int
    revoked_ms: int | None

    def __repr__(self) -> str:
        return f"EnrolledDevice({self.id!r})"


@dataclass(frozen=True, slots=True)
class DisplayUser:
    """A screen that may read the display topics; its password is a secret, so nothing prints it."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"DisplayUser({self.user!r})"


class Registry:
    """The enrolled devices and the displays in memory; `reload` after each change. Thread-safe."""

    def __init__(self) -> None:
        self._devices: dict[str, EnrolledDevice] = {}
        self._displays: tuple[DisplayUser, ...] = ()

    def reload(self, tx: Connection) -> None:
        """Read all of them anew."""
        c = t.device.c
        rows = tx.execute(select(c.id, c.key, c.place, c.enrolled_ms, c.revoked_ms).order_by(c.id))
        devices = {row.id: EnrolledDevice(*row) for row in rows}
        screens = select(display.c.name, display.c.mqtt_password).where(display.c.revoked_ms.is_(None))
        displays = [
            DisplayUser(display_user(s.name), s.mqtt_password) for s in tx.execute(screens.order_by(display.c.name))
        ]
        # One assignment each, so readers in other threads see the old set or the new one.
        self._devices = devices
        self._displays = tuple(displays)

    def find(self, device: str) -> EnrolledDevice | None:
        """A device, revoked ones included."""
        return self._devices.get(device)

    def active(self) -> list[EnrolledDevice]:
        """The devices that may speak."""
        return [d for d in self._devices.values() if d.revoked_ms is None]

    def displays(self) -> tuple[DisplayUser, ...]:
        """The screens that may read the display topics."""
        return self._displays
