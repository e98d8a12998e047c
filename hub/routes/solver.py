"""Has planning problems solved in a process of its own: seconds of computing must not slow the hub's threads."""

import subprocess
import sys
from typing import Final

import msgspec
from msgspec import Struct

from hub.errors import Refused
from hub.routes.plan import Plan, Problem
from hub.said import Said

SEED: Final = 1
SLACK_S: Final = 180
"""Beyond its time the process is ended; with 2,000 stops it prepares for half a minute before it begins to search."""


class Task(Struct, frozen=True):
    """What the process is asked."""

    problem: Problem
    seconds: float
    seed: int = SEED


def solve(problem: Problem, seconds: float, seed: int = SEED) -> Plan:
    """Plan within this time; the same problem and seed may give another plan on another machine.

    Raises:
        Refused: the process failed.
    """
    asked = msgspec.msgpack.encode(Task(problem, seconds, seed))
    command = [sys.executable, "-m", "hub.routes.search"]
    try:
        done = subprocess.run(command, input=asked, capture_output=True, timeout=seconds + SLACK_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Refused(
            Said("no plan came within {n} s; plan fewer stops at once", n=round(seconds + SLACK_S))
        ) from error
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise Refused(Said("the plan could not be computed ({why}); nothing was changed", why=last[:300]))
    return msgspec.msgpack.decode(done.stdout, type=Plan)
