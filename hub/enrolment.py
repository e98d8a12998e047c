"""Which devices may speak: each with a key of its own, made here once and written into the device's `agent.toml`."""

import json
import os
import secrets
import tomllib
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select, update

from contract.errors import BadName
from contract.topics import check_device_id
from hub import tables as t
from hub.db import insert
from hub.errors import Refused
from hub.registry import EnrolledDevice

KEY_BYTES: Final = 32


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


def write_agent_config(path: Path, *, device: str, place: str, hub: str, key: bytes) -> None:
    """Write the connection part of a device's `agent.toml`, readable by its owner only, never over another file.

    Raises:
        Refused: the file is there already, or cannot be written.
    """
    lines = ["[device]", f"id = {_toml(device)}"]
    if place:
        lines.append(f"place = {_toml(place)}")
    lines += [f"hub = {_toml(hub)}", f"credential = {_toml(key.hex())}", ""]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused(f"{path} exists; choose another --out, or move it away first") from error
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write("\n".join(lines))
        file.flush()
        os.fsync(file.fileno())


def read_agent_key(path: Path, device: str) -> bytes:
    """The key in a device's own `agent.toml`, to know it again.

    Raises:
        Refused: the file cannot be read, is another device's, or holds no key.
    """
    try:
        table = tomllib.loads(path.read_text())["device"]
        name, key = table["id"], bytes.fromhex(table["credential"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"{path} is no agent.toml with a credential: {error}") from error
    if name != device or len(key) != KEY_BYTES:
        raise Refused(f"{path} is of device {name!r}; expected {device!r} with a key of {KEY_BYTES} bytes")
    return key


def _toml(text: str) -> str:
    # JSON's escapes are TOML's too; only DEL needs one more.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
