"""Which devices may speak: each with a key of its own."""

import secrets

from sqlalchemy import Connection, select, update

from contract.errors import BadName
from contract.topics import check_device_id
from hub import tables as t
from hub.agent_file import KEY_BYTES
from hub.db import insert
from hub.errors import Refused
from hub.registry import DISPLAY_PREFIX, EnrolledDevice


def enrol(tx: Connection, device: str, place: str, now_ms: int, *, key: bytes | None = None) -> bytes:
    """Let a device speak; its key, a new one unless one is given.

    The same device with the same key is no second enrolment, so a command that was cut off can be given again.

    Raises:
        Refused: the id may not name a device, or it is taken by another key.
    """
    try:
        check_device_id(device)
    except BadName as error:
        raise Refused(str(error)) from error
    if device.startswith(DISPLAY_PREFIX):
        raise Refused(
            f"device id {device!r}: names that begin with {DISPLAY_PREFIX!r} are those of screens; choose another"
        )
    known = find_device(tx, device)
    if known is not None and (known.key != key or known.revoked_ms is not None):
        state = "was revoked" if known.revoked_ms is not None else "is enrolled already"
        raise Refused(f"device {device!r} {state}; choose another id, so that its facts stay apart")
    given = key or secrets.token_bytes(KEY_BYTES)
    if known is None:
        row = {"id": device, "key": given, "place": place, "enrolled_ms": now_ms}
        tx.execute(insert(tx, t.device), row)
    return given


def find_device(tx: Connection, device: str) -> EnrolledDevice | None:
    """A device, revoked ones included."""
    c = t.device.c
    row = tx.execute(select(c.id, c.key, c.place, c.enrolled_ms, c.revoked_ms).where(c.id == device)).first()
    return EnrolledDevice(*row) if row is not None else None


def revoke(tx: Connection, device: str, now_ms: int) -> None:
    """Let a device speak no more; what it said stays.

    Raises:
        Refused: no such device, or revoked before.
    """
    c = t.device.c
    if (
        tx.execute(update(t.device).where(c.id == device, c.revoked_ms.is_(None)).values(revoked_ms=now_ms)).rowcount
        != 1
    ):
        raise Refused(f"no enrolled device {device!r}; see `holdfast-hub device list`")
