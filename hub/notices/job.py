"""The job that tells: looks what is to be told, keeps it in the outbox, and sends, in threads of its own.

A telling is marked before the try and after it. A hub that dies between the two sends it again with the same Message-ID.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from hub.ahead import Ahead
from hub.db import Database
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.notices import store
from hub.notices.channel import NotDelivered, deliver, without_secrets
from hub.notices.finding import Kind, Sources, find_all, findings
from hub.notices.letter import Text, write_letter
from hub.notices.outbox import Notice, State, claimed, failed, letters, message_id, plan, worth_telling
from hub.notices.targets import Rules, Settings, Target, read_settings
from hub.web.i18n import Words

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

LOOK_S: Final = 5.0
SEND_S: Final = 5.0
"""A service that has not taken its messages by then is left alone with them; nothing else waits for it."""
SETTLE_MS: Final = SILENT_AFTER_MS
"""Every device that is there has said hello by then; only then is known whether this hub was set back, and who is silent."""
MESSAGES: Final = 5
"""So many messages a target gets in WINDOW_MS; what comes then is gathered into one."""
WINDOW_MS: Final = 5 * 60_000
KEPT_MS: Final = 30 * 86_400_000
"""What was told is shown so long; the outbox is looked through every few seconds, so it must not grow for ever."""
FORGET_EVERY_MS: Final = 3_600_000
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

    def __init__(self, place: Place, deliver: Callable[[str, Text, str], str] = deliver) -> None:
        self._place = place
        self._deliver = deliver
        self._started_ms = place.now_ms()
        self._forgot_ms = 0
        self._busy: dict[str, threading.Thread] = {}

    def look(self) -> None:
        """Put into the outbox what is to be told."""
        settings = read_settings(self._place.database.folder)
        now_ms = self._place.now_ms()
        if not settings.targets or not self._settled(now_ms):
            return
        with self._place.database.read() as reader:
            sources = self._sources(reader, settings, now_ms)
            found = findings(sources)
            before = store.open_notices(reader, {one.key for one in found} | {one.seen_as for one in found})
            known = [notice for notice in before if notice.kind is not Kind.TEST]
            # What is not among the newest, or cannot be seen so soon after a start, may last all the same.
            told = {notice.finding for notice in known} - {one.key for one in found}
            found += find_all(told, sources).values()
        changed = plan(found, known, settings.targets, settings.rules, now_ms)
        forgets = abs(now_ms - self._forgot_ms) >= FORGET_EVERY_MS
        if changed or forgets:
            with self._place.database.write() as tx:
                store.put(tx, changed, known)
                if forgets:
                    store.forget(tx, now_ms - KEPT_MS)
                    self._forgot_ms = now_ms

    def _settled(self, now_ms: int) -> bool:
        # A clock that was set back must not silence the hub for as long.
        self._started_ms = min(self._started_ms, now_ms)
        return now_ms - self._started_ms >= SETTLE_MS

    def send(self, wait_s: float = SEND_S) -> None:
        """Send what is due, each target in its own thread, and wait for all so long; a slow one is left behind."""
        settings = read_settings(self._place.database.folder)
        now_ms = self._place.now_ms()
        with self._place.database.read() as reader:
            due = store.due_notices(reader, now_ms)
            held = store.held_since(reader, now_ms) is not None or not self._settled(now_ms)
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
        until_s = time.monotonic() + wait_s
        for thread in started:
            thread.join(max(0, until_s - time.monotonic()))
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
                    full = store.sent_between(reader, target.name, now_ms - WINDOW_MS, now_ms) >= MESSAGES
                if full and letter[0].kind is not Kind.TEST:
                    continue
                if not self._send(target, letter, settings):
                    return
        except Exception as error:  # noqa: BLE001 a full disk, a finding that cannot be put in words: others must still be told
            why = without_secrets(f"{type(error).__name__}: {error}", target.url)
            log.warning("notices to a target wait", target=target.name, why=why)

    def _send(self, target: Target, due: Sequence[Notice], settings: Settings) -> bool:
        """One message; False when the target cannot be told now."""
        marked = claimed(due, self._place.now_ms())
        with self._place.database.write() as tx:
            store.keep(tx, marked)
        letter, text = self._written(target, marked, settings)
        told = {notice.id for notice in letter}
        after = [replace(notice, state=State.DROPPED) for notice in marked if notice.id not in told]
        sent = True
        if text is not None:
            try:
                refused = self._deliver(target.url, text, message_id(marked[0].message))
            except NotDelivered as error:
                sent = False
                log.warning("a notice was not delivered", target=target.name, tries=marked[0].tries, why=str(error))
                after += failed(letter, str(error), may_have_arrived=error.may_have_arrived)
            else:
                log.info(
                    "notice sent", target=target.name, findings=len(letter), message=marked[0].message, refused=refused
                )
                sent_ms = self._place.now_ms()
                after += [replace(notice, state=State.SENT, sent_ms=sent_ms, error=refused) for notice in letter]
        with self._place.database.write() as tx:
            store.keep(tx, after)
        return sent

    def _written(
        self, target: Target, due: Sequence[Notice], settings: Settings
    ) -> tuple[Sequence[Notice], Text | None]:
        """What of it is still to be told, and in which words; None where nothing is."""
        words = Words(target.language)
        rules = self._rules(settings)
        if due[0].kind is Kind.TEST:
            body = words("This is a test of the notices of Holdfast to {name}. Nothing is wrong.", name=target.name)
            return due, Text(words("Test of Holdfast's notices"), f"{body}\n{rules.link}/notices")
        with self._place.database.read() as reader:
            sources = self._sources(reader, settings, self._place.now_ms())
            found = find_all([notice.finding for notice in due], sources)
        # It may have been acknowledged, or have ended, since it was planned.
        letter = [notice for notice in due if (one := found.get(notice.finding)) and worth_telling(notice, one)]
        if not letter:
            return letter, None
        return letter, write_letter([found[notice.finding] for notice in letter], letter[0].round, words, rules)

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
            except Exception as error:  # noqa: BLE001 a full disk, a file that somebody is just editing: this thread must go on
                if complained != (why := f"{type(error).__name__}: {error}"):
                    log.warning("notices wait", why=why)
                complained = why

    thread = threading.Thread(target=run, name="notices", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A message that is under way is given up: it stays in the outbox, and its repeat has the same Message-ID.
        thread.join(STOP_S)
