"""Sync: what is kept here, what is on its way, what the hub has; and whose shift it is."""

from typing import ClassVar

from kivy.uix.widget import Widget

from mobile_ui.core.courier import Topic
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.shown import ago, clock, duration, megabytes
from mobile_ui.screens.look_choices import look_choices
from mobile_ui.screens.page import Page
from mobile_ui.widgets.basics import HUGE, LARGE, SMALL, Box, Rule, Tap, Text

LINKS: dict[str, Sentence] = {
    "synced": say("In contact with the hub"),
    "greeting": say("Greeting the hub"),
    "offline": say("No network. Everything is kept; nothing waits for it."),
    "none": say("No hub is configured"),
}
STORAGE: dict[str, Sentence] = {
    "ok": say("Room enough"),
    "releasing": say("Letting go what the hub holds safely"),
    "thinning": say("Little room: temperatures are thinned"),
    "stopped": say("Little room: temperatures are no longer kept"),
    "refusing": say("FULL: nothing more can be kept"),
}


class SyncPage(Page):
    """Honest figures."""

    topics: ClassVar = frozenset({Topic.SYNC, Topic.LINK, Topic.SETTINGS})

    def draw(self) -> Widget:
        """Figures, room, person, look."""
        look, courier = self.look, self.courier
        sync, now_ms = courier.sync, self.shell.now_ms()
        body: list[Widget] = [
            Box(
                self._figure(sync.waiting, say("kept here, not yet at the hub")),
                self._figure(sync.on_its_way, say("on their way")),
                self._figure(sync.at_hub, say("at the hub")),
                across=True,
            ),
            Text(look, LINKS.get(sync.link, say("The recorder does not answer; starting it")), size=LARGE),
            Text(look, say("Last contact {ago}", ago=ago(sync.last_contact_ms, now_ms))),
        ]
        if sync.oldest_ms is not None:
            body.append(Text(look, say("The oldest that waits is from {time}", time=clock(sync.oldest_ms))))
        if sync.photos:
            body.append(Text(look, say("Pictures on their way: {n}", n=sync.photos)))
        room = say(
            "{state}: {room} left", state=STORAGE.get(sync.storage, sync.storage), room=megabytes(sync.room_bytes)
        )
        body.append(Text(look, room))
        if sync.room_s is not None:
            body.append(Text(look, say("Full in {time} at this rate", time=duration(sync.room_s)), size=SMALL))
        body += [
            Rule(look),
            Text(look, say("Signed on: {name}", name=courier.person), size=LARGE),
            Tap(look, say("Hand the shift over"), lambda: self.shell.go("sign-on")),
            Tap(look, say("Sign off"), courier.sign_off),
            Rule(look),
            *look_choices(self.shell),
        ]
        return self.page(say("What is where?"), *body)

    def _figure(self, n: int, what: Sentence) -> Widget:
        look = self.look
        return Box(
            Text(look, str(n), size=HUGE),
            Text(look, what, size=SMALL, colour=look.palette.quiet),
            gap=0,
            pos_hint={"top": 1},
        )
