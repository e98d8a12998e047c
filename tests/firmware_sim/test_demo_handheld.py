import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace as replaced
from pathlib import Path

import pytest
from msgspec.structs import replace

from contract.event import Fix, Lane, Outcome, Proof
from contract.fact import CORE_VERSION, SALT_BYTES, Clock, Fact
from contract.local import Answer, FrameReader, GetStatus, Kept, RecordProof, Refused, Request, decode_request, frame
from firmware_sim.checker import Courier, Tally, compare_proofs, read_journal
from firmware_sim.clock import SystemClock
from firmware_sim.demo.handheld import Handheld
from firmware_sim.demo.visits import Deed
from firmware_sim.journal import FileJournal
from tests.mobile_ui.kit import WARM, FakeAgent

LONG_S = 20
PROOF = Proof("stop-1", Outcome.DELIVERED, delivered=("P1",), fix=Fix(1, 2))
DEED = Deed(PROOF, photos=(b"a photo",), signature=b"strokes")
KEPT = Kept(bytes(32), Lane.CUSTODY, 1, 1_000)


class Agent:
    """Answers each request as told; None breaks the conversation off instead."""

    def __init__(self, folder: Path, answer: Callable[[Request], Answer | None]) -> None:
        (folder / "incoming").mkdir()
        self.heard: list[Request] = []
        self.files: list[dict[str, bytes]] = []
        self._folder, self._answer = folder, answer
        self._listener = socket.socket(socket.AF_UNIX)
        descriptor = os.open(folder, os.O_RDONLY)
        self._listener.bind(f"/proc/self/fd/{descriptor}/agent.sock")
        os.close(descriptor)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            line, _ = self._listener.accept()
            with line:
                reader = FrameReader()
                bodies: list[bytes] = []
                while not bodies and (data := line.recv(65_536)):
                    bodies = reader.feed(data)
                if not bodies:
                    return
                request = decode_request(bodies[0])
                self.heard.append(request)
                self.files.append({one.name: one.read_bytes() for one in (self._folder / "incoming").iterdir()})
                if (answer := self._answer(request)) is not None:
                    line.sendall(frame(answer))

    def close(self) -> None:
        """An empty conversation ends it."""
        with socket.socket(socket.AF_UNIX) as last:
            descriptor = os.open(self._folder, os.O_RDONLY)
            last.connect(f"/proc/self/fd/{descriptor}/agent.sock")
            os.close(descriptor)
        self._thread.join(LONG_S)
        self._listener.close()

    @property
    def proofs(self) -> list[RecordProof]:
        return [request for request in self.heard if isinstance(request, RecordProof)]


@pytest.fixture
def handheld(tmp_path: Path) -> Iterator[Handheld]:
    journal = FileJournal(tmp_path / "proofs.jsonl", sync=False)
    made = Handheld(tmp_path, "w.chen", journal, SystemClock())
    yield made
    made.stop()
    journal.close()


def journalled(folder: Path) -> list[Courier]:
    return [Courier("van-1", read_journal(folder / "proofs.jsonl"))]


def a_fact(proof: Proof) -> Fact:
    digests = [hashlib.sha256(data).digest() for data in (b"strokes", b"a photo")]
    stated = replace(proof, signature=digests[0], photos=(digests[1],))
    return Fact(
        version=CORE_VERSION,
        device="van-1",
        incarnation=bytes(16),
        boot=bytes(16),
        ord=1,
        salt=bytes(SALT_BYTES),
        at_ms=1,
        mono_ms=1,
        clock=Clock.SYNCED,
        actor="w.chen",
        event=stated,
    )


def test_a_proof_is_kept_with_its_pictures_and_both_are_journalled(tmp_path: Path, handheld: Handheld) -> None:
    agent = Agent(tmp_path, lambda _: KEPT)
    handheld.start()

    assert handheld.prove(DEED).kept.wait(LONG_S)

    [asked] = agent.proofs
    assert asked.proof == PROOF
    assert sorted(agent.files[-1].values()) == [b"a photo", b"strokes"]
    assert (asked.signature, *asked.photos) == tuple(
        sorted(agent.files[-1], key=lambda name: not name.endswith("json"))
    )
    handheld.stop()
    assert list((tmp_path / "incoming").iterdir()) == []
    assert compare_proofs(journalled(tmp_path), [a_fact(PROOF)])[0] == Tally(captured=1, committed=1)
    assert compare_proofs(journalled(tmp_path), [])[0].lost == 1
    assert compare_proofs(journalled(tmp_path), [a_fact(PROOF), a_fact(PROOF)])[0].doubled == 1
    agent.close()


def test_who_takes_cold_goods_is_shown_how_the_load_stands(tmp_path: Path, handheld: Handheld) -> None:
    cold = FakeAgent()
    cold.cold = (WARM,)
    agent = Agent(tmp_path, lambda one: cold.status() if isinstance(one, GetStatus) else KEPT)
    handheld.start()

    assert handheld.prove(replaced(DEED, is_cold=True)).kept.wait(LONG_S)

    [asked] = agent.proofs
    assert (asked.proof.cold_verdict, asked.proof.reason) == ("exceeded", "recipient_checks")
    agent.close()


def test_an_agent_that_dies_before_it_answers_is_asked_the_same_again(tmp_path: Path, handheld: Handheld) -> None:
    answers = iter([KEPT, None, KEPT])
    agent = Agent(tmp_path, lambda _: next(answers))
    handheld.start()

    assert handheld.prove(DEED).kept.wait(LONG_S)

    first, second = agent.proofs
    assert first == second
    agent.close()


def test_a_proof_without_an_answer_is_in_doubt(tmp_path: Path, handheld: Handheld) -> None:
    asked = threading.Event()

    def answer(request: Request) -> Answer | None:
        if isinstance(request, RecordProof):
            asked.set()
            return None
        return KEPT

    agent = Agent(tmp_path, answer)
    handheld.start()
    promise = handheld.prove(DEED)
    assert asked.wait(LONG_S)
    handheld.stop()

    assert not promise.kept.is_set()
    assert compare_proofs(journalled(tmp_path), [])[0] == Tally(doubtful=1)
    assert compare_proofs(journalled(tmp_path), [a_fact(PROOF)])[0] == Tally(committed=1, doubtful=1)
    agent.close()


def test_a_courier_whose_proof_is_refused_says_so_and_stops(tmp_path: Path, handheld: Handheld) -> None:
    agent = Agent(tmp_path, lambda one: Refused("the card is full") if isinstance(one, RecordProof) else KEPT)
    handheld.start()
    handheld.prove(DEED)
    handheld._thread.join(LONG_S)

    assert "the card is full" in str(handheld.failure)
    assert compare_proofs(journalled(tmp_path), [])[0] == Tally()
    agent.close()


def test_a_proof_that_nobody_made_is_doubled() -> None:
    tally, complaints = compare_proofs([], [a_fact(PROOF)])

    assert tally == Tally(doubled=1)
    assert complaints == ["van-1: stop stop-1 delivered: 0 proofs lost, 1 doubled"]
