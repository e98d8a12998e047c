"""Run as a script: become another program that ends with its parent, however the parent ends.

`python tether.py PARENT_PID PROGRAM ARGUMENT...`
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""prctl(2)."""


def main(parent: int, program: list[str]) -> None:
    """Tie this process to its parent and become `program`."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the call above.
    if os.getppid() == parent:
        os.execv(program[0], program)  # noqa: S606 - a program of our own, no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
