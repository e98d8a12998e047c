"""Fingers that are heard of in the very frame in which news came, as on a busy device."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from contract.signature import Stroke
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


@contextmanager
def heard_in_the_next_frame(*inputs: Callable[[], None]) -> Iterator[None]:
    """Kivy asks where touches come from once in each frame, behind its clock."""
    from kivy.base import EventLoop

    class Glass:
        def __init__(self) -> None:
            self.waiting = list(inputs)

        def update(self, dispatch_fn: Any) -> None:
            waiting, self.waiting = self.waiting, []
            for one in waiting:
                one()

    glass = Glass()
    EventLoop.add_input_provider(glass)
    try:
        yield
    finally:
        EventLoop.remove_input_provider(glass)


def news(stage: Stage) -> None:
    """Everything is to be drawn anew, as the agent's thread says it."""
    from mobile_ui.core.courier import Topic

    for topic in Topic:
        stage.app._post(lambda topic=topic: stage.app._changed(topic))


def test_a_whole_tap_in_the_frame_of_news_arrives(stage: Stage) -> None:
    stage.app.open_stop("s2")
    stage.frames()
    touch = stage.finger(stage.find("HAND OVER"))
    news(stage)
    with heard_in_the_next_frame(touch.touch_down, touch.touch_up):
        stage.frames()

    assert stage.app.shown == "proof"


def test_a_finger_that_comes_in_the_frame_of_news_finds_what_it_aimed_at(stage: Stage) -> None:
    stage.tap("Load")
    stage.key_in(parcel(2, 0))
    touch = stage.finger(stage.find("Take back"))
    news(stage)
    with heard_in_the_next_frame(touch.touch_down):
        stage.frames()
    news(stage)
    with heard_in_the_next_frame(touch.touch_up):
        stage.frames()

    assert stage.says(f"Why take {parcel(2, 0)} back?")


def test_news_are_drawn_in_their_own_frame(stage: Stage) -> None:
    from mobile_ui.core.say import say

    stage.app._post(lambda: stage.app.courier.tell(say("Already scanned"), None))
    stage.frames(1)

    assert stage.says("Already scanned")


def test_a_finger_that_rests_is_forgotten_and_the_next_one_is_not(stage: Stage) -> None:
    from mobile_ui.core.say import say

    palm, finger = stage.finger(stage.find("Load")), stage.finger(stage.find("Sync"))
    palm.touch_down()
    stage.wait(2.0)
    finger.touch_down()
    stage.app.courier.tell(say("Already scanned"), None)
    stage.frames()
    assert not stage.says("Already scanned")
    finger.touch_up()
    stage.frames()

    assert (stage.app.shown, stage.says("Already scanned")) == ("sync", True)
    palm.touch_up()


def signing(stage: Stage) -> tuple[Any, Any]:
    """A pen on the pad, and the pad."""
    from kivy.tests.common import UnitTestTouch

    from mobile_ui.widgets.signature_pad import SignaturePad

    stage.app.open_stop("s1")
    stage.frames()
    stage.tap("HAND OVER")
    for k in (0, 1):
        stage.key_in(parcel(1, k))
    stage.tap("Next")
    stage.tap("I showed the recipient the temperature")
    stage.tap("Next")
    stage.tap("Next")
    stage.type("Wang Xiaoming")
    stage.tap("In person")
    stage.tap("Next")
    (pad,) = stage.widgets(SignaturePad)
    pen = UnitTestTouch(*pad.to_window(pad.x + 40, pad.y + 60))
    pen.touch_down()
    return pen, pad


def strokes_of(stage: Stage) -> tuple[Stroke, ...]:
    """What the draft has of the signature."""
    draft = stage.app.courier.draft
    assert draft is not None
    return () if draft.signature is None else draft.signature.strokes


def test_a_signature_that_takes_long_is_whole_although_news_come(stage: Stage) -> None:
    pen, pad = signing(stage)
    for n in range(1, 9):
        pen.touch_move(pen.x + 20, pen.y + (15 if n % 2 else -15))
        news(stage)
        stage.wait(0.5)
    pen.touch_up()
    stage.frames()

    assert [len(stroke) for stroke in strokes_of(stage)] == [9]
    assert pad.get_parent_window() is None, "the news were drawn once the pen was up"


def test_what_a_resting_pen_has_drawn_is_kept_when_the_screen_is_drawn_anew(stage: Stage) -> None:
    pen, pad = signing(stage)
    pen.touch_move(pen.x + 20, pen.y + 15)
    news(stage)
    stage.wait(2.0)
    assert pad.get_parent_window() is None

    assert [len(stroke) for stroke in strokes_of(stage)] == [2]
    (fresh,) = stage.widgets(type(pad))
    assert fresh.signature.strokes == strokes_of(stage), "the next stroke would come in its place"
    pen.touch_up()
