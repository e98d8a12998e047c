"""Places where a test may kill the hub, make it raise, or hold it up, to show what survives.

`HOLDFAST_FAULTPOINT=name:nth:action` arms one of them: at its `nth` passing (from 1) the action `kill` (as `kill -9`), `raise`
or `sleep` happens. Without the variable a fault point costs one comparison.
"""

import os
import signal
import time
from typing import Final, Literal, get_args

ENVIRONMENT: Final = "HOLDFAST_FAULTPOINT"
SLEEP_S: Final = 2.0
"""Longer than a group, shorter than any re-send timer."""

Faultpoint = Literal[
    "hub_pre_commit",
    "hub_post_commit",
    "hub_before_reply",
    "hub_project",
    "hub_project_commit",
    "hub_blob_rename",
    "hub_backup",
]
FAULTPOINTS: Final[tuple[Faultpoint, ...]] = get_args(Faultpoint)


class FaultInjected(Exception):
    """What an armed `raise` raises; nothing catches it by name."""


class _Armed:
    def __init__(self, setting: str) -> None:
        name, nth, action = setting.split(":")
        if name not in FAULTPOINTS or action not in {"kill", "raise", "sleep"} or int(nth) < 1:
            raise ValueError(f"{ENVIRONMENT}={setting!r}: expected name:nth:kill|raise|sleep")
        self.name = name
        self.left = int(nth)
        self.action = action

    def strike(self) -> None:
        self.left -= 1
        if self.left != 0:
            return
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.action == "raise":
            raise FaultInjected(self.name)
        time.sleep(SLEEP_S)


_armed = _Armed(os.environ[ENVIRONMENT]) if os.environ.get(ENVIRONMENT) else None


def faultpoint(name: Faultpoint) -> None:
    """Pass this place; what was armed for it happens."""
    if _armed is not None and _armed.name == name:
        _armed.strike()
