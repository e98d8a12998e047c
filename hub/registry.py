"""Who may speak: enrolled devices and their keys, at hand for every message."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from hub import tables as t


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


class Registry:
    """The enrolled devices in memory; `reload` after each change. Thread-safe."""

    def __init__(self) -> None:
        self._devices: dict[str, EnrolledDevice] = {}

    def reload(self, tx: Connection) -> None:
        """Read all devices anew."""
        c = t.device.c
        rows = tx.execute(select(c.id, c.key, c.place, c.enrolled_ms, c.revoked_ms).order_by(c.id))
        devices = {row.id: EnrolledDevice(*row) for row in rows}
        # One assignment, so readers in other threads see the old set or the new one.
        self._devices = devices

    def find(self, device: str) -> EnrolledDevice | None:
        """A device, revoked ones included."""
        return self._devices.get(device)

    def active(self) -> list[EnrolledDevice]:
        """The devices that may speak."""
        return [d for d in self._devices.values() if d.revoked_ms is None]
