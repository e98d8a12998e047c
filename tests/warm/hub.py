"""Hub processes for tests that start many: each is forked off one that has loaded the hub, which takes a second or two.

How a hub starts from nothing is shown where that is what counts (`tests/journeys/test_recovery.py`, the demo, the commands).
"""

import array
import atexit
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final
from unittest.mock import patch

from firmware_sim import processes
from tests.warm.nursery import MAX_REQUEST_BYTES

PROGRAM: Final = "holdfast-hub"
LOAD_TIMEOUT_S: Final = 120.0
COMMAND_TIMEOUT_S: Final = 120.0


class Nursery:
    """The process that has loaded the hub. Thread-safe; it and all its children end with this process."""

    def __init__(self) -> None:
        """Load the hub, which takes a moment."""
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._asking = threading.Lock()
        with theirs:
            script = str(Path(__file__).with_name("nursery.py"))
            # -P: its folder is no place to import from.
            self._process = subprocess.Popen(
                [sys.executable, "-P", script, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._line.settimeout(LOAD_TIMEOUT_S)
        assert self._line.recv(MAX_REQUEST_BYTES) == b"loaded"

    def close(self) -> None:
        """End it, and with it all that it started."""
        self._line.close()
        self._process.wait()

    def start(self, command: Sequence[str], files: Sequence[int], environment: Mapping[str, str]) -> "Forked":
        """Start a hub command with these files as standard input, output and error."""
        asked = {"command": list(command), "folder": str(Path.cwd()), "environment": dict(environment)}
        return Forked(self, self._ask(asked, files))

    def bury(self, pid: int) -> int:
        """The exit status of a child that has ended; negative for a signal."""
        return self._ask({"bury": pid})

    def _ask(self, asked: object, files: Sequence[int] = ()) -> int:
        passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))] if files else []
        with self._asking:
            self._line.sendmsg([json.dumps(asked).encode()], passed)
            return int(json.loads(self._line.recv(MAX_REQUEST_BYTES)))


class Forked:
    """One child of the nursery; what `subprocess.Popen` is for children of one's own."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._nursery = nursery
        # It cannot belong to another process: a child keeps its number until it is buried.
        self.ended = os.pidfd_open(pid)
        """Can be read from once it has ended."""
        self._looking = threading.Lock()

    def poll(self) -> int | None:
        """How it ended, None while it runs."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it runs still.
        """
        status = self._look(None if timeout is None else timeout * 1000)
        if status is None:
            raise subprocess.TimeoutExpired(PROGRAM, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send it a signal unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without asking."""
        self.send_signal(signal.SIGKILL)

    def _look(self, wait_ms: float | None) -> int | None:
        with self._looking:
            if self.returncode is None:
                poll = select.poll()
                poll.register(self.ended, select.POLLIN)
                if poll.poll(wait_ms):
                    self.returncode = self._nursery.bury(self.pid)
                    os.close(self.ended)
            return self.returncode


@functools.cache
def nursery() -> Nursery:
    """The one of this test process."""
    made = Nursery()
    atexit.register(made.close)
    return made


def launch(
    command: Sequence[str], *, out: IO[bytes], err: IO[bytes], env: Mapping[str, str], said: IO[bytes] | None = None
) -> processes.Running:
    """Start any command, one of the hub by forking; `said` is what it reads."""
    if Path(command[0]).name != PROGRAM:
        assert said is None
        return processes.launch_cold(command, out=out, err=err, env=env)
    with Path(os.devnull).open("rb") as nothing:
        return nursery().start(command, [(said or nothing).fileno(), out.fileno(), err.fileno()], env)


def run(command: Sequence[str], said: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(said.encode())
        given.seek(0)
        running = launch(command, out=out, err=err, env={**os.environ, **environment}, said=given)
        status = running.wait(COMMAND_TIMEOUT_S)
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(command, status, out.read().decode(), err.read().decode())


@contextmanager
def warm_starts() -> Iterator[None]:
    """Within the block all hubs and their commands are started so."""
    with patch.object(processes, "launch", launch):
        yield
