"""The connection part of a device's `agent.toml`: written once with its key, and read to know the device again."""

import json
import os
import tomllib
from pathlib import Path
from typing import Final

from hub.errors import Refused

KEY_BYTES: Final = 32


def agent_config(*, device: str, place: str, hub: str, key: bytes) -> str:
    """The connection part of a device's `agent.toml`; a secret."""
    lines = ["[device]", f"id = {_toml(device)}"]
    if place:
        lines.append(f"place = {_toml(place)}")
    lines += [f"hub = {_toml(hub)}", f"credential = {_toml(key.hex())}", ""]
    return "\n".join(lines)


def write_agent_config(path: Path, *, device: str, place: str, hub: str, key: bytes) -> None:
    """Write the connection part of a device's `agent.toml`, readable by its owner only, never over another file.

    The folder is made when it is not there.

    Raises:
        Refused: the file is there already, or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise Refused(f"{path} exists; choose another --out, or move it away first") from error
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(agent_config(device=device, place=place, hub=hub, key=key))
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
