"""The window under scanners that type: what they read is kept or told, whatever the screen shows."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.event import Scan
from mobile_ui.core.scan_check import Tone
from tests.mobile_ui.kit import parcel, route
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


def codes(stage: Stage) -> list[bytes]:
    """What was scanned, without signing on."""
    scans = (fact.event for fact in stage.agent.facts[1:])
    return [event.code for event in scans if isinstance(event, Scan)]


def test_capitals_of_a_scanner_that_types_are_what_it_read(stage: Stage) -> None:
    from kivy.core.window import Window

    stage.tap("Load")
    for character in "hold":
        Window.dispatch("on_key_down", 304, 225, "İ", ["shift"])
        stage.keys(character, "shift")
        Window.dispatch("on_key_up", 304, 225)
    stage.key_in("")

    assert codes(stage) == [b"HOLD"]


def test_a_code_that_was_held_up_for_less_than_a_pause_is_read(stage: Stage) -> None:
    stage.keys("00340")
    stage.wait(0.7)
    stage.key_in("12345")

    assert codes(stage) == [b"0034012345"]


def test_a_cut_code_is_told_and_no_part_of_it_is_kept(stage: Stage) -> None:
    stage.keys("00340")
    stage.wait(1.5)
    assert stage.says("Only a part of a code came. Scan it again")
    stage.key_in("12345")
    assert (stage.tones, codes(stage)) == ([Tone.REFUSED] * 2, [])
    stage.key_in("0034012345")

    assert codes(stage) == [b"0034012345"]


def test_a_scanner_that_ends_no_code_is_told_what_it_lacks(stage: Stage) -> None:
    for _ in range(2):
        stage.keys("0034012345")
        stage.wait(1.5)

    assert stage.says("Set the scanner up to end each with Enter")


def test_a_code_that_began_before_another_window_had_the_keys_is_told(stage: Stage) -> None:
    from kivy.core.window import Window

    Window._focus = False
    Window._focus = True
    stage.key_in("12345")

    assert (stage.tones, codes(stage)) == ([Tone.REFUSED], [])


def test_a_code_behind_two_taps_is_read_however_soon_after_the_window_came(stage: Stage) -> None:
    from kivy.core.window import Window

    Window._focus = False
    Window._focus = True
    stage.tap("Load")
    stage.tap("Stops")
    stage.key_in("0034012345")

    assert codes(stage) == [b"0034012345"]


def test_a_key_that_is_held_is_one_key(stage: Stage) -> None:
    from kivy.core.window import Window

    stage.keys("0034")
    Window.dispatch("on_key_down", ord("5"), 0, "5", [])
    for _ in range(2):
        stage.wait(0.3)
        Window.dispatch("on_key_down", ord("5"), 0, "5", [])
    Window.dispatch("on_key_up", ord("5"), 0)
    stage.key_in("6")

    assert codes(stage) == [b"003456"]


def test_before_anybody_signed_on_a_scan_is_told(tmp_path: Path) -> None:
    with on_stage(route(), tmp_path) as stage:
        stage.key_in("0034012345")
        assert stage.says("NOT KEPT. Sign on first, then scan it again")
        stage.app.courier.status = None
        stage.key_in("0034012345")
        assert stage.says("NOT KEPT. The recorder does not answer yet: scan it again")

        assert (stage.tones, stage.agent.facts) == ([Tone.REFUSED] * 2, [])


def test_while_the_recorder_is_away_a_scan_is_told_and_kept_when_it_is_back(stage: Stage) -> None:
    stage.agent.silent = True
    stage.agent.connected(False)
    stage.key_in("0034012345")
    assert stage.says("NOT KEPT YET. The recorder does not answer")
    stage.agent.speak()
    stage.frames(8)

    assert (stage.tones, codes(stage)) == ([Tone.UNEXPECTED, Tone.KEPT], [b"0034012345"])


def test_while_a_question_is_asked_scans_are_kept_and_told(stage: Stage) -> None:
    stage.tap("Load")
    stage.key_in(parcel(2, 0))
    stage.tap("Take back")
    stage.key_in(parcel(4, 0))

    assert stage.says(f"Why take {parcel(2, 0)} back?")
    assert stage.tones == [Tone.KEPT] * 2


def test_while_a_screen_is_drawn_anew_between_two_keys_a_code_is_read(stage: Stage) -> None:
    stage.tap("Load")
    for character in "BOX 31":
        stage.keys(character)
        stage.app._pages["load"].redraw()
        stage.frames(1)
    stage.key_in("")

    assert codes(stage) == [b"BOX 31"]


def test_a_scan_behind_the_scans_of_a_proof_is_told_to_be_outside_of_it(stage: Stage) -> None:
    stage.app.open_stop("s1")
    stage.frames()
    stage.tap("HAND OVER")
    stage.key_in(parcel(1, 0))
    stage.tap("Next")
    stage.key_in(parcel(1, 1))

    assert stage.tones == [Tone.KEPT, Tone.UNEXPECTED]
    assert stage.says("Kept, but not in this proof. Go back to its scans for that")
    assert stage.app.courier.draft.parcels == {parcel(1, 0)}


def test_a_code_is_taken_out_of_the_field_that_heard_it_too(stage: Stage) -> None:
    from kivy.core.window import Window
    from kivy.uix.textinput import TextInput

    stage.tap("Load")
    field = stage.widgets(TextInput)[0]
    field.focus = True
    field.text = "ab12"
    field.cursor = (2, 0)
    for character, heard in zip("hold1", "HOLD1", strict=True):
        stage.keys(character, "shift")
        # The lock of capitals turns them round.
        field.insert_text(heard.swapcase())
    Window.dispatch("on_key_down", 9, 0, None, [])
    stage.frames(6)

    assert codes(stage) == [b"HOLD!"]


def test_a_burst_into_a_focused_field_is_taken_out_of_it_again(stage: Stage) -> None:
    from kivy.uix.textinput import TextInput

    stage.tap("Load")
    field = stage.widgets(TextInput)[0]
    field.focus = True
    field.text = parcel(2, 0)
    stage.key_in(parcel(2, 0))

    assert len(stage.agent.facts) == 2
    assert stage.widgets(TextInput)[0].text == ""
