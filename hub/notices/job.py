"""The job that tells: looks what is to be told, keeps it in the outbox, and sends, in threads of its own.

A telling is marked before the try and after it. A hub that dies between the two sends it again with the same Message-ID.
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hub.ahead import Ahead
from hub.db import Database
from hub.errors import HubError
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.notices import store
from hub.notices.channel import NotDelivered, deliver
from hub.notices.finding import Finding, Kind, Sources, find, findings
from hub.notices.letter import Text, write_letter
from hub.notices.outbox import Notice, State, claimed, letters, message_id, plan
from hub.notices.targets import Rules, Settings, Target, read_settings
from hub.web.i18n import Words

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOOK_S: Final = 5.0
SEND_S: Final = 45.0
"""A service that has not taken a message by then is left alone with it; other targets do not wait for it."""
SETTLE_MS: Final = SILENT_AFTER_MS
"""Every device that is there has said hello by then; only then is known whether this hub was set back, and who is silent."""
MESSAGES: Final = 5
"""So many messages a target gets in WINDOW_MS; what comes then is gathered into one."""
WINDOW_MS: Final = 5 * 60_000
STOP_S: Final = 1.0
TEST_FINDING: Final = "test"


class Place(Struct, frozen=True):
    """Where the job works."""

    database: Database
    ahead: Ahead
    now_ms: Callable[[], int]
    link: str
    """Where the hub listens for browsers; settings may know a better address."""


class Noticer:
    """One hub's job; `look` and `send` are its two halves, called in turn by `telling`."""

    def __init__(self, place: Place, deliver: Callable[[str, Text, str], None] = deliver) -> None:
        self._place = place
        self._deliver = deliver
        self._started_ms = place.now_ms()
        self._busy: dict[str, threading.Thread] = {}

    def look(self) -> None:
        """Put into the outbox what is to be told."""
        settings = read_settings(self._place.database.folder)
        now_ms = self._place.now_ms()
        if not settings.targets or now_ms - self._started_ms < SETTLE_MS:
            return
        with self._place.database.read() as reader:
            sources = self._sources(reader, settings, now_ms)
            found = findings(sources)
            before = store.open_notices(reader, {one.key for one in found} | {one.seen_as for one in found})
        known = [notice for notice in before if notice.kind is not Kind.TEST]
        changed = plan(found, known, settings.targets, settings.rules, now_ms)
        if changed:
            with self._place.database.write() as tx:
                store.put(tx, changed, known)

    def send(self, wait_s: float = SEND_S) -> None:
        """Send what is due, each target in its own thread, and wait for them; a slow one is left behind."""
        settings = read_settings(self._place.database.folder)
        now_ms = self._place.now_ms()
        with self._place.database.read() as reader:
            due = store.due_notices(reader, now_ms)
            held = store.held_since(reader, now_ms) is not None or now_ms - self._started_ms < SETTLE_MS
        by_target: defaultdict[str, list[Notice]] = defaultdict(list)
        for notice in due:
            if notice.kind is Kind.TEST or not held:
                by_target[notice.target].append(notice)
        self._busy = {name: thread for name, thread in self._busy.items() if thread.is_alive()}
        started = []
        for target in settings.targets:
            if by_target[target.name] and target.name not in self._busy:
                work = (target, by_target[target.name], settings)
                thread = threading.Thread(target=self._send_all, args=work, name=f"notices {target.name}", daemon=True)
                self._busy[target.name] = thread
                thread.start()
                started.append(thread)
        for thread in started:
            thread.join(wait_s)
        self._forget_others(due, settings)

    def _forget_others(self, due: Sequence[Notice], settings: Settings) -> None:
        """What waits for a target that was taken away is told to nobody."""
        names = {target.name for target in settings.targets}
        lost = [replace(notice, state=State.DROPPED) for notice in due if notice.target not in names]
        if lost:
            with self._place.database.write() as tx:
                store.keep(tx, lost)

    def _send_all(self, target: Target, due: Sequence[Notice], settings: Settings) -> None:
        try:
            for letter in letters(due):
                now_ms = self._place.now_ms()
                with self._place.database.read() as reader:
                    full = store.sent_since(reader, target.name, now_ms - WINDOW_MS) >= MESSAGES
                if full and letter[0].kind is not Kind.TEST:
                    continue
                if not self._send(target, letter, settings):
                    return
        except (HubError, DBAPIError) as error:
            log.warning("notices could not be kept", target=target.name, why=str(error))

    def _send(self, target: Target, letter: Sequence[Notice], settings: Settings) -> bool:
        """One message; whether it got through."""
        marked = claimed(letter, self._place.now_ms())
        with self._place.database.write() as tx:
            store.keep(tx, marked)
        text = self._text(target, marked, settings)
        try:
            if text is not None:
                self._deliver(target.url, text, message_id(marked[0].message))
        except NotDelivered as error:
            log.warning("a notice was not delivered", target=target.name, tries=marked[0].tries, why=str(error))
            after = [replace(notice, error=str(error)) for notice in marked]
        else:
            sent_ms = self._place.now_ms()
            log.info("notice sent", target=target.name, findings=len(marked), message=marked[0].message)
            after = [replace(notice, state=State.SENT, sent_ms=sent_ms, error="") for notice in marked]
        with self._place.database.write() as tx:
            store.keep(tx, after)
        return after[0].state is State.SENT

    def _text(self, target: Target, letter: Sequence[Notice], settings: Settings) -> Text | None:
        """What the message says; None where nothing of it can be told any more."""
        words = Words(target.language)
        rules = self._rules(settings)
        if letter[0].kind is Kind.TEST:
            body = words("This is a test of the notices of Holdfast to {name}. Nothing is wrong.", name=target.name)
            return Text(words("Test of Holdfast's notices"), f"{body}\n{rules.link}/notices")
        now_ms = self._place.now_ms()
        with self._place.database.read() as reader:
            sources = self._sources(reader, settings, now_ms)
            found: list[Finding] = [one for notice in letter if (one := find(notice.finding, sources)) is not None]
        return write_letter(found, letter[0].round, words, rules) if found else None

    def _rules(self, settings: Settings) -> Rules:
        return settings.rules if settings.rules.link else replace(settings.rules, link=self._place.link)

    def _sources(self, reader: Connection, settings: Settings, now_ms: int) -> Sources:
        return Sources(reader, self._place.ahead, now_ms, settings.rules.silent_ms, self._started_ms)


@contextmanager
def telling(place: Place) -> Iterator[None]:
    """Tell while the block runs."""
    ended = threading.Event()
    noticer = Noticer(place)

    def run() -> None:
        complained = ""
        while not ended.wait(LOOK_S):
            try:
                noticer.look()
                noticer.send()
                complained = ""
            except (HubError, DBAPIError) as error:
                # A full disk, or a file that somebody is just editing: this thread must go on.
                if complained != str(error):
                    log.warning("notices wait", why=str(error))
                complained = str(error)

    thread = threading.Thread(target=run, name="notices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A message that is under way is given up: it stays in the outbox, and its repeat has the same Message-ID.
        thread.join(STOP_S)
