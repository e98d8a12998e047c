"""Adding a driver to `agent.toml` without touching what a person wrote there."""

import json
import os
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path

from agent.config import AgentConfig, parse_config, read_text
from agent.config_error import ConfigError
from agent.store.files import sync_folder

TomlValue = str | bool | int | float | list["TomlValue"] | Mapping[str, "TomlValue"]


def add_driver(path: Path, toml: str) -> AgentConfig:
    """Append one `[[drivers]]` table, given by its inside, to the configuration.

    Raises:
        ConfigError: it would not be a valid configuration; the file is as before.
    """
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the new driver is no TOML: {error}") from error
    return append_driver(path, table)


def append_driver(path: Path, driver: Mapping[str, TomlValue]) -> AgentConfig:
    """Add one `[[drivers]]` table at the end of the file; the rest of it stays as it is, byte for byte.

    The new file takes the old one's place in one step and is readable by its owner only.

    Raises:
        ConfigError: the file with the new table would not be a valid configuration; it is left as it was.
    """
    path = path.resolve()
    text = read_text(path)
    gap = "" if not text or text.endswith("\n") else "\n"
    text += f"{gap}\n[[drivers]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in driver.items())
    config = parse_config(text, path)
    _replace(path, text.encode("utf-8"))
    return config


def _toml(value: TomlValue) -> str:
    """A value as TOML; inner tables are written inline."""
    match value:
        case str():
            # JSON's escapes are TOML's too; only DEL needs one more.
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case Mapping():
            return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
        case _:
            return "[" + ", ".join(_toml(inner) for inner in value) + "]"


def _replace(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file so that a power cut leaves either the old or the new one."""
    # mkstemp makes mode 0600, which the file must have: it holds the device's key.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)
