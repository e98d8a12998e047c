"""Loads the hub once and starts it by forking; run by `tests.warm.hub` with the number of the socket where it is asked.

A child is what the console script would be from the moment it calls `main`, but for what is loaded: a process of its own that
can be killed, with its own arguments, environment and output.
"""

import array
import contextlib
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

MAIN: Final = "hub.cli"
LOADED_BY_SERVE: Final = (
    "hub.serve",
    "hub.log",
    "hub.accounts.anchors",
    "hub.accounts.room",
    "hub.administration",
    "hub.archive.schedule",
    "hub.backup_schedule",
    "hub.clock_watch",
    "hub.coldchain.anew",
    "hub.context",
    "hub.control",
    "hub.display.publisher",
    "hub.notices.job",
    "hub.reports.telling",
    "hub.routes.roads",
    "hub.routes.sending",
    "hub.web.server",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
)
"""What is imported only where it is needed. What is missing here is loaded by each child, and takes longer."""
FAULTPOINTS: Final = "hub.faultpoint"
"""Reads the environment when it is loaded."""
MAX_REQUEST_BYTES: Final = 1 << 17
FILES: Final = 3
"""Standard input, output and error of a child."""
PR_SET_PDEATHSIG: Final = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def nurse(line: socket.socket) -> dict[str, Any] | None:
    """Start and bury children as asked; in a child what it is to do, in the nursery None at its end."""
    nursery = os.getpid()
    while True:
        data, files = _hear(line)
        if not data:
            return None
        asked = json.loads(data)
        if "bury" in asked:
            _, status = os.waitpid(asked["bury"], 0)
            line.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
            continue
        child = os.fork()
        if child == 0:
            _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != nursery:
                os._exit(1)
            _become(asked, files)
            return dict(asked)
        for file in files:
            os.close(file)
        line.send(json.dumps(child).encode())


def _hear(line: socket.socket) -> tuple[bytes, list[int]]:
    """One request with the files that came along."""
    files = array.array("i")
    data, extra, _, _ = line.recvmsg(MAX_REQUEST_BYTES, socket.CMSG_SPACE(FILES * files.itemsize))
    for level, kind, content in extra:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            files.frombytes(content)
    return data, list(files)


def _become(asked: dict[str, Any], files: list[int]) -> None:
    os.setsid()
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(FILES, os.sysconf("SC_OPEN_MAX"))
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    sys.argv = asked["command"]
    # Functions of it that others hold see what it then finds.
    importlib.reload(sys.modules[FAULTPOINTS])


def load() -> Any:
    """Load everything that a serving hub loads; its main module."""
    main = importlib.import_module(MAIN)
    for name in LOADED_BY_SERVE:
        importlib.import_module(name)
    gc.collect()
    # Children share what they never write to.
    gc.freeze()
    return main


if __name__ == "__main__":
    with contextlib.closing(socket.socket(fileno=int(sys.argv[1]))) as asking:
        hub = load()
        assert len(list(Path("/proc/self/task").iterdir())) == 1, "a process with threads must not fork"
        asking.send(b"loaded")
        task = nurse(asking)
        if task is not None:
            # Closed in the child with everything else.
            asking.detach()
    if task is not None:
        sys.exit(hub.main())
