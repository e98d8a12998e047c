"""How administration commands ask: over the socket `hub.sock` of the running hub, or they open the folder and do it themselves.

One request and one answer per connection, each one line of JSON. Most of a command's time is the loading of modules, so nothing
is loaded here that the asking does not need.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from hub.errors import FolderInUse, Refused
from hub.folders import data_folder
from hub.requests import Request

SOCKET: Final = "hub.sock"
ANSWER_TIMEOUT_S: Final = 3600.0
"""A backup of a large hub takes its time."""
STARTING_S: Final = 10.0
RETRY_S: Final = 0.1


class Answer(msgspec.Struct, frozen=True):
    """What a request led to: a result, or in one sentence why not."""

    result: Any = None
    refused: str | None = None


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
        with short_address(folder) as short:
            connection.connect(short)
        connection.settimeout(ANSWER_TIMEOUT_S)
        connection.sendall(msgspec.json.encode(request) + b"\n")
        line = read_line(connection)
    if not line:
        raise Refused("the hub ended before it answered; try again")
    answer = msgspec.json.decode(line, type=Answer)
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


def read_line(connection: socket.socket, most: int | None = None) -> bytes:
    """One line from the other side, or what came before it ended or sent more than `most` bytes."""
    line = bytearray()
    while not line.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk or (most is not None and len(line) > most):
            break
        line += chunk
    return bytes(line)


@contextmanager
def short_address(folder: Path) -> Iterator[str]:
    """The socket's address through an open descriptor: a Unix socket's path ends at 108 bytes, a folder's may be longer."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{SOCKET}"
    finally:
        os.close(descriptor)
