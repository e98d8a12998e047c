"""A courier with the app in hand: keeps proofs through the agent's socket as the app does, with a journal of its own.

Journal records (beside ``t_ms``):

- ``asked``: a proof goes to the agent under this request id (hex), with its ``stop`` and all that makes it out: ``outcome``
  ``delivered`` ``refused`` ``pictures`` (SHA-256 in hex, the signature first). Written before the first try.
- ``kept``: the request id of a proof that the agent said is on its disk; ``refused_why``: that it was not kept.
"""

import hashlib
import os
import queue
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contract.errors import ContractError
from contract.event import Proof
from contract.local import (
    Answer,
    DeviceStatus,
    FrameReader,
    GetStatus,
    Kept,
    RecordProof,
    Refused,
    Request,
    SignOn,
    decode_answer,
    frame,
)
from firmware_sim.clock import Clock
from firmware_sim.demo.visits import Deed
from firmware_sim.errors import SimulatorError
from firmware_sim.journal import Journal

SOCKET: Final = "agent.sock"
INCOMING: Final = "incoming"
ANSWER_S: Final = 20.0
PAUSE_S: Final = 0.2
READ_BYTES: Final = 65_536
REQUEST_BYTES: Final = 16
END_S: Final = 5.0


@dataclass(slots=True)
class Promise:
    """A proof on its way; `kept` is set when the agent has answered."""

    deed: Deed
    kept: threading.Event = field(default_factory=threading.Event)


class Handheld:
    """Keeps one proof after the other, over all restarts of the agent. Use as a context manager."""

    def __init__(self, folder: Path, person: str, journal: Journal, clock: Clock) -> None:
        """Describe it.

        Args:
            folder: The agent's data folder.
            person: Who signs on.
            journal: Where each proof and answer is recorded.
            clock: Dates these.
        """
        self.failure: SimulatorError | None = None
        """Why this courier works no more, if so."""
        self.kept = 0
        self._folder = folder
        self._person = person
        self._journal = journal
        self._clock = clock
        self._work: queue.SimpleQueue[Promise | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"courier {person}", daemon=True)

    def start(self) -> None:
        """Take the handheld."""
        self._thread.start()

    def stop(self) -> None:
        """Put it down; what has no answer yet is left to doubt."""
        self._stop.set()
        self._work.put(None)
        if self._thread.ident is not None:
            self._thread.join(ANSWER_S + END_S)

    def prove(self, deed: Deed) -> Promise:
        """Have a proof kept, behind those before."""
        promise = Promise(deed)
        self._work.put(promise)
        return promise

    def _run(self) -> None:
        try:
            self._ask(SignOn(secrets.token_bytes(REQUEST_BYTES), self._person))
            while not self._stop.is_set() and (promise := self._work.get()) is not None:
                self._keep(promise)
        except (SimulatorError, OSError) as error:
            self.failure = SimulatorError(f"{self._person} cannot go on: {error}")

    def _keep(self, promise: Promise) -> None:
        deed, request_id = promise.deed, secrets.token_bytes(REQUEST_BYTES)
        proof = self._shown(deed)
        files = {f"{request_id.hex()}-{n}.png": photo for n, photo in enumerate(deed.photos)}
        signature = None if deed.signature is None else f"{request_id.hex()}.json"
        pictures = [*([deed.signature] if deed.signature is not None else []), *deed.photos]
        self._journal.write(
            self._clock.now_ms(),
            asked=request_id.hex(),
            stop=deed.proof.stop,
            outcome=deed.proof.outcome.value,
            delivered=list(deed.proof.delivered),
            refused=list(deed.proof.refused),
            pictures=[hashlib.sha256(picture).hexdigest() for picture in pictures],
        )
        incoming = self._folder / INCOMING
        for name, data in files.items():
            (incoming / name).write_bytes(data)
        if signature is not None and deed.signature is not None:
            (incoming / signature).write_bytes(deed.signature)
        answer = self._ask(RecordProof(request_id, proof, signature, tuple(files)))
        if answer is None:
            return
        if isinstance(answer, Refused):
            self._journal.write(self._clock.now_ms(), refused_why=answer.why, request=request_id.hex())
            raise SimulatorError(f"the proof of stop {deed.proof.stop} was refused: {answer.why}")
        self._journal.write(self._clock.now_ms(), kept=request_id.hex())
        for name in (*files, *([signature] if signature is not None else [])):
            (incoming / name).unlink(missing_ok=True)
        self.kept += 1
        promise.kept.set()

    def _shown(self, deed: Deed) -> Proof:
        """Return the proof as it is once the recipient of cold goods has seen how they are."""
        status = self._ask(GetStatus()) if deed.is_cold else None
        return deed.shown(status.cold) if isinstance(status, DeviceStatus) else deed.proof

    def _ask(self, request: Request) -> Kept | Refused | DeviceStatus | None:
        """Ask until there is an answer; None where the day ends before."""
        while not self._stop.is_set():
            try:
                with _conversation(self._folder) as line:
                    answer = _asked(line, request)
            except (OSError, ContractError):
                self._stop.wait(PAUSE_S)
                continue
            if isinstance(answer, Kept | Refused | DeviceStatus):
                return answer
            self._stop.wait(PAUSE_S)
        return None


@contextmanager
def _conversation(folder: Path) -> Iterator[socket.socket]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(ANSWER_S)
        # A name that is short enough, however long the folder's is.
        line.connect(f"/proc/self/fd/{descriptor}/{SOCKET}")
        yield line
    finally:
        line.close()
        os.close(descriptor)


def _asked(line: socket.socket, request: Request) -> Answer | None:
    line.sendall(frame(request))
    reader = FrameReader()
    while data := line.recv(READ_BYTES):
        for body in reader.feed(data):
            answer = decode_answer(body)
            return answer if isinstance(answer, Answer) else None
    return None
