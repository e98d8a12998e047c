"""Sign-on: who has the device from now on."""

from typing import ClassVar

from kivy.uix.widget import Widget

from mobile_ui.core.courier import Topic
from mobile_ui.core.say import say
from mobile_ui.screens.look_choices import look_choices
from mobile_ui.screens.page import Page
from mobile_ui.widgets.basics import HUGE, Box, Field, Tap, Text


class SignOnPage(Page):
    """Shown while nobody is signed on, and to hand a shift over."""

    topics: ClassVar = frozenset({Topic.SETTINGS, Topic.LINK, Topic.PERSON})
    needs_person: ClassVar = False

    def draw(self) -> Widget:
        """Name, go on, and how the screen looks."""
        look, courier = self.look, self.courier
        self.typed = getattr(self, "typed", "")
        before = courier.person
        question = say("Who takes over from {name}?", name=before) if before else say("Who drives today?")
        device = "" if courier.status is None else courier.status.device
        body = [
            Text(look, "Holdfast", size=HUGE),
            Text(look, say("Device {device}", device=device or "..."), colour=look.palette.quiet),
            Text(look, question, size=22),
            Field(look, say("Your name or number"), self._type, text=self.typed),
            Tap(look, say("Sign on"), self._sign_on, primary=True),
            Text(look, say("Or scan your card."), colour=look.palette.quiet),
        ]
        if before:
            body.append(Tap(look, say("Stay as {name}", name=before), lambda: self.shell.go("today")))
        body.append(Box(*look_choices(self.shell), gap=12))
        return self.page(say("Sign on"), *body)

    def _type(self, text: str) -> None:
        self.typed = text

    def _sign_on(self) -> None:
        if self.typed.strip():
            self.courier.sign_on(self.typed)
            self.typed = ""
            self.shell.go("today")
