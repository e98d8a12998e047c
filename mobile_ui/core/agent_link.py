"""The app's end of the agent's socket: one connection asks, one follows. Nothing here ever waits on the caller's thread.

Every request of the app may be asked twice (recordings carry a `request_id`, all others only read or replace), so one whose
answer was lost is asked again until it is answered, in order.
"""

import os
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from contract.errors import ContractError
from contract.local import Answer, Follow, FrameReader, Happening, Refused, Request, decode_answer, frame

NAME: Final = "agent.sock"
READ_BYTES: Final = 64 * 1024
CONNECT_TIMEOUT_S: Final = 2.0
ANSWER_TIMEOUT_S: Final = 30.0
"""A commit on a busy card takes seconds; beyond this the agent is taken for stuck and asked again."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0

Done = Callable[[Answer], None]
Post = Callable[[Callable[[], None]], None]
"""Runs a call on the app's own thread, soon."""


class Link(Protocol):
    """A conversation with an agent."""

    happened: Callable[[Happening], None]
    connected: Callable[[bool], None]

    def start(self) -> None:
        """Begin it."""

    def stop(self) -> None:
        """End it."""

    def ask(self, request: Request, done: Done = ...) -> None:
        """Ask; `done` gets the answer on the app's own thread."""


class _Lost(Exception):
    """The connection is gone, or what came over it cannot be read."""


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """A name of the socket that is short enough, however long the folder's is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


class _Connection:
    def __init__(self, folder: Path) -> None:
        self._reader = FrameReader()
        self._bodies: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(CONNECT_TIMEOUT_S)
        try:
            with _address(folder) as address:
                self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise _Lost(str(error)) from error

    def say(self, request: Request) -> None:
        try:
            self._socket.sendall(frame(request))
        except OSError as error:
            raise _Lost(str(error)) from error

    def hear(self, timeout_s: float | None) -> Answer | Happening:
        try:
            self._socket.settimeout(timeout_s)
            while not self._bodies:
                data = self._socket.recv(READ_BYTES)
                if not data:
                    raise _Lost("the agent ended the conversation")
                self._bodies += self._reader.feed(data)
            return decode_answer(self._bodies.pop(0))
        except (OSError, ContractError) as error:
            raise _Lost(str(error)) from error

    def close(self) -> None:
        """Also ends a `hear` that waits in another thread."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def answers(folder: Path) -> bool:
    """Whether an agent listens in this folder."""
    try:
        _Connection(folder).close()
    except _Lost:
        return False
    return True


class AgentLink:
    """Asks and follows the agent of a folder, over all its restarts.

    Args:
        folder: the agent's data folder.
        post: runs a call on the caller's own thread, soon.
        happened: told what happens, in order.
        connected: told when the conversation begins and ends.
    """

    def __init__(
        self,
        folder: Path,
        post: Post,
        *,
        happened: Callable[[Happening], None] = lambda _happening: None,
        connected: Callable[[bool], None] = lambda _is: None,
    ) -> None:
        self._folder = folder
        self._post = post
        self.happened = happened
        self.connected = connected
        self._stopping = threading.Event()
        self._waiting: queue.SimpleQueue[tuple[Request, Done] | None] = queue.SimpleQueue()
        self._open: set[_Connection] = set()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask_all, name="agent-ask", daemon=True),
            threading.Thread(target=self._follow, name="agent-follow", daemon=True),
        ]

    def start(self) -> None:
        """Begin the conversation; an agent that is not there yet is waited for."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End it. Requests without an answer are given up: what was to be recorded is in a draft."""
        self._stopping.set()
        self._waiting.put(None)
        with self._lock:
            for connection in self._open:
                connection.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=CONNECT_TIMEOUT_S)

    def ask(self, request: Request, done: Done = lambda _answer: None) -> None:
        """Ask behind all that was asked before; `done` gets the answer on the caller's own thread."""
        try:
            frame(request)
        except ContractError as error:
            # Nothing of it will ever get through.
            refused = Refused(str(error))
            self._post(lambda: done(refused))
        else:
            self._waiting.put((request, done))

    # -- threads ---------------------------------------------------------------------------------------------------

    def _connect(self) -> _Connection | None:
        """Wait for the agent; None at the end."""
        pause_s = FIRST_PAUSE_S
        while not self._stopping.is_set():
            try:
                connection = _Connection(self._folder)
            except _Lost:
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
                continue
            with self._lock:
                self._open.add(connection)
            return connection
        return None

    def _drop(self, connection: _Connection) -> None:
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def _ask_all(self) -> None:
        connection: _Connection | None = None
        while (item := self._waiting.get()) is not None and not self._stopping.is_set():
            request, done = item
            while not self._stopping.is_set():
                if connection is None and (connection := self._connect()) is None:
                    return
                try:
                    connection.say(request)
                    answer = connection.hear(ANSWER_TIMEOUT_S)
                except _Lost:
                    self._drop(connection)
                    connection = None
                    continue
                if isinstance(answer, Answer):
                    self._tell(done, answer)
                    break
                self._drop(connection)
                connection = None
        if connection is not None:
            self._drop(connection)

    def _tell(self, done: Done, answer: Answer) -> None:
        self._post(lambda: done(answer))

    def _follow(self) -> None:
        while (connection := self._connect()) is not None:
            try:
                connection.say(Follow())
                self._post(lambda: self.connected(True))
                while True:
                    self._pass_on(connection.hear(None))
            except _Lost:
                self._post(lambda: self.connected(False))
            finally:
                self._drop(connection)
            self._stopping.wait(FIRST_PAUSE_S)

    def _pass_on(self, heard: Answer | Happening) -> None:
        if isinstance(heard, Happening):
            self._post(lambda: self.happened(heard))
