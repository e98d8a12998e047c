"""Named places where a test can make the process die, fail or wait, to show that nothing is lost there.

`HOLDFAST_FAULTPOINT=name:nth:kill|raise|sleep` arms one place: the nth passage (from 1) is hit. Unset, a passage costs one
comparison.
"""

import os
import signal
import time
from dataclasses import dataclass
from typing import Final

FAULTPOINTS: Final = (
    "pre_commit",
    "post_commit",
    "sealing",
    "release",
    "reincarnate",
    "migrate",
    "salvage",
    "sent",
    "welcome",
)
"""Every name that `faultpoint` is called with."""

VARIABLE: Final = "HOLDFAST_FAULTPOINT"
SLEEP_S: Final = 3600.0
"""Long enough for a test to act from outside; it ends the process itself."""


class FaultInjected(Exception):
    """A test asked for a failure here."""


@dataclass(slots=True)
class _Trap:
    name: str
    passages_left: int
    effect: str


def _parse(text: str) -> _Trap:
    name, nth, effect = (*text.split(":"), "", "")[:3]
    if name not in FAULTPOINTS or not nth.isdigit() or effect not in ("kill", "raise", "sleep"):
        raise ValueError(
            f"{VARIABLE}={text!r}: expected NAME:NTH:kill|raise|sleep with a NAME of {', '.join(FAULTPOINTS)}"
        )
    return _Trap(name, int(nth), effect)


_armed: _Trap | None = _parse(os.environ[VARIABLE]) if VARIABLE in os.environ else None


def faultpoint(name: str) -> None:
    """Pass the place `name`.

    Raises:
        FaultInjected: a test armed this place with `raise`.
    """
    if _armed is None or _armed.name != name:
        return
    _armed.passages_left -= 1
    if _armed.passages_left == 0:
        _spring(_armed)


def _spring(trap: _Trap) -> None:
    if trap.effect == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if trap.effect == "sleep":
        time.sleep(SLEEP_S)
    raise FaultInjected(f"fault point {trap.name}")
