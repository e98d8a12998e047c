"""The live bus: shared bytes, latest wins, bounded viewers, and an end at once."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from contract.event import Quantity
from contract.limits import MAX_SNAPSHOT_SENSORS
from contract.messages import LatestReading
from hub.ahead import Ahead, LiveReading, values_ahead
from hub.live import (
    CONTACT,
    CONTACT_TOLD_MS,
    CROWD,
    FLUSH_KEYS,
    FLUSH_S,
    HISTORY_CHUNKS,
    LONGEST_FLUSH_S,
    VIEWER_CHUNKS,
    LiveBus,
    gather_s,
)
from hub.projector import Change
from hub.web.live_response import LiveResponse
from tests.hub.web.seeded import NOW_MS, HubClock

Event = tuple[str, Any]


def now_ms() -> int:
    return NOW_MS


@dataclass
class Rows:
    """What stands in for the database: each reading of it is counted."""

    state: dict[str, int]
    reads: int = 0

    def __call__(self, topic: str, keys: Sequence[str]) -> Mapping[str, Any]:
        del topic
        self.reads += len(keys)
        return {key: self.state[key] for key in keys if key in self.state}


class Page:
    """A viewer that keeps what it was sent."""

    def __init__(self, bus: LiveBus, after: str = "") -> None:
        self.chunks: list[bytes] = []
        self.left = asyncio.Event()
        self.fed = asyncio.Event()
        self.blocked = asyncio.Event()
        self.blocked.set()
        self.task = asyncio.create_task(LiveResponse(bus, after or bus.position)({}, self._receive, self._send))

    async def _receive(self) -> dict[str, str]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.blocked.wait()
        if message.get("body"):
            self.chunks.append(message["body"])
            self.fed.set()

    def events(self) -> list[Event]:
        found = []
        for part in b"".join(self.chunks).split(b"\n\n"):
            lines = dict(line.split(b": ", 1) for line in part.split(b"\n") if b": " in line)
            if b"event" in lines:
                found.append((lines[b"event"].decode(), msgspec.json.decode(lines[b"data"])))
        return found

    def changes(self) -> list[Event]:
        return [event for event in self.events() if event[0] not in {"beat", "refetch"}]

    async def until(self, wanted: Callable[["Page"], bool]) -> None:
        async with asyncio.timeout(10):
            while not wanted(self):
                self.fed.clear()
                await self.fed.wait()


def on_loop(work: Callable[[LiveBus, Rows], Awaitable[None]]) -> None:
    """Run with a started bus over rows `a` and `b`."""

    async def main() -> None:
        bus = LiveBus(now_ms)
        rows = Rows({"a": 1, "b": 2})
        bus.start(rows)
        await work(bus, rows)
        await bus.stop()

    asyncio.run(main())


async def opened(bus: LiveBus, after: str = "") -> Page:
    page = Page(bus, after)
    await page.until(lambda p: bool(p.events()))
    return page


def test_a_change_from_another_thread_reaches_all_pages_as_the_same_bytes() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        first, second = await opened(bus), await opened(bus)
        thread = threading.Thread(target=bus.publish, args=([Change("parcel", "a")],))
        thread.start()
        for page in (first, second):
            await page.until(lambda p: bool(p.changes()))
            assert page.changes() == [("parcel", {"key": "a", "kept": True, "value": 1})]
        assert first.chunks[-1] is second.chunks[-1]
        assert rows.reads == 1
        thread.join()

    on_loop(work)


def test_the_more_pages_follow_the_longer_changes_are_gathered_and_never_long() -> None:
    waits = [gather_s(viewers) for viewers in (1, CROWD, 4 * CROWD, 100 * CROWD)]

    assert waits == pytest.approx([FLUSH_S, 2 * FLUSH_S, LONGEST_FLUSH_S, LONGEST_FLUSH_S], rel=0.01)


def test_of_many_changes_of_one_thing_only_the_latest_state_is_told() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        page = await opened(bus)
        for value in range(1000):
            rows.state["a"] = value
            bus.publish([Change("parcel", "a"), Change("nobody's", "a")])
        await page.until(lambda p: bool(p.changes()))
        assert page.changes() == [("parcel", {"key": "a", "kept": True, "value": 999})]
        assert rows.reads == 1

    on_loop(work)


def test_a_value_ahead_of_its_fact_is_marked_as_not_yet_kept() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        page = await opened(bus)
        ahead = LatestReading("van-1.rear.temperature_c", Quantity.TEMPERATURE_C, NOW_MS + 5_000, 912)
        bus.publish_ahead("sensor", values_ahead("van-1", [ahead], NOW_MS))
        await page.until(lambda p: bool(p.changes()))
        [(topic, told)] = page.changes()
        assert (topic, told["kept"], told["value"]["value"]) == ("sensor", False, 912)
        assert told["value"]["at_ms"] == NOW_MS, "a device clock that runs ahead makes nothing newer than now"
        assert rows.reads == 0

    on_loop(work)


def test_an_authentic_message_is_told_as_contact_at_once_and_then_not_too_often() -> None:
    clock = HubClock()

    async def work() -> None:
        bus = LiveBus(clock)
        bus.start(Rows({}))
        page = await opened(bus)
        for _ in range(20):
            bus.publish([Change(CONTACT, "van-1")])
            clock.ms += CONTACT_TOLD_MS // 10
        bus.publish([Change("incident", "end")])
        bus.publish_ahead("excursion", {"end": 1})
        await page.until(lambda p: any(topic == "excursion" for topic, _ in p.changes()))
        await bus.stop()
        told = [value for topic, value in page.changes() if topic == "device"]
        assert told[-1] == {"key": "van-1", "kept": False, "value": {"contact_ms": NOW_MS + CONTACT_TOLD_MS}}
        assert len(told) <= 2
        assert bus.ahead.contact_ms("van-1") == NOW_MS + CONTACT_TOLD_MS // 10 * 19

    asyncio.run(work())


def test_live_values_are_remembered_for_pages_that_are_rendered_later() -> None:
    bus = LiveBus(now_ms)
    reading = LatestReading("van-1.rear.temperature_c", Quantity.TEMPERATURE_C, NOW_MS - 5, 912)
    bus.publish_ahead("sensor", values_ahead("van-1", [reading], NOW_MS))
    assert bus.ahead.reading("van-1", "van-1.rear.temperature_c") == LiveReading("van-1", NOW_MS - 5, NOW_MS, 912)


def test_a_device_speaks_live_for_its_own_sensors_only_and_fills_no_memory() -> None:
    foreign = LatestReading("van-10.rear.temperature_c", Quantity.TEMPERATURE_C, NOW_MS, 912)
    assert values_ahead("van-1", [foreign], NOW_MS) == {}
    ahead = Ahead()
    for n in range(3 * MAX_SNAPSHOT_SENSORS):
        ahead.take({f"van-1.made-up-{n}": LiveReading("van-1", NOW_MS, NOW_MS, n)})
    known = [n for n in range(3 * MAX_SNAPSHOT_SENSORS) if ahead.reading("van-1", f"van-1.made-up-{n}")]
    assert 0 < len(known) <= MAX_SNAPSHOT_SENSORS


def test_a_page_follows_from_where_it_was_rendered_and_misses_nothing() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        witness = await opened(bus)
        rendered = bus.position
        bus.publish([Change("parcel", "b")])
        await witness.until(lambda p: bool(p.changes()))
        late = await opened(bus, rendered)
        assert late.changes() == [("parcel", {"key": "b", "kept": True, "value": 2})]
        assert rows.reads == 1

    on_loop(work)


@pytest.mark.parametrize("after", ["", "gone-3", "nonsense", "--", "1-1"])
def test_a_page_whose_past_is_not_known_is_told_to_fetch_anew(after: str) -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        del rows
        page = await opened(bus, after or "0-0")
        assert page.events()[0][0] == "refetch"

    on_loop(work)


def test_a_change_while_nobody_looked_is_not_lost_for_the_page_being_rendered() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        rendered = bus.position
        bus.publish([Change("parcel", "a")])
        page = await opened(bus, rendered)
        assert page.events()[0][0] == "refetch"
        assert rows.reads == 0

    on_loop(work)


def test_a_page_that_falls_behind_is_not_waited_for_and_fetches_anew() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        del rows
        slow = await opened(bus)
        slow.blocked.clear()
        bus._send_all(b"event: beat\ndata: 0\n\n")
        await asyncio.sleep(0)
        for _ in range(VIEWER_CHUNKS + HISTORY_CHUNKS):
            bus._send_all(b"event: parcel\ndata: 0\n\n")
        slow.blocked.set()
        await slow.until(lambda p: any(name == "refetch" for name, _ in p.events()))
        assert len(slow.changes()) < VIEWER_CHUNKS

    on_loop(work)


def test_a_backlog_that_arrives_is_one_call_to_fetch_instead_of_thousands_of_changes() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        page = await opened(bus)
        bus.publish(Change("parcel", str(n)) for n in range(FLUSH_KEYS + 1))
        await page.until(lambda p: p.events()[-1][0] == "refetch")
        assert page.changes() == []
        assert rows.reads == 0

    on_loop(work)


def test_closing_ends_all_streams_at_once_from_any_thread() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        del rows
        pages = [await opened(bus) for _ in range(20)]
        thread = threading.Thread(target=bus.close)
        thread.start()
        async with asyncio.timeout(1):
            await asyncio.gather(*(page.task for page in pages))
        assert bus.viewers == 0
        thread.join()

    on_loop(work)


def test_a_page_that_goes_away_is_forgotten() -> None:
    async def work(bus: LiveBus, rows: Rows) -> None:
        del rows
        page = await opened(bus)
        assert bus.viewers == 1
        page.left.set()
        await page.task
        assert bus.viewers == 0

    on_loop(work)
