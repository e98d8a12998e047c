"""What goes wrong in the middle of a proof or a day, and what is kept in spite of it."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from contract.event import Booted, Outcome, Proof, Status
from contract.fact import Clock
from contract.local import (
    CorrectScan,
    GetStatus,
    RecordProof,
)
from contract.route import Route
from mobile_ui.core import proof_draft
from mobile_ui.core.day import Day, KeptFact, StopState, fold_day
from mobile_ui.core.proof_draft import DraftStep
from mobile_ui.core.scan_check import Tone
from tests.mobile_ui.desk import Desk
from tests.mobile_ui.kit import FakeAgent, fact, parcel, route, scan_event


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, FakeAgent(route()))


def test_a_signature_that_the_disk_does_not_take_leads_back_to_the_review(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    desk.to_review()
    with monkeypatch.context() as patch:
        patch.setattr("mobile_ui.core.proof_keeper.write_once", full)
        desk.courier.keep()
    assert desk.tones[-1] is Tone.REFUSED
    assert desk.agent.proofs() == []

    desk.courier.keep()

    assert len(desk.agent.proofs()) == 1


def test_pictures_stay_while_the_draft_that_names_them_could_not_be_dropped(desk: Desk) -> None:
    desk.to_review()
    desk.agent.silent = True
    desk.courier.keep()
    (path,) = desk.folder.glob("*.json")
    desk.agent.silent, waiting, desk.agent.waiting = False, desk.agent.waiting, []
    desk.agent.no_drops = "Not done: the disk is read-only."
    for request, done in waiting:
        done(desk.agent.answer(request))

    assert len(desk.agent.proofs()) == 1
    assert path.exists()
    desk.agent.no_drops = ""
    desk.start()
    assert (len(desk.agent.proofs()), path.exists(), desk.courier.drafts) == (1, False, {})


def test_a_draft_that_is_told_after_its_proof_was_kept_does_not_come_back(desk: Desk) -> None:
    desk.to_review()
    desk.agent.silent = True
    desk.courier.link_changed(True)
    desk.courier.keep()
    waiting, desk.agent.waiting = desk.agent.waiting, []
    # The list of drafts and the proof are answered before the app hears of either; then it asks for the draft, and drops it.
    told = [(done, desk.agent.answer(request)) for request, done in waiting]
    for done, answer in told:
        done(answer)
    desk.agent.speak()

    assert desk.courier.drafts == {}
    assert len([r for r in desk.agent.asked if isinstance(r, RecordProof)]) == 1


def test_a_proof_begun_one_way_and_turned_twice_has_lost_nothing(desk: Desk) -> None:
    desk.to_review()
    before = desk.courier.draft
    assert before is not None
    desk.begin(hands_over=False)
    assert desk.courier.draft is not None
    assert (desk.courier.draft.outcome, desk.courier.draft.step) == (Outcome.ATTEMPTED, DraftStep.OUTCOME)
    desk.start()
    desk.begin()

    assert desk.courier.draft == msgspec.structs.replace(before, step=DraftStep.SCAN)


def test_a_hand_over_that_became_an_attempt_states_no_recipient_and_no_signature(desk: Desk) -> None:
    desk.to_review()
    desk.begin(hands_over=False)
    desk.courier.change(lambda d: proof_draft.give_reason(d, "nobody_home"))
    for _ in range(2):
        desk.courier.forward()
    desk.courier.keep()

    (proof,) = desk.agent.proofs()
    assert (proof.outcome, proof.delivered, proof.recipient, proof.reason) == (Outcome.ATTEMPTED, (), "", "nobody_home")
    assert [r.signature for r in desk.agent.asked if isinstance(r, RecordProof)] == [None]


def test_a_kill_in_the_middle_of_taking_a_scan_out_leaves_it_to_be_taken_out_again(desk: Desk) -> None:
    desk.begin()
    desk.courier.scan_typed(parcel(2, 0))
    desk.agent.silent = True
    desk.courier.take_out(parcel(2, 0), "wrong parcel")
    first, _ = desk.agent.waiting[0]

    assert isinstance(first, CorrectScan)


def test_an_agent_that_is_away_for_hours_is_asked_once_how_it_is(desk: Desk) -> None:
    desk.agent.silent = True
    for _ in range(7_200):
        desk.courier.refresh()
    assert len(desk.agent.waiting) == 1

    desk.agent.speak()
    desk.courier.refresh()
    assert desk.agent.waiting == []
    assert isinstance(desk.agent.asked[-1], GetStatus)


def test_what_was_kept_before_the_clock_was_set_is_of_this_day(desk: Desk) -> None:
    done = Proof("s1", Outcome.DELIVERED, (parcel(1, 0), parcel(1, 1)))
    unset = msgspec.structs.replace(fact(done, 1, at_ms=5_000), clock=Clock.FREE)
    right = fact(Proof("s1", Outcome.DELIVERED, (parcel(1, 0), parcel(1, 1))), 2, at_ms=5_000)
    desk.agent.facts = [right]
    desk.start()
    assert [one.is_open for one in desk.courier.day.stops[:1]] == [True]

    desk.agent.facts = [unset]
    desk.start()

    found = desk.courier.day.find("s1")
    assert found is not None
    assert found.state is StopState.DELIVERED


def test_readings_of_a_shift_are_not_folded_again_with_each_scan(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    folded: list[int] = []

    def count(plan: Route | None, facts: Iterable[KeptFact], *more: object) -> Day:
        told = list(facts)
        folded.append(len(told))
        return fold_day(plan, told, *more)  # type: ignore[arg-type] # as it was called

    monkeypatch.setattr("mobile_ui.core.day_keeper.fold_day", count)
    desk.agent.facts = [fact(Status(Booted("1")), n) for n in range(1, 1_000)]
    desk.agent.facts.insert(3, fact(scan_event(parcel(1, 0)), 1_000))
    desk.start()

    assert desk.courier.day.loaded == {parcel(1, 0)}
    assert max(folded) == 1
