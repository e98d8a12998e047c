"""The local socket `agent.sock` in the data folder, both ends: the agent's server and the client of its commands.

Only the owner can connect (mode 0600). The folder is opened and the socket reached through it, because the address of a Unix
socket ends at 108 bytes and a folder's name may be longer.
"""

import os
import select
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from agent.happenings import Happenings
from agent.log import Log
from contract.errors import ContractError, Malformed
from contract.local import (
    Answer,
    Follow,
    FrameReader,
    Happening,
    Refused,
    Request,
    decode_answer,
    decode_request,
    frame,
)

NAME: Final = "agent.sock"
OWNER_ONLY: Final = 0o177
"""umask: nobody but the owner may connect, from the first moment on."""
READ_BYTES: Final = 64 * 1024
MOST_CONNECTIONS: Final = 16
SEND_TIMEOUT_S: Final = 10.0
"""A client that reads nothing for so long is let go."""
FOLLOW_PAUSE_S: Final = 0.5
"""How soon the end of a follower or of the agent is noticed."""
CONNECT_TIMEOUT_S: Final = 5.0
ANSWER_TIMEOUT_S: Final = 30.0
"""A commit on a busy card takes seconds; beyond this the agent is taken for stuck."""


class NotRunning(Exception):
    """No agent answers in this folder."""


class AgentLost(Exception):
    """The agent went away, or did not answer in time: whether it did what was asked is unknown; ask again with the same id."""


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


class LocalServer:
    """Answers requests of local programs, each connection in a thread of its own.

    Args:
        folder: the data folder, whose `writer.lock` the caller holds: so a socket that lies there is stale.
        answer: does what a request asks; returns after the commit. Called from many threads.
        happenings: what followers are told.
        present: how things are now, for one who begins to follow.
    """

    def __init__(
        self,
        folder: Path,
        answer: Callable[[Request], Answer],
        happenings: Happenings,
        present: Callable[[], Iterable[Happening]] = tuple,
    ) -> None:
        self._folder = folder
        self._answer = answer
        self._happenings = happenings
        self._present = present
        self._log = Log("socket")
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._accepting = threading.Thread(target=self._accept, name="local-socket", daemon=True)

    def start(self) -> None:
        """Take the socket's name and begin to answer.

        Raises:
            OSError: the folder takes no socket.
        """
        before = os.umask(OWNER_ONLY)
        try:
            with _address(self._folder) as address:
                Path(address).unlink(missing_ok=True)
                self._listener.bind(address)
        except OSError:
            self._listener.close()
            raise
        finally:
            os.umask(before)
        self._listener.listen(MOST_CONNECTIONS)
        self._accepting.start()

    def stop(self) -> None:
        """End all connections and take the name away."""
        self._stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._accepting.ident is not None:
            self._accepting.join()
        self._listener.close()
        with self._lock:
            threads = tuple(self._threads)
            for connection in self._connections:
                with suppress(OSError):
                    # No more questions; the answer that is being worked on still goes out.
                    connection.shutdown(socket.SHUT_RD)
        for thread in threads:
            thread.join(timeout=1.0)
        with suppress(OSError):
            (self._folder / NAME).unlink(missing_ok=True)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._stopping.is_set():
                    return
                # Out of file handles: those who are connected go on.
                self._log.warning("accept_failed", why=error)
                self._stopping.wait(1.0)
                continue
            self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        with self._lock:
            if len(self._connections) >= MOST_CONNECTIONS:
                connection.close()
                return
            thread = threading.Thread(target=self._converse, args=(connection,), name="local-client", daemon=True)
            self._connections.add(connection)
            self._threads.add(thread)
        thread.start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            self._answer_all(connection)
        except (OSError, ContractError) as error:
            self._log.debug("connection_ended", why=error)
        finally:
            with self._lock:
                self._connections.discard(connection)
                self._threads.discard(threading.current_thread())
            connection.close()

    def _answer_all(self, connection: socket.socket) -> None:
        reader = FrameReader()
        while not self._stopping.is_set():
            connection.settimeout(None)
            data = connection.recv(READ_BYTES)
            if not data:
                return
            try:
                requests = [decode_request(body) for body in reader.feed(data)]
            except Malformed as error:
                _send(connection, Refused(str(error)))
                raise
            for request in requests:
                if isinstance(request, Follow):
                    self._tell(connection)
                    return
                _send(connection, self._answer(request))

    def _tell(self, connection: socket.socket) -> None:
        with self._happenings.following() as follower:
            for happening in self._present():
                _send(connection, happening)
            while not self._stopping.is_set() and not follower.behind:
                next_ = follower.next(FOLLOW_PAUSE_S)
                if next_ is not None:
                    _send(connection, next_)
                elif _has_ended(connection):
                    return


def _send(connection: socket.socket, message: Answer | Happening) -> None:
    connection.settimeout(SEND_TIMEOUT_S)
    connection.sendall(frame(message))


def _has_ended(connection: socket.socket) -> bool:
    """Whether the other side closed; followers say nothing."""
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and not connection.recv(READ_BYTES)


class LocalClient:
    """Asks a running agent. One conversation, for one thread; close it, or use it as a context."""

    def __init__(self, folder: Path) -> None:
        """Connect.

        Raises:
            NotRunning: no agent answers in this folder.
        """
        self._reader = FrameReader()
        self._bodies: list[bytes] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(CONNECT_TIMEOUT_S)
        try:
            with _address(folder) as address:
                self._socket.connect(address)
        except OSError as error:
            self._socket.close()
            raise NotRunning(f"No agent runs on {folder}.") from error
        self._socket.settimeout(ANSWER_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the conversation."""
        self._socket.close()

    def ask(self, request: Request) -> Answer:
        """Ask and wait for the answer.

        Raises:
            AgentLost: no answer came.
        """
        try:
            self._socket.sendall(frame(request))
        except OSError as error:
            raise AgentLost(f"the agent went away: {error}") from error
        answer = self._next()
        if not isinstance(answer, Answer):
            raise AgentLost("the agent told a happening where an answer was due")
        return answer

    def follow(self) -> Iterator[Happening]:
        """What happens, from now on until the agent ends.

        Raises:
            AgentLost: the connection ended.
        """
        self._socket.settimeout(CONNECT_TIMEOUT_S)
        self._socket.sendall(frame(Follow()))
        self._socket.settimeout(None)
        while True:
            happening = self._next()
            if isinstance(happening, Answer):
                raise AgentLost(f"the agent answered {happening!r} where a happening was due")
            yield happening

    def _next(self) -> Answer | Happening:
        try:
            while not self._bodies:
                data = self._socket.recv(READ_BYTES)
                if not data:
                    raise AgentLost("the agent ended the conversation")
                self._bodies += self._reader.feed(data)
            return decode_answer(self._bodies.pop(0))
        except TimeoutError as error:
            raise AgentLost("the agent did not answer in time") from error
        except (OSError, ContractError) as error:
            raise AgentLost(f"the agent's answer cannot be read: {error}") from error
