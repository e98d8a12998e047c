"""The window with hands on it: real layout, touch and keys of kivy, without a screen and with a fake agent."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contract.event import Outcome, Step
from contract.limits import MAX_NOTE_CHARS, MAX_TEXT_CHARS
from contract.local import DocumentHappened
from contract.route import ROUTE_DOCUMENT, Route
from contract.signature import Signature, decode_signature, encode_signature
from mobile_ui.core.proof_draft import DraftStep
from mobile_ui.core.say import say
from mobile_ui.core.scan_check import Tone
from mobile_ui.core.shown import clock
from mobile_ui.look import PRIMARY_DP
from tests.mobile_ui.kit import NOON_MS, parcel, route
from tests.mobile_ui.stage import Stage, on_stage, prepare

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    prepare(mock=True)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with on_stage(route(), tmp_path) as stage:
        stage.app.courier.sign_on("w.chen")
        stage.frames(8)
        yield stage


def test_nobody_gets_in_without_a_name(tmp_path: Path) -> None:
    with on_stage(route(), tmp_path) as stage:
        assert stage.app.shown == "sign-on"
        stage.tap("Sign on")
        assert stage.app.shown == "sign-on"
        stage.type("w.chen")
        stage.tap("Sign on")

        assert (stage.agent.actor, stage.app.shown) == ("w.chen", "today")


def test_a_card_signs_on(tmp_path: Path) -> None:
    with on_stage(route(), tmp_path) as stage:
        stage.key_in("HF:ACTOR:a.nowak")

        assert stage.agent.actor == "a.nowak"


def test_who_types_goes_on_typing_when_the_screen_is_drawn_anew(tmp_path: Path) -> None:
    from mobile_ui.core.courier import Topic
    from mobile_ui.widgets.basics import Field

    with on_stage(route(), tmp_path) as stage:
        (field,) = stage.widgets(Field)
        stage.touch(field)
        stage.type("w.ch")
        stage.app._changed(Topic.LINK)
        stage.frames()
        (again,) = stage.widgets(Field)

        assert again is not field
        assert (again.focus, again.text, field.focus) == (True, "w.ch", False)


def test_no_more_is_typed_than_a_fact_holds(tmp_path: Path) -> None:
    from mobile_ui.widgets.basics import Field

    with on_stage(route(), tmp_path) as stage:
        (name,) = stage.widgets(Field)
        name.insert_text("x" * (MAX_TEXT_CHARS - 1))
        name.insert_text("yz")
        stage.tap("Sign on")
        stage.app.courier.begin_proof(route().stops[1], hands_over=False)
        stage.app.go("proof")
        stage.frames()
        (notes,) = stage.widgets(Field)
        notes.insert_text("x" * 2 * MAX_NOTE_CHARS)

        assert stage.agent.actor == "x" * (MAX_TEXT_CHARS - 1) + "y"
        assert len(notes.text) == MAX_NOTE_CHARS


def test_a_clock_that_is_set_while_somebody_signs_leaves_a_signature_that_can_be_read(stage: Stage) -> None:
    from kivy.tests.common import UnitTestTouch

    from mobile_ui.widgets.signature_pad import SignaturePad

    signed: list[Signature] = []
    times = iter((5_000, 5_000, 5_000, NOON_MS, NOON_MS, 0, 0))
    pad = SignaturePad(stage.app.look, signed.append, now_ms=lambda: next(times))
    for _ in range(3):
        touch = UnitTestTouch(pad.center_x, pad.center_y)
        pad.on_touch_down(touch)
        touch.grab_current = pad
        pad.on_touch_up(touch)

    assert [decode_signature(encode_signature(one)) for one in signed] == signed
    assert len(signed) == 3


def test_a_day_is_shown_without_a_route(tmp_path: Path) -> None:
    with on_stage(None, tmp_path) as stage:
        stage.app.courier.sign_on("w.chen")
        stage.frames(8)

        assert stage.says("No route has come yet.")


def test_what_was_kept_stays_to_be_seen_when_the_whole_route_is_withdrawn(stage: Stage) -> None:
    stage.app.open_stop("s2")
    stage.frames()
    for text in ("Cannot deliver", "Nobody there", "Next", "Next", "KEEP"):
        stage.tap(text)
    stage.agent.documents[ROUTE_DOCUMENT] = (2, b"")
    stage.agent.happened(DocumentHappened(ROUTE_DOCUMENT, 2))
    stage.frames(8)

    name = route().stops[1].name
    assert all(map(stage.says, ("There is no route now.", name, "◆ not delivered · not on the route any more")))
    stage.app.open_stop("s2")
    stage.frames()
    assert all(map(stage.says, ("This stop is no longer on the route.", name, "Not delivered, w.chen")))


def test_tabs_lead_everywhere(stage: Stage) -> None:
    for tab, words in {
        "Load": "Missing",
        "Van": "5.4 °C",
        "Sync": "Signed on: w.chen",
        "Stops": "Route 7 North",
    }.items():
        stage.tap(tab)
        assert stage.says(words), stage.texts()


def test_the_map_opens_the_stop_that_is_touched(stage: Stage) -> None:
    from kivy.tests.common import UnitTestTouch

    from mobile_ui.widgets.route_map import RouteMap

    stage.tap("Map")
    (drawn,) = stage.widgets(RouteMap)
    point = next(p for p in drawn._points if p.number == 5)
    touch = UnitTestTouch(*drawn.to_window(*drawn._place(point)))
    touch.touch_down()
    touch.touch_up()
    stage.frames()

    assert stage.says("Stop 5 of 12")


def test_loading_by_a_typing_scanner_keeps_and_sounds(stage: Stage) -> None:
    stage.tap("Load")
    stage.key_in(parcel(2, 0))
    stage.agent.vehicles["BOX31"] = "van 31"
    stage.key_in("BOX31")

    assert stage.agent.step is Step.LOADED
    assert stage.tones == [Tone.KEPT, Tone.REFUSED]
    assert stage.says("Wrong van: it is for van 31")


def test_a_wrong_scan_is_taken_back_with_a_reason(stage: Stage) -> None:
    stage.tap("Load")
    stage.key_in(parcel(2, 0))
    stage.tap("Take back")
    stage.tap("Scanned by mistake")

    assert stage.says("← taken back: Scanned by mistake")


def test_the_cold_is_dated_on_every_screen_while_the_agent_does_not_answer(stage: Stage) -> None:
    as_of, courier = f"as of {clock(stage.app.now_ms())}: the recorder does not answer", stage.app.courier
    stage.app.open_stop("s1")
    stage.frames()
    stage.tap("HAND OVER")
    for k in (0, 1):
        stage.key_in(parcel(1, k))
    stage.tap("Next")
    for screen in ("proof", "stop", "van"):
        stage.app.go(screen)
        stage.frames()
        assert (screen, stage.says(as_of)) == (screen, False)
        courier.link_changed(False)
        stage.frames()
        assert (screen, stage.says(as_of)) == (screen, True)
        assert screen != "van" or stage.says(f"measured at {clock(NOON_MS)}")
        courier.link_changed(True)
        stage.frames()
    assert not stage.says(as_of)


# -- proofs --------------------------------------------------------------------------------------------------------------


def test_a_whole_hand_over_by_hand(stage: Stage) -> None:
    stage.app.open_stop("s1")
    stage.frames()
    stage.tap("HAND OVER")
    stage.tap("Next")
    assert stage.says("Scan at least one parcel")
    stage.key_in(parcel(4, 0))
    assert stage.tones[-1] is Tone.REFUSED
    for k in (0, 1):
        stage.key_in(parcel(1, k))
    stage.tap("Next")
    stage.tap("I showed the recipient the temperature")
    stage.tap("Next")
    stage.tap("Next")
    stage.type("Wang Xiaoming")
    stage.tap("Neighbour")
    stage.tap("Next")
    stage.tap("Next")
    assert stage.says("A signature is required here")
    stage.draw([(0.1, 0.3), (0.4, 0.8), (0.7, 0.3)], [(0.8, 0.5), (0.9, 0.6)])
    stage.tap("Next")
    stage.tap("Take a photo")
    stage.tap("Next")
    assert stage.says("Wang Xiaoming, Neighbour")
    stage.tap("KEEP")

    (proof,) = stage.agent.proofs()
    assert (proof.outcome, proof.delivered) == (Outcome.DELIVERED, (parcel(1, 0), parcel(1, 1)))
    assert (proof.recipient, proof.relation, proof.cold_verdict) == ("Wang Xiaoming", "neighbour", "inside")
    assert stage.app.shown == "today"
    assert stage.says("Kept: Gärtnerei")


def test_cannot_deliver_takes_a_reason_and_keeps(stage: Stage) -> None:
    stage.app.open_stop("s2")
    stage.frames()
    stage.tap("Cannot deliver")
    stage.tap("Next")
    assert stage.says("Choose a reason")
    for text in ("Nobody there", "Next", "Next", "KEEP"):
        stage.tap(text)

    assert [(p.outcome, p.reason) for p in stage.agent.proofs()] == [(Outcome.ATTEMPTED, "nobody_home")]


def test_going_back_keeps_everything_that_was_said(stage: Stage) -> None:
    stage.app.open_stop("s2")
    stage.frames()
    stage.tap("HAND OVER")
    stage.key_in(parcel(2, 0))
    for _ in range(2):
        stage.tap("Next")
    for _ in range(3):
        stage.tap("← Back")
    assert stage.says("Stop 2 of 12")
    stage.tap("Go on with the proof")

    assert stage.app.courier.draft.parcels == {parcel(2, 0)}


def test_a_change_of_the_route_is_told_until_it_was_seen(stage: Stage) -> None:
    take_off(stage, route(), "s12")
    stage.tap("! The route was changed, stops: 1.")

    assert not stage.says("! The route was changed")


def test_a_stop_that_was_proved_and_taken_off_tells_what_was_proved(stage: Stage) -> None:
    plan = route()
    stage.app.open_stop("s2")
    stage.frames()
    for text in ("Cannot deliver", "Nobody there", "Next", "Next", "KEEP"):
        stage.tap(text)
    take_off(stage, plan, "s2")
    stage.tap("! The route was changed, stops: 1.")
    scroll_to_the_last(stage)
    assert stage.says("◆ not delivered · not on the route any more")
    stage.app.open_stop("s2")
    stage.frames()

    name = plan.stops[1].name
    assert all(map(stage.says, ("This stop is no longer on the route.", name, "Not delivered, w.chen", parcel(2, 0))))


def test_a_proof_that_was_begun_at_a_stop_that_is_taken_off_can_be_finished(stage: Stage) -> None:
    stage.app.open_stop("s2")
    stage.frames()
    stage.tap("Cannot deliver")
    stage.tap("← Back")
    stage.tap("← Back")
    take_off(stage, route(), "s2")
    stage.tap("◆ Begun and not finished")
    assert stage.says(route().stops[1].address)
    for text in ("Go on with the proof", "Nobody there", "Next", "Next", "KEEP"):
        stage.tap(text)

    assert [(p.stop, p.reason) for p in stage.agent.proofs()] == [("s2", "nobody_home")]


def take_off(stage: Stage, plan: Route, stop: str) -> None:
    """The hub sends the route without it."""
    stage.agent.send_route(msgspec.structs.replace(plan, stops=tuple(s for s in plan.stops if s.stop != stop)))
    stage.agent.happened(DocumentHappened("route", 2))
    stage.frames(8)


def scroll_to_the_last(stage: Stage) -> None:
    from mobile_ui.widgets.stop_rows import StopList

    (stops,) = stage.widgets(StopList)
    stops.scroll_y = 0.0
    stage.frames(4)


def test_signing_off_leads_back_to_the_sign_on(stage: Stage) -> None:
    stage.tap("Sync")
    stage.tap("Sign off")

    assert (stage.agent.actor, stage.app.shown) == ("", "sign-on")


def test_a_shift_is_handed_over(stage: Stage) -> None:
    stage.tap("Sync")
    stage.tap("Hand the shift over")
    assert stage.says("Who takes over from w.chen?")
    stage.type("a.nowak")
    stage.tap("Sign on")

    assert stage.agent.actor == "a.nowak"


# -- sizes ---------------------------------------------------------------------------------------------------------------


def test_the_button_that_ends_a_step_is_for_gloves(stage: Stage) -> None:
    from kivy.metrics import dp

    stage.app.open_stop("s2")
    stage.frames()

    assert stage.find("HAND OVER").height >= dp(PRIMARY_DP)


def test_200_stops_have_only_the_rows_on_the_screen(tmp_path: Path) -> None:
    from mobile_ui.widgets.stop_rows import StopList, StopRow

    with on_stage(route(200), tmp_path) as stage:
        stage.app.courier.sign_on("w.chen")
        stage.frames(8)
        (stops,) = stage.widgets(StopList)
        for place in (1.0, 0.5, 0.0):
            stops.scroll_y = place
            stage.frames(4)
            assert len(stage.widgets(StopRow)) < 20
        assert stage.says("200")


# -- fingers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", ["Load", "Sync"])
def test_a_tap_arrives_though_everything_is_to_be_drawn_anew_under_it(stage: Stage, tab: str) -> None:
    """The tabs move up by the strip of what is said, too."""
    from mobile_ui.core.courier import Topic

    touch = stage.finger(stage.find(tab))
    touch.touch_down()
    for topic in Topic:
        stage.app._changed(topic)
    stage.app.courier.tell(say("Already scanned"), Tone.KEPT)
    stage.frames()
    assert not stage.says("Already scanned")
    touch.touch_up()
    stage.frames()

    assert (stage.app.shown, stage.says("Already scanned")) == (tab.lower(), True)


def test_a_tap_arrives_at_what_scrolls_though_it_is_to_be_drawn_anew(stage: Stage) -> None:
    from mobile_ui.core.courier import Topic

    stage.tap("Load")
    stage.key_in(parcel(2, 0))
    touch = stage.finger(stage.find("Take back"))
    touch.touch_down()
    stage.app._changed(Topic.DAY)
    stage.frames()
    touch.touch_up()
    stage.frames()

    assert stage.says(f"Why take {parcel(2, 0)} back?")


def test_a_finger_that_rests_on_the_glass_does_not_keep_the_screen_as_it_is(stage: Stage) -> None:
    touch = stage.finger(stage.find("Load"))
    touch.touch_down()
    stage.app.courier.tell(say("Already scanned"), Tone.KEPT)
    stage.wait(2.0)

    assert stage.says("Already scanned")
    touch.touch_up()


def test_what_was_said_stays_until_a_finger_has_gone_and_moves_nothing_under_it(stage: Stage) -> None:
    stage.app.open_stop("s2")
    stage.frames()
    stage.app.courier.tell(say("Already scanned"), Tone.KEPT)
    stage.wait(30.0)
    assert stage.says("Already scanned")
    touch = stage.finger(stage.find("HAND OVER"))
    touch.touch_down()
    stage.frames()
    assert stage.says("Already scanned")
    touch.touch_up()
    stage.frames()

    assert (stage.app.shown, stage.says("Already scanned")) == ("proof", False)


def test_what_a_tap_itself_says_stays(stage: Stage) -> None:
    stage.app.open_stop("s2")
    stage.frames()
    for text in ("Cannot deliver", "Next"):
        stage.tap(text)

    assert stage.says("Choose a reason")


def test_a_scan_under_a_finger_sounds_at_once(stage: Stage) -> None:
    stage.tap("Load")
    touch = stage.finger(stage.find("Sync"))
    touch.touch_down()
    stage.key_in(parcel(2, 0))

    assert stage.tones == [Tone.KEPT]
    touch.touch_up()


@pytest.mark.parametrize("pause_s", [0.0, 0.1])
def test_the_second_tap_of_a_double_one_does_nothing(stage: Stage, pause_s: float) -> None:
    """Neither the same again, nor what the first has put at its place: here the way from the photos past the review."""
    from mobile_ui.widgets.press import DOUBLE_DP

    stage.app.open_stop("s2")
    stage.frames()
    for text in ("Cannot deliver", "Nobody there", "Next"):
        stage.tap(text)
    way_on = stage.find("Next")
    tap_twice(stage, way_on, pause_s)
    assert stage.app.courier.draft.step is DraftStep.REVIEW
    keep = stage.find("KEEP")
    assert keep.center == pytest.approx(way_on.center, abs=DOUBLE_DP)
    tap_twice(stage, keep, pause_s)

    assert (len(stage.agent.proofs()), stage.app.shown) == (1, "today")


def tap_twice(stage: Stage, widget: Any, pause_s: float) -> None:
    from kivy.tests.common import UnitTestTouch

    place = widget.to_window(*widget.center)
    for _ in range(2):
        touch = UnitTestTouch(*place)
        touch.touch_down()
        touch.touch_up()
        stage.wait(pause_s)
    stage.wait(0.3)
