"""Finds the demo's van for whoever tries the app: the newest one below ./demo-data whose agent answers."""

from pathlib import Path
from typing import Final

from mobile_ui.core.agent_link import answers

FOLDER: Final = Path("demo-data")
VAN: Final = "van-12"


class NoDemo(Exception):
    """No demo runs here; the message says how to start one."""


def demo_config(folder: Path = FOLDER) -> Path:
    """The `agent.toml` of the van that a running demo keeps for a person.

    Raises:
        NoDemo: none answers.
    """
    found = sorted(folder.glob(f"*/devices/{VAN}/agent.toml"), key=lambda path: path.stat().st_mtime, reverse=True)
    for config in found:
        if answers(config.parent):
            return config
    raise NoDemo(
        "No demo runs in this folder. Start one in another terminal with `make demo`, "
        f"wait until it says that {VAN.replace('-', ' ')} waits for you, and try again."
    )
