"""The core against a real agent: killed at any point, restarted, and every proof is kept once."""

import os
import queue
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.event import Event, Outcome, Proof, Scan, Step
from contract.local import Answer, DraftPut, GetOutbox, GetStatus, Kept, OutboxPage, RecordScan, Refused, SignOn
from mobile_ui.core import proof_draft
from mobile_ui.core.agent_link import AgentLink, answers
from mobile_ui.core.courier import Courier
from mobile_ui.core.proof_draft import DraftStep
from tests.agent.agent_process import running, write_config
from tests.mobile_ui.kit import stop

pytestmark = pytest.mark.slow
PATIENCE_S = 20.0


class Loop:
    """The app's own thread: runs what is posted."""

    def __init__(self) -> None:
        self.calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def until(self, done: Callable[[], bool]) -> None:
        end_s = time.monotonic() + PATIENCE_S
        while not done():
            try:
                self.calls.get(timeout=max(0.01, min(0.2, end_s - time.monotonic())))()
            except queue.Empty:
                assert time.monotonic() < end_s, "it never happened"


@contextmanager
def app(folder: Path) -> Iterator[tuple[Courier, Loop, AgentLink]]:
    """An app that is gone afterwards, as after a kill: nothing is said to the agent."""
    loop = Loop()
    link = AgentLink(folder, loop.calls.put)
    courier = Courier(link, folder / "incoming", now_ms=lambda: time.time_ns() // 1_000_000)
    link.happened, link.connected = courier.happened, courier.link_changed
    link.start()
    try:
        yield courier, loop, link
    finally:
        link.stop()


def events(link: AgentLink, loop: Loop) -> list[Event]:
    """All that the agent keeps."""
    pages: list[Answer] = []
    link.ask(GetOutbox(100), pages.append)
    loop.until(lambda: bool(pages))
    (page,) = pages
    assert isinstance(page, OutboxPage)
    return [item.fact.event for item in page.items if item.fact is not None]


def proofs(link: AgentLink, loop: Loop) -> list[Proof]:
    return [event for event in events(link, loop) if isinstance(event, Proof)]


def settle(link: AgentLink, loop: Loop) -> None:
    """Everything that was asked, and what was asked because of the answers, is answered."""
    for _ in range(4):
        told: list[Answer] = []
        link.ask(GetStatus(), told.append)
        loop.until(lambda: bool(told))  # noqa: B023 it is called before the next turn


def to_review(courier: Courier, loop: Loop) -> None:
    where = stop(2)
    courier.begin_proof(where, hands_over=True)
    courier.scan_typed(where.parcels[0].parcel)
    loop.until(lambda: courier.draft is not None and bool(courier.draft.scanned))
    courier.forward()
    courier.forward()
    courier.change(lambda d: proof_draft.receive(d, "Li Na", "neighbour"))
    for _ in range(3):
        courier.forward()
    assert courier.draft is not None
    photo = courier.photo_path()
    assert photo is not None
    photo.write_bytes(b"\xff\xd8\xff a photo")
    courier.add_photo(photo)
    assert courier.draft.step is DraftStep.REVIEW


def test_requests_before_the_agent_starts_are_answered_when_it_does(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    assert not answers(tmp_path)
    with app(tmp_path) as (courier, loop, link):
        kept: list[Answer] = []
        link.ask(SignOn(os.urandom(16), "w.chen"), kept.append)
        with running(config):
            loop.until(lambda: bool(kept) and courier.connected)
            assert answers(tmp_path)
            assert isinstance(kept[0], Kept)
            courier.refresh()
            loop.until(lambda: courier.person == "w.chen")


def test_a_request_whose_agent_is_killed_is_asked_again_and_kept_once(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with app(tmp_path) as (courier, loop, link):
        kept: list[Answer] = []
        with running(config) as agent:
            loop.until(lambda: courier.connected)
            for n in range(20):
                link.ask(RecordScan(os.urandom(16), b"box %d" % n, Step.LOADED), kept.append)
            loop.until(lambda: bool(kept))
            agent.kill()
        with running(config):
            loop.until(lambda: len(kept) == 20)
            loop.until(lambda: courier.connected)
            courier._keeper.refresh()
            loop.until(lambda: len(courier.day.loaded) == 20)
            scans = [event.parcel for event in events(link, loop) if isinstance(event, Scan)]
    assert all(isinstance(answer, Kept) for answer in kept)
    assert sorted(scans) == sorted(courier.day.loaded)


@pytest.mark.parametrize("point", ["committed", "sending"])
def test_an_app_killed_while_the_agent_keeps_a_proof_finds_it_kept_once(tmp_path: Path, point: str) -> None:
    config = write_config(tmp_path)
    with running(config) as agent:
        with app(tmp_path) as (courier, loop, link):
            loop.until(lambda: courier.status is not None)
            to_review(courier, loop)
            # What a person sees as done is answered.
            settle(link, loop)
            courier.keep()
            if point == "committed":
                # The answers are in the queue of a thread that is never run again.
                time.sleep(0.3)
        with app(tmp_path) as (courier, loop, link):
            loop.until(lambda: courier.status is not None)
            settle(link, loop)
            if courier.drafts:
                # Killed before the last step was with the agent: it is there to be finished.
                assert point == "sending"
                (draft,) = courier.drafts.values()
                assert draft.step is DraftStep.REVIEW
                courier.begin_proof(draft.stop, hands_over=True)
                courier.keep()
            loop.until(lambda: len(proofs(link, loop)) == 1 and not courier.drafts)
            (proof,) = proofs(link, loop)
        assert agent.process.poll() is None

    assert (proof.outcome, proof.recipient, len(proof.photos)) == (Outcome.DELIVERED, "Li Na", 1)


def test_an_agent_killed_in_the_middle_of_a_proof_loses_no_step(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with app(tmp_path) as (courier, loop, link):
        with running(config) as agent:
            loop.until(lambda: courier.status is not None)
            to_review(courier, loop)
            agent.kill()
            courier.keep()
        with running(config):
            loop.until(lambda: courier.kept is not None)
            assert len(proofs(link, loop)) == 1
            assert (
                list((tmp_path / "incoming").iterdir()) == []
                or loop.until(lambda: not any(p.suffix == ".jpg" for p in (tmp_path / "incoming").iterdir())) is None
            )


def test_a_request_that_no_frame_holds_is_refused_and_the_next_one_goes_through(tmp_path: Path) -> None:
    with running(write_config(tmp_path)), app(tmp_path) as (_courier, loop, link):
        told: list[Answer] = []
        link.ask(DraftPut("big", bytes(2 * 1024 * 1024)), told.append)
        link.ask(GetStatus(), told.append)
        loop.until(lambda: len(told) == 2)

    assert isinstance(told[0], Refused)
    assert not isinstance(told[1], Refused)


def test_a_photo_that_no_blob_holds_goes_back_to_the_review_and_is_kept_without_it(tmp_path: Path) -> None:
    with running(write_config(tmp_path)), app(tmp_path) as (courier, loop, link):
        loop.until(lambda: courier.status is not None)
        to_review(courier, loop)
        assert courier.draft is not None
        (name,) = courier.draft.photos
        with (tmp_path / "incoming" / name).open("r+b") as file:
            file.truncate(100 * 1024 * 1024)
        courier.keep()
        loop.until(lambda: courier.draft is not None and courier.draft.step is DraftStep.REVIEW)
        assert courier.said.values["why"]

        courier.change(lambda d: proof_draft.drop_photo(d, name))
        courier.keep()
        loop.until(lambda: courier.kept is not None)
        assert len(proofs(link, loop)) == 1
