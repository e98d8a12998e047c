"""Keeps the day up to date: fetches route and facts, folds them, and remembers what the courier saw of the route."""

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from hashlib import blake2b
from typing import Final

import msgspec
from msgspec.structs import replace

from contract.errors import Malformed
from contract.event import Correction, Proof, Scan
from contract.fact import Clock
from contract.local import Answer, Draft, DraftGet, DraftPut, GetOutbox, OutboxPage
from contract.route import ROUTE_DOCUMENT, Route, Stop, StopChange, decode_route, encode_route, route_changes
from mobile_ui.core.day import Day, KeptFact, date_of, fold_day
from mobile_ui.core.documents import Asks, fetch

SEEN_DRAFT: Final = "seen-route"
GIST_BYTES: Final = 8
DAY_MS: Final = 36 * 3_600_000
"""Facts of yesterday's early shift are of no use to today's."""
PAGE: Final = 200
NEWEST: Final = 20
REACH: Final = 5_000
"""How many facts are looked through for those of a clock that was not set: more than any day has of what people do."""


class DayKeeper:
    """The day of one device.

    Args:
        link: asks the agent.
        now_ms: the wall clock.
        changed: told when the day is another.
        unreadable: told when a route came that cannot be read.
    """

    def __init__(
        self, link: Asks, now_ms: Callable[[], int], changed: Callable[[], None], unreadable: Callable[[], None]
    ) -> None:
        self._link = link
        self._now_ms = now_ms
        self._changed = changed
        self._unreadable = unreadable
        self._facts: dict[bytes, KeptFact | None] = {}
        """By identity; none where it tells nothing of the day, as the thousands of readings of a shift."""
        self._route: Route | None = None
        self._known: dict[str, Stop] = {}
        """Stops that this route, or the one that was withdrawn, has or had, since the app was opened."""
        self._known_of = ""
        self._gist: Route | None = None
        self._seen: Route | None = None
        """The gist of what the courier saw."""
        self._asked_what_was_seen = False
        self.day = Day()

    def load(self) -> None:
        """Fetch all of it."""
        self._link.ask(DraftGet(SEEN_DRAFT), self._take_seen)
        self.refresh()
        self.fetch_route()

    def fetch_route(self, came: int = 0) -> None:
        """Fetch the route in force; where the one that `came` cannot be read, that is the one before."""

        def take(version: int, data: bytes) -> None:
            if version < came:
                self._unreadable()
            else:
                self._take_route(version, data)

        fetch(self._link, ROUTE_DOCUMENT, take)

    def refresh(self, before: int | None = None) -> None:
        """Fetch the newest facts, and older ones until all of the day are known."""
        first = before is None and bool(self._facts)
        self._link.ask(GetOutbox(NEWEST if first else PAGE, before), self._take_facts)

    def _take_facts(self, answer: Answer) -> None:
        if not isinstance(answer, OutboxPage):
            return
        since_ms = self._now_ms() - DAY_MS
        dated = {item.fact_id for item in answer.items if item.fact is not None and item.fact.at_ms >= since_ms}
        reached_known = any(item.fact_id in self._facts for item in answer.items)
        for item in answer.items:
            # A clock that was not set may have said any day, also of what was done an hour ago.
            if item.fact is not None and (item.fact_id in dated or item.fact.clock is Clock.FREE):
                tells = isinstance(item.fact.event, Scan | Proof | Correction)
                self._facts[item.fact_id] = KeptFact(item.fact_id, item.fact, item.committed) if tells else None
        if answer.next_before is not None and not reached_known and (dated or self._may_look_further(answer)):
            self.refresh(answer.next_before)
        self._fold()

    def all_at_hub(self) -> None:
        """Nothing waits any more: what is known of here was asked for before, and is at the hub."""
        late = [one for one in self._facts.values() if one is not None and not one.committed]
        self._facts |= {one.fact_id: dataclasses.replace(one, committed=True) for one in late}
        if late:
            self._fold()

    def _may_look_further(self, page: OutboxPage) -> bool:
        is_free = any(item.fact is not None and item.fact.clock is Clock.FREE for item in page.items)
        return is_free and len(self._facts) < REACH

    def _take_route(self, version: int, data: bytes) -> None:
        try:
            route = decode_route(data) if version else None
        except Malformed:
            self._unreadable()
            return
        if route is not None:
            if route.route != self._known_of:
                self._known, self._known_of = {}, route.route
            self._known |= {stop.stop: stop for stop in route.stops}
        self._route, self._gist = route, None if route is None else gist(route)
        if self._seen is None and self._asked_what_was_seen and self._route is not None:
            # The first route of a day is no change.
            self.look_at_changes()
        self._fold()

    def _take_seen(self, answer: Answer) -> None:
        self._asked_what_was_seen = True
        if isinstance(answer, Draft) and answer.data is not None:
            with suppress(Malformed):
                self._seen = decode_route(answer.data)

    def look_at_changes(self) -> None:
        """The courier saw what the hub changed."""
        self._seen = self._gist
        self._link.ask(DraftPut(SEEN_DRAFT, b"" if self._seen is None else encode_route(self._seen)))
        self._fold()

    @property
    def changes(self) -> dict[str, StopChange]:
        """What the hub changed since the courier looked; another day's route is no change of this one."""
        if self._gist is None or self._seen is None or self._seen.route != self._gist.route:
            return {}
        return route_changes(self._seen, self._gist)

    def _fold(self) -> None:
        facts, today = filter(None, self._facts.values()), date_of(self._now_ms())
        self.day = fold_day(self._route, facts, self.changes, self._known, today)
        self._changed()


def gist(route: Route) -> Route:
    """Just enough of a route to tell what a newer one changes: the longest one fits a draft."""
    return Route(route.route, "", route.day, stops=tuple(map(_gist, route.stops)))


def _gist(stop: Stop) -> Stop:
    # What `route_changes` does not look at, and looks at by itself.
    rest = msgspec.msgpack.encode(replace(stop, eta_ms=None, cancelled=False))
    return Stop(stop.stop, "", blake2b(rest, digest_size=GIST_BYTES).hexdigest(), cancelled=stop.cancelled)
