"""What displays are told, without a broker: the latest only, after the commit, and nothing about people."""

import json

import pytest
from sqlalchemy.exc import OperationalError

from contract.event import Outcome, Proof, Step
from hub.display.messages import SHOWN_AFTER_END_MS, SHOWN_UNSEEN_MS
from hub.display.publisher import MAX_WAITING, ROUND_MESSAGES, DisplayPublisher
from hub.display.topics import parcel_topic, sensor_topic
from hub.projector import Change
from tests.hub.web.seeded import HOUR_MS, NOW_MS, SeededHub, Story, add_device

SENSOR = "van-1.rear.temperature_c"


class Wall:
    """A connection that remembers what it was told, as a broker retains it."""

    def __init__(self) -> None:
        self.up = True
        self.connects = 0
        self.said: list[tuple[str, bytes]] = []

    def show(self, topic: str, payload: bytes) -> None:
        self.said.append((topic, payload))

    def restart(self) -> None:
        self.said.clear()
        self.connects += 1

    @property
    def retained(self) -> dict[str, dict[str, object]]:
        return {topic: json.loads(payload) for topic, payload in dict(self.said).items() if payload}


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def publisher(hub: SeededHub, wall: Wall) -> DisplayPublisher:
    return DisplayPublisher(hub.database, wall, hub.clock)


def tell(hub: SeededHub, story: Story) -> list[Change]:
    with hub.database.write() as tx:
        return story.tell(tx)


def test_a_parcel_and_a_sensor_are_told_as_they_are_now_and_said_once_however_often_they_changed(
    hub: SeededHub, wall: Wall, publisher: DisplayPublisher
) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7")
    story = Story()
    story.scan("a/b#+", Step.RECEIVED, place="dock-4", actor="w.chen")
    story.readings(SENSOR, [512, 498])
    publisher.offer(tell(hub, story))
    story.scan("a/b#+", Step.LOADED, at_ms=NOW_MS - 5_000, place="dock-4", actor="w.chen")
    publisher.offer(tell(hub, story))
    publisher.round()
    assert wall.retained[parcel_topic("a/b#+")] == {
        "parcel": "a/b#+",
        "status": "in_transit",
        "step": "loaded",
        "place": "dock-4",
        "happened_at": "2026-05-28T20:26:35Z",
        "known_at": "2026-05-28T20:26:35.900000Z",
        "cold_verdict": "",
    }
    told = wall.retained[sensor_topic(SENSOR)]
    assert (told["value"], told["measured_at"], told["state"]) == (4.98, "2026-05-28T20:26:40Z", "ok")
    assert told["fresh_until"] > told["measured_at"]  # type: ignore[operator]  # both are text
    assert [topic for topic, _ in wall.said].count(parcel_topic("a/b#+")) == 1


def test_nothing_about_people_is_said(hub: SeededHub, wall: Wall, publisher: DisplayPublisher) -> None:
    story = Story()
    story.scan("P1", Step.LOADED, place="dock-4", actor="w.chen")
    story.scan("P2", Step.OUT_FOR_DELIVERY, place="Zhongshan N. Rd 275", actor="w.chen")
    story.proof("P1", at_ms=NOW_MS - 1_000, recipient="Wang Xiaoming")
    story.scan("P3", Step.HANDED_OVER, place="Ms Zhou", actor="w.chen")
    story.ledger.add(Proof("stop-17", Outcome.PICKED_UP, ("P4",)), at_ms=NOW_MS - 1_000, device="van-1")
    publisher.offer(tell(hub, story))
    publisher.round()
    said = json.dumps(wall.retained)
    assert wall.retained[parcel_topic("P1")]["status"] == "delivered"
    assert wall.retained[parcel_topic("P4")]["step"] == "picked_up"
    for word in ("chen", "Wang", "Zhongshan", "stop-17", "Zhou"):
        assert word not in said


def test_a_parcel_delivered_for_long_is_taken_back_also_by_a_hub_that_was_away_meanwhile(
    hub: SeededHub, wall: Wall, publisher: DisplayPublisher
) -> None:
    story = Story()
    for name, at_ms in (("old", NOW_MS - SHOWN_AFTER_END_MS + HOUR_MS), ("new", NOW_MS - HOUR_MS)):
        story.scan(name, at_ms=at_ms - HOUR_MS)
        story.proof(name, at_ms=at_ms)
    publisher.offer(tell(hub, story))
    publisher.round()
    assert set(wall.retained) == {parcel_topic("old"), parcel_topic("new")}
    hub.clock.ms += 2 * HOUR_MS
    DisplayPublisher(hub.database, wall, hub.clock).round()
    assert set(wall.retained) == {parcel_topic("new")}
    assert wall.said[-1] == (parcel_topic("old"), b"")


def test_a_broker_that_forgot_everything_is_told_everything_that_is_shown(
    hub: SeededHub, wall: Wall, publisher: DisplayPublisher
) -> None:
    story = Story()
    story.scan("P1")
    story.scan("forgotten", at_ms=NOW_MS - SHOWN_UNSEEN_MS - 1)
    story.scan("attempted")
    story.proof("attempted", Outcome.ATTEMPTED, at_ms=NOW_MS - 10_000)
    story.readings(SENSOR, [512])
    publisher.offer(tell(hub, story))
    publisher.round()
    wall.restart()
    publisher.round()
    shown = {parcel_topic("P1"), parcel_topic("attempted"), sensor_topic(SENSOR)}
    assert set(wall.retained) == shown
    wall.up = False
    wall.restart()
    assert publisher.round() == 0
    wall.up = True
    publisher.round()
    assert set(wall.retained) == shown


def test_a_parcel_not_heard_of_for_long_is_taken_back_though_nothing_changes(
    hub: SeededHub, wall: Wall, publisher: DisplayPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.display.publisher.SWEEP_S", 0.0)
    story = Story()
    story.scan("lost", at_ms=NOW_MS - SHOWN_UNSEEN_MS + HOUR_MS)
    publisher.offer(tell(hub, story))
    publisher.round()
    assert set(wall.retained) == {parcel_topic("lost")}
    hub.clock.ms += HOUR_MS
    publisher.round()
    assert wall.said[-1] == (parcel_topic("lost"), b"")


def test_what_could_not_be_said_waits_for_the_next_round(
    hub: SeededHub, wall: Wall, publisher: DisplayPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story()
    story.scan("P1")
    publisher.offer(tell(hub, story))
    with monkeypatch.context() as broken:
        broken.setattr(wall, "show", raise_busy)
        with pytest.raises(OperationalError):
            publisher.round()
    publisher.round()
    assert set(wall.retained) == {parcel_topic("P1")}


def raise_busy(topic: str, payload: bytes) -> None:
    raise OperationalError(topic, payload, Exception("database is busy"))


def test_a_flood_of_changes_is_said_in_rounds_and_never_fills_the_memory(
    hub: SeededHub, wall: Wall, publisher: DisplayPublisher
) -> None:
    publisher.offer([Change("parcel", f"P{n}") for n in range(ROUND_MESSAGES + 50)])
    assert (publisher.round(), publisher.round(), publisher.round()) == (ROUND_MESSAGES, 50, 0)
    publisher.offer([Change("parcel", f"P{n}") for n in range(MAX_WAITING + 1)])
    assert len(publisher._waiting) == 0
    publisher.offer([Change("device", "van-1"), Change("incident", "x")])
    assert publisher.round() == 0
