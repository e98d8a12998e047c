"""The app on a stage: kivy without a screen, a fake agent behind it, and hands that touch. Import it before kivy."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contract.local import ColdHappened, Happening, ReadingsHappened
from contract.route import Route
from mobile_ui.core.scan_check import Tone
from tests.mobile_ui.kit import NOON_MS, READING, FakeAgent

ENVIRONMENT = {
    "KIVY_NO_ARGS": "1",
    "KIVY_NO_CONFIG": "1",
    "KIVY_NO_FILELOG": "1",
    "KIVY_NO_CONSOLELOG": "1",
    "KIVY_LOG_MODE": "PYTHON",
    "KIVY_CLIPBOARD": "sdl2",
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "SDL_AUDIODRIVER": "dummy",
    "SDL_VIDEODRIVER": "offscreen",
}


def prepare(*, mock: bool, width: int = 480, height: int = 800, density: float = 1.0) -> None:
    """Set what kivy reads at import."""
    home = Path(tempfile.gettempdir()) / f"holdfast-kivy-{os.getuid()}"
    home.mkdir(exist_ok=True)
    os.environ.update(ENVIRONMENT, KIVY_HOME=str(home), KIVY_METRICS_DENSITY=str(density))
    # Also undone, because a process that was started by tests of the other kind inherits it.
    os.environ.pop("KIVY_GL_BACKEND", None)
    if mock:
        os.environ["KIVY_GL_BACKEND"] = "mock"
    from kivy.config import Config

    for key, value in {"width": width, "height": height, "multisamples": 0}.items():
        Config.set("graphics", key, str(value))


FRAME_S = 1 / 60


class Time:
    """What kivy's clock shows: it goes on by frames, and never back while the process lives."""

    now_s = 1_000.0


class FakeLink(FakeAgent):
    """A fake agent that answers on the next frame, as the real one does."""

    def __init__(self, plan: Route | None, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__(plan)
        self.post = post
        self.happened: Callable[[Happening], None] = lambda _h: None
        self.connected: Callable[[bool], None] = lambda _is: None

    def start(self) -> None:
        self.connected(True)
        self.happened(ReadingsHappened((READING,)))
        self.happened(ColdHappened(self.cold))

    def stop(self) -> None:
        pass

    def ask(self, request: Any, done: Any = lambda _answer: None) -> None:
        super().ask(request, lambda answer: self.post(lambda: done(answer)))


class Stage:
    """The running app."""

    def __init__(self, app: Any, agent: FakeLink, tones: list[Tone]) -> None:
        self.app = app
        self.agent = agent
        self.tones = tones

    def frames(self, n: int = 4, each_s: float = FRAME_S) -> None:
        from kivy.base import EventLoop

        for _ in range(n):
            Time.now_s += each_s
            EventLoop.idle()

    def wait(self, seconds: float) -> None:
        """Time passes, and the window draws."""
        self.frames(10, seconds / 10)

    def widgets(self, kind: type | None = None) -> list[Any]:
        from kivy.core.window import Window

        found = [w for top in Window.children for w in top.walk()]
        shown = [w for w in found if w.get_parent_window() is not None]
        return shown if kind is None else [w for w in shown if isinstance(w, kind)]

    def texts(self) -> list[str]:
        from kivy.uix.label import Label

        return [w.text for w in self.widgets(Label)]

    def says(self, part: str) -> bool:
        return any(part in text for text in self.texts())

    def find(self, text: str) -> Any:
        from mobile_ui.widgets.basics import Tap

        found = [w for w in self.widgets(Tap) if w.text == text] or [w for w in self.widgets(Tap) if text in w.text]
        assert found, f"no button {text!r} among {[w.text for w in self.widgets(Tap)]}"
        return found[0]

    def finger(self, widget: Any) -> Any:
        """Above the middle of something, which is scrolled to."""
        from kivy.tests.common import UnitTestTouch

        from mobile_ui.widgets.basics import Scroll

        parent = widget.parent
        while parent is not None and not isinstance(parent, Scroll):
            parent = getattr(parent, "parent", None) if parent is not getattr(parent, "parent", None) else None
        if parent is not None:
            parent.scroll_to(widget, animate=False)
            self.frames(2)
        return UnitTestTouch(*widget.to_window(*widget.center))

    def touch(self, widget: Any) -> None:
        touch = self.finger(widget)
        touch.touch_down()
        touch.touch_up()
        # A person looks before the next one.
        self.wait(0.3)

    def tap(self, text: str) -> None:
        self.touch(self.find(text))

    def type(self, text: str) -> None:
        """Into the only field, or the first one."""
        from kivy.uix.textinput import TextInput

        self.widgets(TextInput)[0].text = text
        self.frames(2)

    def key_in(self, code: str) -> None:
        """As a keyboard-wedge scanner does."""
        from kivy.core.window import Window

        self.keys(code)
        Window.dispatch("on_key_down", 13, 0, None, [])
        Window.dispatch("on_key_up", 13, 0)
        self.frames(6)

    def keys(self, text: str, *held: str) -> None:
        """Press keys, perhaps while others are held."""
        from kivy.core.window import Window

        for character in text:
            Window.dispatch("on_key_down", ord(character), 0, character, list(held))
            Window.dispatch("on_key_up", ord(character), 0)

    def draw(self, *strokes: list[tuple[float, float]]) -> None:
        """On the pad, in parts of its size."""
        from kivy.tests.common import UnitTestTouch

        from mobile_ui.widgets.signature_pad import SignaturePad

        (pad,) = self.widgets(SignaturePad)
        for stroke in strokes:
            places = [pad.to_window(pad.x + x * pad.width, pad.y + y * pad.height) for x, y in stroke]
            touch = UnitTestTouch(*places[0])
            touch.touch_down()
            for place in places[1:]:
                touch.touch_move(*place)
            touch.touch_up()
        self.frames(4)


@contextmanager
def on_stage(
    plan: Route | None, folder: Path, *, camera: Any = None, agent: Callable[[FakeLink], None] = lambda _a: None
) -> Iterator[Stage]:
    """The app, from its first frame to its end. One window for the process."""
    from kivy.base import EventLoop, stopTouchApp
    from kivy.clock import Clock
    from kivy.core.window import Window
    from kivy.uix.recycleview import views

    from mobile_ui.camera import TestCard
    from mobile_ui.core.wedge import Wedge
    from mobile_ui.window import CourierApp

    Clock._max_fps = 0
    # Ahead of all that the window has begun already.
    Time.now_s = max(Time.now_s, Clock.get_time())
    Clock.time = lambda: Time.now_s
    # Rows of a list wait here for the next one, measured in pixels of another density.
    views._cached_views.clear()
    links: list[FakeLink] = []
    tones: list[Tone] = []
    (folder / "incoming").mkdir(parents=True, exist_ok=True)

    def new_link(_folder: Path, post: Any) -> FakeLink:
        link = FakeLink(plan, post)
        agent(link)
        links.append(link)
        return link

    app = CourierApp(
        folder, camera=camera or TestCard(), sound=tones.append, now_ms=lambda: NOON_MS + 60_000, new_link=new_link
    )
    app._run_prepare()
    stage = Stage(app, links[0], tones)
    try:
        stage.frames(12)
        # Nobody scans in the first moment.
        app.keyboard.wedge = Wedge()
        yield stage
    finally:
        app.dispatch("on_stop")
        for child in list(Window.children):
            Window.remove_widget(child)
        for event in Clock.get_events():
            event.cancel()
        EventLoop.status = "closed"
        stopTouchApp()
