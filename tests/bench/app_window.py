"""The courier's app in this process, in a window without a screen, before a real agent: how long a person waits for it."""

# ruff: noqa: PLC0415 kivy is imported when its environment is set, and opens a window

import queue
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.clock import DeviceClock
from agent.inbox import Inbox
from agent.outbox import Outbox
from contract.local import GetStatus
from contract.route import (
    MANIFEST_DOCUMENT,
    ROUTE_DOCUMENT,
    Manifest,
    ManifestEntry,
    Route,
    encode_manifest,
    encode_route,
)
from hub.documents import parts
from mobile_ui.core.scan_check import Tone
from tests.mobile_ui.stage import FRAME_S, Time

PATIENCE_S = 20.0
KEY_S = 0.004
"""Between two keys of a scanner that types."""
RETURN = 13
FRAMES_SETTLE = 6


def give_route(folder: Path, device: str, route: Route) -> None:
    """Put a route, and the manifest of its parcels, into the inbox of a device whose agent does not run."""
    mine = tuple(ManifestEntry(p.parcel, 0) for stop in route.stops for p in stop.parcels)
    manifest = Manifest(route.day, (route.vehicle,), 0, mine)
    outbox = Outbox.open(folder, device, clock=DeviceClock.of_system())
    inbox = Inbox(lambda: outbox.shelf)
    for kind, data in ((ROUTE_DOCUMENT, encode_route(route)), (MANIFEST_DOCUMENT, encode_manifest(manifest))):
        for part in parts(kind, 1, data):
            inbox.take(part)
    outbox.close()


class LiveApp:
    """The app, turned frame by frame at the pace that it has in front of a person.

    Keys come from a thread of their own at any moment of a frame, as they do from a scanner, and are heard where the window
    looks for them.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self.tones: list[tuple[Tone, float]] = []
        """With the moment at which each was played."""
        self._keys: queue.SimpleQueue[int] = queue.SimpleQueue()

    def frame(self) -> None:
        """One, drawn to its end."""
        from kivy.base import EventLoop
        from kivy.core.window import Window

        EventLoop.idle()
        while not self._keys.empty():
            key = self._keys.get()
            Window.dispatch("on_key_down", key, 0, "" if key == RETURN else chr(key), [])
            Window.dispatch("on_key_up", key, 0)

    def until(self, done: Callable[[], bool], what: str) -> None:
        """Go on until it is so."""
        give_up_s = time.monotonic() + PATIENCE_S
        while not done():
            if time.monotonic() > give_up_s:
                raise TimeoutError(f"not within {PATIENCE_S:.0f} s: {what}; said was {self.app.courier.said}")
            self.frame()

    def settle(self) -> None:
        """What was said has been drawn."""
        for _ in range(FRAMES_SETTLE):
            self.frame()

    def until_tone(self, act: Callable[[], float]) -> float:
        """From the moment that `act` returns to the moment at which the next tone was played, in ms."""
        self.settle()
        before = len(self.tones)
        moments: list[float] = []
        thread = threading.Thread(target=lambda: moments.append(act()))
        thread.start()
        self.until(lambda: len(self.tones) > before, "a tone")
        thread.join()
        tone, at_s = self.tones[before]
        if tone is not Tone.KEPT:
            raise AssertionError(f"{self.app.courier.said} with the tone {tone}")
        return 1000 * (at_s - moments[0])

    def scan_by_keys(self, code: str) -> float:
        """A scanner that types; in ms from its last key to the tone."""

        def act() -> float:
            time.sleep(random.random() / 60)
            for character in code:
                self._keys.put(ord(character))
                time.sleep(KEY_S)
            now_s = time.perf_counter()
            self._keys.put(RETURN)
            return now_s

        return self.until_tone(act)

    def scan_by_line(self, code: str, write: Callable[[bytes], object]) -> float:
        """A scanner at the agent's serial line; in ms from its last byte to the tone."""

        def act() -> float:
            time.sleep(random.random() / 60)
            write(code.encode())
            now_s = time.perf_counter()
            write(b"\r")
            return now_s

        return self.until_tone(act)

    def ask(self) -> float:
        """The agent's status, in ms until the app has it: the same way there and back, and nothing is kept."""
        self.settle()
        answers: list[float] = []
        began_s: list[float] = []

        def act() -> None:
            time.sleep(random.random() / 60)
            began_s.append(time.perf_counter())
            self.app.link.ask(GetStatus(), lambda _answer: answers.append(time.perf_counter()))

        thread = threading.Thread(target=act)
        thread.start()
        self.until(lambda: bool(answers), "an answer")
        thread.join()
        return 1000 * (answers[0] - began_s[0])


@contextmanager
def live(folder: Path) -> Iterator[LiveApp]:
    """The app before the agent of a folder, with tones that go to a sound device that is silent."""
    from kivy.base import EventLoop, stopTouchApp
    from kivy.clock import Clock
    from kivy.core.window import Window

    from mobile_ui.camera import TestCard
    from mobile_ui.sound import Speaker
    from mobile_ui.window import CourierApp

    Clock._max_fps = 60
    speaker = Speaker()
    speaker.load()
    (folder / "incoming").mkdir(parents=True, exist_ok=True)

    def play(tone: Tone) -> None:
        speaker.play(tone)
        alive.tones.append((tone, time.perf_counter()))

    app = CourierApp(folder, camera=TestCard(), sound=play, now_ms=lambda: time.time_ns() // 1_000_000)
    alive = LiveApp(app)
    app._run_prepare()
    try:
        alive.until(lambda: app.courier.status is not None, "the agent answers")
        yield alive
    finally:
        app.dispatch("on_stop")
        for child in list(Window.children):
            Window.remove_widget(child)
        for event in Clock.get_events():
            event.cancel()
        EventLoop.status = "closed"
        stopTouchApp()
        speaker.close()


def frames_of_scrolling(frames: int, step: float) -> list[float]:
    """Frame times in ms while a finger pulls what is shown by `step` pixels each frame, up the screen again and again."""
    from kivy.base import EventLoop
    from kivy.core.window import Window
    from kivy.graphics.opengl import glFinish
    from kivy.tests.common import UnitTestTouch

    took: list[float] = []
    touch: Any = None
    for _ in range(frames):
        began_s = time.perf_counter()
        if touch is None:
            touch = UnitTestTouch(Window.width / 2, 0.25 * Window.height)
            touch.touch_down()
        elif touch.y > 0.8 * Window.height:
            touch.touch_up()
            touch = None
        else:
            touch.touch_move(touch.x, touch.y + step)
        Time.now_s += FRAME_S
        EventLoop.idle()
        glFinish()
        took.append(1000 * (time.perf_counter() - began_s))
    if touch is not None:
        touch.touch_up()
    return took
