"""The window: screens, the strip of what was said, the bar at the foot. The one place where the core meets kivy."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from kivy.app import App
from kivy.clock import Clock
from kivy.core.window import Window
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.screenmanager import NoTransition, ScreenManager

from mobile_ui.camera import Camera
from mobile_ui.core.agent_link import AgentLink, Link, Post
from mobile_ui.core.courier import Courier, Topic
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.scan_check import Tone
from mobile_ui.core.shown import clock
from mobile_ui.core.sync import SYNCED
from mobile_ui.core.wedge import Kind, Read
from mobile_ui.core.words import Words
from mobile_ui.fingers import Fingers
from mobile_ui.keyboard import Keyboard
from mobile_ui.look import PALETTES, Look, find_font
from mobile_ui.screens.load import LoadPage
from mobile_ui.screens.page import Page
from mobile_ui.screens.proof import ProofPage
from mobile_ui.screens.sign_on import SignOnPage
from mobile_ui.screens.stop import StopPage
from mobile_ui.screens.sync import SyncPage
from mobile_ui.screens.today import TodayPage
from mobile_ui.screens.van import VanPage
from mobile_ui.widgets.basics import LARGE, SMALL, Box, Rule, Tap, Text

REFRESH_S: Final = 5.0
ACTOR_CARD: Final = "HF:ACTOR:"
TABS: Final[dict[str, Sentence]] = {
    "today": say("Stops"),
    "load": say("Load"),
    "van": say("Van"),
    "sync": say("Sync"),
}
UNREAD: Final[dict[Kind, Sentence]] = {
    Kind.PART: say("Only a part of a code came. Scan it again"),
    Kind.ENDLESS: say("Codes come without their end. Set the scanner up to end each with Enter"),
}


class CourierApp(App):  # type: ignore[misc] # kivy ships without types
    """The courier app.

    Args:
        folder: the agent's data folder.
        camera: takes photos.
        sound: plays tones.
        now_ms: the wall clock.
        font: of all texts.
        new_link: makes the conversation with the agent.
    """

    title = "Holdfast"

    def __init__(
        self,
        folder: Path,
        *,
        camera: Camera,
        sound: Callable[[Tone], None],
        now_ms: Callable[[], int],
        font: str | None = None,
        new_link: Callable[[Path, Post], Link] = AgentLink,
    ) -> None:
        super().__init__()
        self.camera = camera
        self.now_ms = now_ms
        self._sound = sound
        self._font = font or find_font()
        self.keyboard = Keyboard(self._typed)
        self._fingers = Fingers(self._touched)
        self.link = new_link(folder, self._post)
        self.courier = Courier(self.link, folder / "incoming", now_ms=now_ms, changed=self._changed, sound=self._play)
        self.link.happened = self.courier.happened
        self.link.connected = self.courier.link_changed
        self.look = self._new_look()
        self._pages: dict[str, Page] = {}
        self._built = False

    def _post(self, call: Callable[[], None]) -> None:
        Clock.schedule_once(lambda _dt: call(), 0)

    def _play(self, tone: Tone) -> None:
        if self.courier.settings.sounds:
            self._sound(tone)

    def _new_look(self) -> Look:
        settings = self.courier.settings
        return Look(PALETTES[settings.theme], Words(settings.language), self._font, settings.font_scale)

    # -- life ------------------------------------------------------------------------------------------------------

    def build(self) -> BoxLayout:
        """The window's content."""
        self._root = BoxLayout(orientation="vertical")
        self._screens = ScreenManager(transition=NoTransition())
        self._said = Box()
        self._foot = Box(gap=0)
        pages: tuple[Page, ...] = (
            SignOnPage(self, "sign-on"),
            TodayPage(self, "today"),
            LoadPage(self, "load"),
            StopPage(self, "stop"),
            ProofPage(self, "proof"),
            VanPage(self, "van"),
            SyncPage(self, "sync"),
        )
        for page in pages:
            self._pages[page.name] = page
            self._screens.add_widget(page)
        # What is said comes and goes above, so that the buttons below stay under the thumb.
        for part in (self._said, self._screens, self._foot):
            self._root.add_widget(part)
        self._built = True
        Window.clearcolor = self.look.palette.ground
        self._draw_foot()
        return self._root

    def on_start(self) -> None:
        """The window is there."""
        self.keyboard.start()
        self._fingers.start()
        self._ticking = Clock.schedule_interval(lambda _dt: self.courier.refresh(), REFRESH_S)
        self.link.start()

    def on_stop(self) -> None:
        """The window goes. What was begun is kept by the agent."""
        self.keyboard.stop()
        self._fingers.stop()
        self._ticking.cancel()
        self.link.stop()

    def on_pause(self) -> bool:
        """Another app is in front; come back as it was."""
        return True

    # -- shell -----------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> str:
        """The name of the screen in front."""
        return str(self._screens.current)

    def go(self, name: str) -> None:
        """Show another screen."""
        if name not in ("proof", "stop"):
            self.courier.leave_stop()
        page = self._pages[name]
        if self._screens.current_screen is page:
            page.redraw()
        self._screens.current = name
        self._draw_foot()

    def open_stop(self, stop: str) -> None:
        """Show a stop."""
        page = self._pages["stop"]
        assert isinstance(page, StopPage)  # noqa: S101 built above
        page.stop = stop
        self.go("stop")

    def _changed(self, topic: Topic) -> None:
        if self._built:
            self._fingers.when_up(topic, partial(self._show, topic))

    def _show(self, topic: Topic) -> None:
        if topic is Topic.SETTINGS:
            self.look = self._new_look()
            Window.clearcolor = self.look.palette.ground
            self._draw_foot()
        if topic is Topic.SAID:
            self._draw_said()
        if topic in (Topic.SYNC, Topic.LINK):
            self._draw_foot()
        current = self._screens.current_screen
        if topic is Topic.PERSON:
            self._mind_person()
        if isinstance(current, Page) and self._screens.current_screen is current:
            current.changed(topic)

    def _mind_person(self) -> None:
        signed_on = bool(self.courier.person)
        if not signed_on and self.shown != "sign-on":
            self.go("sign-on")
        elif signed_on and self.shown == "sign-on":
            self.go("today")

    # -- foot ------------------------------------------------------------------------------------------------------

    def _draw_foot(self) -> None:
        look, palette, sync = self.look, self.look.palette, self.courier.sync
        self._foot.clear_widgets()
        line = look(sync.line)
        if sync.link != SYNCED and sync.last_contact_ms is not None and sync.waiting:
            line = look(say("{line} · contact {time}", line=line, time=clock(sync.last_contact_ms)))
        self._foot.add_widget(Rule(look))
        self._foot.add_widget(Box(Text(look, line, size=SMALL, colour=palette.quiet), pad=6, fill=palette.panel))
        if self.courier.person and self.shown in TABS:
            taps = [Tap(look, text, partial(self.go, name), selected=name == self.shown) for name, text in TABS.items()]
            self._foot.add_widget(Box(*taps, across=True, pad=6, gap=6, fill=palette.panel))

    def _draw_said(self) -> None:
        self._said.clear_widgets()
        said, palette = self.courier.said, self.look.palette
        if not said.key:
            return
        fill, ink, sign = {
            Tone.KEPT: (palette.accent, palette.on_accent, "√"),
            Tone.UNEXPECTED: (palette.attention, palette.on_attention, "◆"),
            Tone.REFUSED: (palette.alarm, palette.on_alarm, "x"),
            None: (palette.panel, palette.text, "·"),
        }[self.courier.tone]
        words = Text(self.look, f"{sign} {self.look(said)}", size=LARGE, colour=ink)
        self._said.add_widget(Box(words, pad=12, fill=fill))

    def _touched(self) -> None:
        """What was said stays until a finger has come and gone: else it would move what one is about to tap."""
        self._fingers.when_up("seen", partial(self._unsay, self.courier.said))

    def _unsay(self, seen: Sentence | None = None) -> None:
        if seen is None or seen is self.courier.said:
            self._said.clear_widgets()

    # -- scanners that type ----------------------------------------------------------------------------------------

    def _typed(self, read: Read) -> None:
        if read.kind is Kind.CODE:
            self.scanned(read.text)
        else:
            self.courier.tell(UNREAD[read.kind], Tone.REFUSED)

    def scanned(self, code: str) -> None:
        """A code from a scanner that types."""
        courier = self.courier
        if not courier.connected:
            # It is kept as soon as the agent is there again; until then nobody knows.
            courier.tell(say("NOT KEPT YET. The recorder does not answer"), Tone.UNEXPECTED)
        if code.startswith(ACTOR_CARD):
            courier.sign_on(code.removeprefix(ACTOR_CARD))
        elif courier.person:
            courier.scan_typed(code)
        elif courier.status is None:
            courier.tell(say("NOT KEPT. The recorder does not answer yet: scan it again"), Tone.REFUSED)
        else:
            courier.tell(say("NOT KEPT. Sign on first, then scan it again"), Tone.REFUSED)
