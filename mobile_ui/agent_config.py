"""The little that the app must know of `agent.toml`: where the device keeps its data."""

import tomllib
from pathlib import Path


class ConfigUnusable(Exception):
    """The configuration does not say where the device's data is; the message says what was expected."""


def data_folder(config: Path) -> Path:
    """The agent's data folder: `[device] data`, by default the folder of the file.

    Raises:
        ConfigUnusable: there is no such file, or it is no configuration of an agent.
    """
    try:
        table = tomllib.loads(config.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigUnusable(
            f"{config} cannot be read: {error.strerror}. Make one with: holdfast-hub device add"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigUnusable(f"{config} is no TOML: {error}") from error
    device = table.get("device")
    if not isinstance(device, dict) or not isinstance(device.get("data", ""), str):
        raise ConfigUnusable(f"{config} has no [device] table with a text `data`; is it an agent.toml?")
    data: str = device.get("data", "")
    return (config.parent / data).resolve()
