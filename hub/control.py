"""The control socket `hub.sock`: the running hub answers what administration commands ask (`hub.ask`).

Only the owner of the folder can connect (mode 0600).
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from hub.ask import SOCKET, Answer, read_line, short_address
from hub.errors import HubError
from hub.requests import Request

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MAX_REQUEST_BYTES: Final = 64 * 1024
REQUEST_TIMEOUT_S: Final = 10.0
MAX_COMMANDS: Final = 16
"""At work at once; more wait."""
STOP_S: Final = 1.0


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
        with short_address(folder) as short:
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
                connection.sendall(self._answer(read_line(connection, MAX_REQUEST_BYTES)) + b"\n")
            except OSError as error:
                log.warning("an administration command went away", why=str(error))
            finally:
                self._at_work.discard(threading.current_thread())
                self._free.release()

    def _answer(self, line: bytes) -> bytes:
        try:
            request = msgspec.json.decode(line, type=Request)
            return msgspec.json.encode(Answer(self._answer_request(request)))
        except (msgspec.DecodeError, HubError) as error:
            return msgspec.json.encode(Answer(refused=str(error)))
        except Exception as error:
            # This thread must go on, or whoever asks next would wait for an answer that nobody gives.
            log.exception("an administration command failed")
            return msgspec.json.encode(Answer(refused=f"it failed, see the hub's log: {error!r}"))
