"""The control socket `hub.sock`: administration commands ask the running hub, or open the folder and do it themselves.

One request and one answer per connection, each one line of JSON. Only the owner of the folder can connect (mode 0600).
"""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from hub.errors import FolderInUse, HubError, Refused
from hub.folders import data_folder
from hub.requests import Request

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

SOCKET: Final = "hub.sock"
MAX_REQUEST_BYTES: Final = 64 * 1024
REQUEST_TIMEOUT_S: Final = 10.0
ANSWER_TIMEOUT_S: Final = 3600.0
"""A backup of a large hub takes its time."""
MAX_COMMANDS: Final = 16
"""At work at once; more wait."""
STOP_S: Final = 1.0
STARTING_S: Final = 10.0
RETRY_S: Final = 0.1


class _Answer(msgspec.Struct, frozen=True):
    result: Any = None
    refused: str | None = None


class ControlSocket:
    """Answers administration commands while it is open, each in a thread of its own, so that none waits for a backup."""

    def __init__(self, folder: Path, answer: Callable[[Request], Any]) -> None:
        """Open the socket; call it only while holding the folder's `writer.lock`, for a stale socket is removed.

        Args:
            folder: The hub's data folder.
            answer: Does what is asked, or raises HubError.
        """
        self._answer_request = answer
        self._free = threading.BoundedSemaphore(MAX_COMMANDS)
        self._at_work: set[threading.Thread] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path = folder / SOCKET
        self._path.unlink(missing_ok=True)
        with _short(folder) as short:
            before = os.umask(0o177)
            try:
                self._listener.bind(short)
            finally:
                os.umask(before)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        # Wakes the thread out of accept, which closing alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(STOP_S)
        # A command at work gets a moment; a long one (a backup) is given up, and whoever asked is told that the hub ended.
        until_s = time.monotonic() + STOP_S
        for thread in list(self._at_work):
            thread.join(max(0, until_s - time.monotonic()))
        self._path.unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._free.acquire()
            thread = threading.Thread(target=self._converse, args=(connection,), name="command", daemon=True)
            self._at_work.add(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(REQUEST_TIMEOUT_S)
            try:
                connection.sendall(self._answer(_read_line(connection, MAX_REQUEST_BYTES)) + b"\n")
            except OSError as error:
                log.warning("an administration command went away", why=str(error))
            finally:
                self._at_work.discard(threading.current_thread())
                self._free.release()

    def _answer(self, line: bytes) -> bytes:
        try:
            request = msgspec.json.decode(line, type=Request)
            return msgspec.json.encode(_Answer(self._answer_request(request)))
        except (msgspec.DecodeError, HubError) as error:
            return msgspec.json.encode(_Answer(refused=str(error)))
        except Exception as error:
            # This thread must go on, or whoever asks next would wait for an answer that nobody gives.
            log.exception("an administration command failed")
            return msgspec.json.encode(_Answer(refused=f"it failed, see the hub's log: {error!r}"))


def ask(folder: Path, request: Request) -> Any:
    """Have a request answered: by the hub that runs in this folder, else here, as the folder's writer.

    Raises:
        Refused: it cannot be done, or nobody can be asked.
    """
    data_folder(folder)
    patient_until_s = time.monotonic() + STARTING_S
    while True:
        try:
            return _ask_running(folder, request)
        except (FileNotFoundError, ConnectionRefusedError):
            try:
                return _answer_here(folder, request)
            except FolderInUse:
                # A hub that starts or ends has the folder, but no socket.
                if time.monotonic() > patient_until_s:
                    raise
                time.sleep(RETRY_S)


def _ask_running(folder: Path, request: Request) -> Any:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with connection:
        with _short(folder) as short:
            connection.connect(short)
        connection.settimeout(ANSWER_TIMEOUT_S)
        connection.sendall(msgspec.json.encode(request) + b"\n")
        line = _read_line(connection)
    if not line:
        raise Refused("the hub ended before it answered; try again")
    answer = msgspec.json.decode(line, type=_Answer)
    if answer.refused is not None:
        raise Refused(answer.refused)
    return answer.result


def _answer_here(folder: Path, request: Request) -> Any:
    # Here, because this is most of the hub, which takes seconds to load, and a running hub answers without.
    from hub.administration import Administration  # noqa: PLC0415 see above
    from hub.centre import open_centre  # noqa: PLC0415 see above

    with open_centre(folder) as centre:
        result = Administration(centre).answer(request)
    # As it would come over the socket, so that both ways print alike.
    return json.loads(msgspec.json.encode(result))


def _read_line(connection: socket.socket, most: int | None = None) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk or (most is not None and len(line) > most):
            break
        line += chunk
    return bytes(line)


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """The socket's address through an open descriptor: a Unix socket's path ends at 108 bytes, a folder's may be longer."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
