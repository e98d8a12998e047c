"""The app without its window, against an agent of dictionaries: what is recorded, what is drawn, what survives a kill."""

from pathlib import Path

import msgspec
import pytest

from contract.event import Alarm, Correction, Outcome, Phase, Step, Verdict
from contract.local import (
    AlarmHappened,
    ColdHappened,
    DraftPut,
    ReadingsHappened,
    RecordProof,
    RecordScan,
    Signal,
    SignOn,
)
from contract.route import StopChange
from contract.signature import decode_signature
from mobile_ui.core import proof_draft
from mobile_ui.core.courier import Courier
from mobile_ui.core.day import StopState
from mobile_ui.core.files import write_once
from mobile_ui.core.proof_draft import DraftStep
from mobile_ui.core.say import say
from mobile_ui.core.scan_check import Tone
from mobile_ui.core.settings import Settings, Theme
from mobile_ui.core.shown import clock
from tests.mobile_ui.desk import DRAWN, Desk
from tests.mobile_ui.kit import COLD, NOON_MS, READING, WARM, FakeAgent, parcel, route


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, FakeAgent(route()))


def test_the_day_is_there_after_the_first_contact(desk: Desk) -> None:
    assert len(desk.courier.day.stops) == 12
    assert desk.courier.changes == {}
    assert desk.courier.sync.connected


def test_a_shift_is_handed_over_without_signing_off(desk: Desk) -> None:
    desk.courier.sign_on(" w.chen ")
    desk.courier.sign_on("a.nowak")

    assert desk.courier.person == "a.nowak"
    assert [r.actor for r in desk.agent.asked if isinstance(r, SignOn)] == ["w.chen", "a.nowak"]


def test_loading_switches_the_scanners_and_counts_what_is_missing(desk: Desk) -> None:
    desk.courier.begin_loading()
    assert desk.agent.step is Step.LOADED
    before = len(desk.courier.day.not_loaded)

    desk.courier.scan_typed(parcel(1, 0))

    assert len(desk.courier.day.not_loaded) == before - 1
    assert desk.tones == [Tone.KEPT]


def test_a_parcel_for_another_van_is_refused_by_tone_and_word_and_kept(desk: Desk) -> None:
    desk.agent.vehicles["X1"] = "van 31"
    desk.courier.begin_loading()
    desk.courier.scan_typed("X1")

    assert (desk.tones, desk.courier.said.values) == ([Tone.REFUSED], {"vehicle": "van 31"})
    assert len(desk.agent.facts) == 1


def test_what_the_agent_did_not_keep_is_said_loudly(desk: Desk) -> None:
    desk.scanner("X", signal=Signal.REFUSED)
    assert desk.tones == [Tone.REFUSED]
    desk.agent.refusing = "Not kept: the disk is full."
    desk.courier.scan_typed("X")
    assert desk.courier.said.values == {"why": "Not kept: the disk is full."}


def test_a_wrong_scan_is_taken_back_by_a_correction_that_stays(desk: Desk) -> None:
    desk.courier.begin_loading()
    desk.courier.scan_typed(parcel(1, 0))
    desk.courier.take_back(desk.courier.day.scans[0].fact_id, "wrong parcel")

    assert isinstance(desk.agent.facts[-1].event, Correction)
    assert desk.courier.day.scans[0].taken_back == "wrong parcel"


def test_the_agents_scanner_fills_the_open_draft_and_only_with_what_is_right(desk: Desk) -> None:
    desk.begin()
    assert desk.agent.step is Step.OUT_FOR_DELIVERY
    desk.scanner(parcel(4, 0))
    desk.scanner("X", verdict=Verdict.WRONG_ROUTE, vehicle="van 31")
    desk.scanner(parcel(2, 0))
    desk.scanner(parcel(2, 0))

    assert desk.courier.draft is not None
    assert desk.courier.draft.parcels == {parcel(2, 0)}
    assert desk.tones == [Tone.REFUSED, Tone.REFUSED, Tone.KEPT, Tone.KEPT]


def test_a_scan_taken_out_of_a_draft_is_corrected_where_it_was_kept(desk: Desk) -> None:
    desk.begin()
    desk.courier.scan_typed(parcel(2, 0))
    desk.courier.take_out(parcel(2, 0), "wrong parcel")

    assert desk.courier.draft is not None
    assert desk.courier.draft.scanned == ()
    assert isinstance(desk.agent.facts[-1].event, Correction)


def test_a_proof_is_kept_once_with_its_signature_as_strokes(desk: Desk) -> None:
    desk.to_review()
    desk.courier.keep()

    (proof,) = desk.agent.proofs()
    assert (proof.stop, proof.outcome, proof.delivered, proof.recipient) == (
        "s2",
        Outcome.DELIVERED,
        (parcel(2, 0),),
        "Li Na",
    )
    found = desk.courier.day.find("s2")
    assert found is not None
    assert found.state is StopState.DELIVERED
    assert desk.courier.drafts == {}
    assert not [name for name in desk.agent.drafts if name.startswith("proof-")]
    assert desk.tones[-1] is Tone.KEPT


def test_the_signature_is_in_incoming_until_the_draft_is_gone(desk: Desk) -> None:
    desk.to_review()
    desk.agent.silent = True
    desk.courier.keep()
    (path,) = desk.folder.glob("*.json")
    assert decode_signature(path.read_bytes()) == DRAWN

    desk.agent.speak()

    assert list(desk.folder.iterdir()) == []


@pytest.mark.parametrize("steps", range(12))
def test_a_kill_after_any_step_loses_no_finished_step(tmp_path: Path, steps: int) -> None:
    desk = Desk(tmp_path, FakeAgent(route()))
    desk.begin()
    acts = [
        lambda c: c.scan_typed(parcel(2, 0)),
        lambda c: c.forward(),
        lambda c: c.forward(),
        lambda c: c.change(lambda d: proof_draft.receive(d, "Li Na", "neighbour")),
        lambda c: c.forward(),
        lambda c: c.change(lambda d: proof_draft.sign(d, DRAWN)),
        lambda c: c.forward(),
        lambda c: c.forward(),
        lambda c: c.keep(),
    ]
    for n, act in enumerate(acts):
        if n == steps:
            before = desk.courier.drafts
            desk.start()
            assert desk.courier.drafts == before
            desk.begin()
        act(desk.courier)

    assert [proof.recipient for proof in desk.agent.proofs()] == ["Li Na"]


def test_a_kill_between_commit_and_answer_makes_no_second_proof(desk: Desk) -> None:
    desk.to_review()
    desk.agent.silent = True
    desk.courier.keep()
    asked = next(request for request, _ in desk.agent.waiting if isinstance(request, RecordProof))
    put = [request for request, _ in desk.agent.waiting if isinstance(request, DraftPut)]
    # The agent did both, and the app was gone before it heard of it.
    for request in (*put, asked):
        desk.agent.answer(request)
    desk.agent.silent, desk.agent.waiting = False, []

    desk.start()

    assert len(desk.agent.proofs()) == 1
    assert [r for r in desk.agent.asked if isinstance(r, RecordProof)][-1] == asked
    assert desk.courier.drafts == {}


def test_a_proof_that_the_agent_refuses_goes_back_to_the_review_and_can_be_kept_later(desk: Desk) -> None:
    desk.to_review()
    desk.agent.silent = True
    desk.courier.keep()
    desk.agent.refusing = "Not kept: the disk is full."
    waiting, desk.agent.waiting, desk.agent.silent = desk.agent.waiting, [], False
    desk.agent.answer(waiting[0][0])
    for request, done in waiting:
        done(desk.agent.answer(request))
    assert desk.courier.draft is not None
    assert desk.courier.draft.step is DraftStep.REVIEW
    assert desk.tones[-1] is Tone.REFUSED

    desk.agent.refusing = ""
    desk.courier.keep()
    assert len(desk.agent.proofs()) == 1


def test_a_step_that_the_agent_cannot_keep_is_not_finished_and_what_was_said_goes_along_later(desk: Desk) -> None:
    def step() -> DraftStep:
        assert desk.courier.draft == desk.courier.shown_draft
        assert desk.courier.draft is not None
        return desk.courier.draft.step

    desk.to_review()
    for _ in range(3):
        desk.courier.change(lambda draft: proof_draft.back(draft) or draft)
    assert step() is DraftStep.RECIPIENT
    desk.agent.refusing = "Not kept: the disk is full."
    desk.courier.change(lambda draft: proof_draft.receive(draft, "Li Na the younger", "neighbour"))
    for _ in range(5):
        desk.courier.forward()
    assert step() is DraftStep.RECIPIENT
    desk.agent.refusing = ""
    desk.courier.forward()
    assert step() is DraftStep.SIGNATURE
    desk.start()
    ((_, draft),) = desk.courier.drafts.items()
    assert (draft.step, draft.recipient) == (DraftStep.SIGNATURE, "Li Na the younger")


def test_the_review_ends_by_keep_alone(desk: Desk) -> None:
    desk.to_review()
    desk.courier.forward()

    assert desk.courier.draft is not None
    assert desk.courier.draft.step is DraftStep.REVIEW


def test_two_stops_begun_are_two_drafts(desk: Desk) -> None:
    desk.begin("s2")
    desk.courier.leave_stop()
    desk.begin("s4", hands_over=False)
    desk.start()

    assert set(desk.courier.drafts) == {"s2", "s4"}


def test_a_changed_route_is_shown_as_a_change_until_it_was_seen_also_over_a_restart(desk: Desk) -> None:
    plan = route()
    stops = (msgspec.structs.replace(plan.stops[0], cancelled=True), *plan.stops[1:])
    desk.agent.send_route(msgspec.structs.replace(plan, stops=stops))
    desk.start()
    assert desk.courier.changes == {"s1": StopChange.CANCELLED}

    desk.courier.look_at_changes()
    assert desk.courier.changes == {}
    desk.start()
    assert desk.courier.changes == {}


def test_the_first_route_of_another_day_is_no_change(desk: Desk) -> None:
    desk.agent.send_route(msgspec.structs.replace(route(3), route="r8"))
    desk.start()

    assert desk.courier.changes == {}
    assert len(desk.courier.day.stops) == 3


def test_the_cold_at_the_hand_over_is_what_the_van_says_at_that_moment(desk: Desk) -> None:
    desk.courier.happened(ReadingsHappened((READING,)))
    desk.courier.happened(ColdHappened((COLD,)))
    desk.to_review()
    desk.courier.happened(ColdHappened((WARM,)))
    desk.courier.keep()

    (proof,) = desk.agent.proofs()
    assert (proof.cold_verdict, proof.cold_budget_s) == ("exceeded", 0)


def test_what_the_van_says_is_dated_while_the_agent_does_not_answer(desk: Desk) -> None:
    as_of = say("as of {time}: the recorder does not answer", time=clock(NOON_MS))
    unknown = Courier(desk.agent, desk.folder, now_ms=lambda: NOON_MS).cold_as_of
    told = [desk.courier.cold_as_of]
    for connected in (False, False, True):
        desk.courier.link_changed(connected)
        told.append(desk.courier.cold_as_of)

    assert (unknown, told) == (say("not known: the recorder has not answered yet"), [None, as_of, as_of, None])


def test_settings_outlive_the_app(desk: Desk) -> None:
    chosen = Settings(language="zh", theme=Theme.SUNLIGHT, font_scale=1.3)
    desk.courier.set(chosen)
    desk.start()

    assert desk.courier.settings == chosen


def test_more_facts_than_a_page_are_all_folded(tmp_path: Path) -> None:
    agent = FakeAgent(route(200))
    desk = Desk(tmp_path, agent)
    desk.courier.begin_loading()
    for n in range(1, 200):
        agent.vehicles.clear()
        desk.courier.scan_typed(parcel(n, 0))
    for n in range(1, 200, 2):
        desk.courier.scan_typed(parcel(n, 1))
    desk.start()

    assert len(desk.courier.day.loaded) == 299


def test_a_file_is_written_whole_and_once(tmp_path: Path) -> None:
    write_once(tmp_path / "a.json", b"first")
    write_once(tmp_path / "a.json", b"second")

    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a.json", b"first")]


def test_an_alarm_is_said_at_once_and_its_end_is_not(desk: Desk) -> None:
    raised = Alarm("a1", Phase.RAISED, "van-12.probe.rear", "warm", NOON_MS, 900)
    desk.courier.happened(AlarmHappened(raised))
    desk.courier.happened(AlarmHappened(msgspec.structs.replace(raised, phase=Phase.ENDED)))

    assert (desk.tones, desk.courier.said.values) == ([Tone.REFUSED], {"limit": "warm"})


def test_a_group_separator_at_an_end_is_part_of_the_code(desk: Desk) -> None:
    desk.courier.scan_typed(" 0109501101020917\x1d \r\n")

    assert [r.code for r in desk.agent.asked if isinstance(r, RecordScan)] == [b"0109501101020917\x1d"]
