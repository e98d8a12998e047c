"""How verdicts change as facts come: opened, alarmed, ended, moved, withdrawn; acknowledged, and grown beyond that."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from sqlalchemy import Connection, select

from contract.coldchain.assignments import COLDCHAIN_DOCUMENT, Assignment, ColdChainDocument, decode_assignments
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.errors import Malformed
from contract.event import Decision, Event
from hub.coldchain.acknowledging import AsSeen
from hub.coldchain.excursions import (
    ExcursionFilters,
    ExcursionKind,
    ExcursionView,
    acknowledgements,
    excursion_changes,
    find_excursion,
    list_excursions,
    open_by_sensor,
    profile_of,
    sensor_record,
)
from hub.coldchain.tables import course
from hub.projections import all_projections
from hub.tables import device_document, quarantine
from tests.hub.desk import open_desk
from tests.hub.folding import BOOT, T0, Ledger, block, dump, engine, fix, fold

MINUTE = 60_000
HOUR = 60 * MINUTE
START = T0 - T0 % HOUR
AIR = "van-1.probe.air"
WARM = Limit("warm", Side.ABOVE, 800, Rule.SINGLE, 20 * 60)
BOX = Profile("box", (WARM,), no_data_s=10 * 60)


class Story:
    """Facts that come one after the other, each folded when it came."""

    def __init__(self, tx: Connection) -> None:
        self.tx = tx
        self.ledger = Ledger()
        self.decide("profile.define", "box", msgspec.json.encode(BOX).decode())
        self.assign("box", 0)

    def put(self, event: Event, at_min: int, **more: Any) -> set[str]:
        known = self.ledger.add(event, received_ms=START + at_min * MINUTE, **more)
        return {key for topic, key in fold(self.tx, [known]) if topic == "excursion"}

    def decide(self, action: str, subject: str, detail: str, at_min: int = 0, why: str = "") -> set[str]:
        return self.put(Decision(action, (), "m.ito", why, subject, detail), at_min, device="hub")

    def assign(self, profile: str | None, from_min: int, at_min: int = 0) -> set[str]:
        detail = {"profile": profile, "from_ms": START + from_min * MINUTE}
        return self.decide("sensor.assign", AIR, msgspec.json.encode(detail).decode(), at_min)

    def read(self, from_min: int, values: list[int | None], known_min: int, **more: Any) -> set[str]:
        told = [(nr * 5 * MINUTE, value) for nr, value in enumerate(values)]
        at_ms = START + from_min * MINUTE
        event = block(told, base_at_ms=at_ms, interval_ms=5 * MINUTE)
        return self.put(event, known_min, at_ms=at_ms, **more)

    def acknowledge(self, seen: ExcursionView, at_min: int, **otherwise: Any) -> set[str]:
        found = seen.found
        detail = AsSeen(seen.sensor, seen.limit, found.started_ms, found.ended_ms, found.extreme)
        told = msgspec.json.encode(msgspec.structs.replace(detail, **otherwise)).decode()
        return self.decide("excursion.acknowledge", seen.id, told, at_min, "door shut")

    def all(self, **which: Any) -> tuple[ExcursionView, ...]:
        return list_excursions(self.tx, ExcursionFilters(**which)).items

    def one(self) -> ExcursionView:
        (view,) = self.all(withdrawn=False, kind=ExcursionKind.EXCURSION)
        return view


def minutes(*times: int | None) -> tuple[int | None, ...]:
    return tuple(None if at_ms is None else (at_ms - START) // MINUTE for at_ms in times)


@pytest.fixture
def story() -> Iterator[Story]:
    made = engine()
    with made.connect() as connection:
        yield Story(connection)
    made.dispose()


def test_an_excursion_tells_when_it_happened_and_when_each_part_of_it_was_known(story: Story) -> None:
    story.read(0, [500, 500, 810], 60)
    assert (story.one().alarmed, story.one().lasts, story.one().needs_person) == (False, True, False)
    story.read(15, [820, 830, 815, 812], 61)
    story.read(35, [500], 70)
    view = story.one()
    found = view.found

    assert minutes(found.started_ms, found.alarm_ms, found.ended_ms) == (10, 30, 35)
    assert minutes(view.known_ms, found.alarm_known_ms, found.ended_known_ms) == (60, 61, 70)
    assert (found.extreme, found.beyond_ms, view.limit, view.threshold) == (830, 25 * MINUTE, "warm", 800)
    assert view.needs_person
    changes = excursion_changes(story.tx, view.id)
    assert [(minutes(c.known_ms, c.found.ended_ms), c.found.extreme) for c in changes] == [
        ((60, None), 810),
        ((61, None), 830),
        ((70, 35), 830),
    ]


def test_readings_that_follow_without_news_change_nothing_but_how_long_it_lasts(story: Story) -> None:
    story.read(0, [810], 1)
    before = story.one()

    assert story.read(5, [805], 6) == set()
    assert story.one().found.beyond_ms == 5 * MINUTE
    assert (story.one().changed_ms, len(excursion_changes(story.tx, before.id))) == (before.changed_ms, 1)


def test_a_late_reading_moves_the_start_and_the_id_stays(story: Story) -> None:
    story.read(20, [900, 500], 30)
    before = story.one()

    assert story.read(10, [850, 870], 40) == {before.id, *(view.id for view in story.all(kind=ExcursionKind.NO_DATA))}
    after = story.one()
    assert (after.id, minutes(after.found.started_ms, after.known_ms, after.changed_ms)) == (before.id, (10, 30, 40))


def test_what_late_readings_show_never_was_is_withdrawn_and_stays_in_sight(story: Story) -> None:
    story.read(0, [500], 1)
    story.read(20, [500], 21)
    (gap,) = story.all()
    assert (gap.kind, minutes(gap.found.started_ms, gap.found.ended_ms)) == (ExcursionKind.NO_DATA, (0, 20))
    assert story.read(5, [500, 500, 500], 90) == {gap.id}

    (after,) = story.all()
    assert (after.id, after.found.withdrawn, after.needs_person) == (gap.id, True, False)
    assert [minutes(change.known_ms) for change in excursion_changes(story.tx, gap.id)] == [(21,), (90,)]
    assert story.all(withdrawn=False) == ()


def test_a_late_reading_between_parts_one_excursion_into_two(story: Story) -> None:
    story.read(0, [900, 900], 10)
    story.read(10, [900, 900, 500], 30)
    whole = story.one()
    at_ms = START + 7 * MINUTE
    story.put(block([(0, 400)], base_at_ms=at_ms), 50, at_ms=at_ms)
    second, first = story.all(withdrawn=False)

    assert (first.id, minutes(first.found.started_ms, first.found.ended_ms)) == (whole.id, (0, 7))
    assert minutes(second.found.started_ms, second.found.ended_ms, second.known_ms) == (10, 20, 50)


def test_a_clock_fix_that_moves_readings_moves_their_excursion(story: Story) -> None:
    story.read(0, [500, 900, 500], 30, mono_ms=2 * HOUR)
    before = story.one()
    story.put(fix(START + 3 * MINUTE, 100_000_000 - (T0 - START), 20, BOOT), 45, at_ms=START + 44 * MINUTE)
    after = story.one()

    assert minutes(before.found.started_ms, after.found.started_ms, after.changed_ms) == (5, 8, 45)
    assert after.id == before.id


def test_late_readings_are_judged_from_the_checkpoint_before_them(story: Story) -> None:
    for hour in range(6):
        story.read(hour * 60, [500] * 12, hour * 60 + 58)
    checkpoints = select(course.c.hour_ms, course.c.body).order_by(course.c.hour_ms)
    before = story.tx.execute(checkpoints).all()
    at_ms = START + 3 * HOUR + MINUTE
    story.put(block([(0, 900)], base_at_ms=at_ms), 400, at_ms=at_ms)
    after = story.tx.execute(checkpoints).all()

    assert [row.hour_ms - START for row in after] == [hour * HOUR for hour in range(1, 6)]
    assert before[:3] == after[:3]
    assert before[3:] != after[3:]


# -- acknowledging ---------------------------------------------------------------------------------------------------------


def test_an_acknowledgement_covers_what_was_seen_until_it_grows(story: Story) -> None:
    story.read(0, [900] * 6, 30)
    assert story.acknowledge(story.one(), 31) == {story.one().id}
    assert (story.one().covered, story.one().needs_person) == (True, False)
    story.read(30, [890], 32)
    assert story.one().covered
    story.read(35, [950], 36)

    ack = story.one().acknowledged
    assert ack is not None
    assert (ack.who, ack.why, minutes(ack.at_ms), ack.covers) == ("m.ito", "door shut", (31,), False)
    assert story.one().needs_person
    story.acknowledge(story.one(), 40)
    assert story.one().covered
    said = acknowledgements(story.tx, story.one().id)
    assert [(minutes(one.at_ms), one.covers) for one in said] == [((31,), False), ((40,), True)]


@pytest.mark.parametrize(
    ("from_min", "value", "covered"),
    [(-5, 850, False), (25, 500, True), (5, 850, True), (5, 901, False)],
)
def test_late_readings_uncover_an_excursion_only_where_they_make_it_more(
    story: Story, from_min: int, value: int, covered: bool
) -> None:
    story.assign("box", -60)
    story.read(0, [900] * 5, 30)
    story.read(25, [500], 31)
    story.acknowledge(story.one(), 40)
    at_ms = START + from_min * MINUTE + MINUTE
    story.put(block([(0, value)], base_at_ms=at_ms), 50, at_ms=at_ms)

    assert story.one().covered is covered


def test_an_alarm_is_not_covered_by_an_acknowledgement_from_before_it(story: Story) -> None:
    story.read(0, [900], 1)
    story.acknowledge(story.one(), 2)
    story.read(5, [900] * 5, 30)

    assert (story.one().alarmed, story.one().covered) == (True, False)


def test_decisions_that_mean_nothing_are_kept_without_effect_and_without_quarantine(story: Story) -> None:
    story.read(0, [900] * 6, 30)
    view = story.one()
    before = dump(story.tx)
    for action, subject, detail in (
        ("excursion.acknowledge", "nobody", msgspec.json.encode(AsSeen(AIR, "warm", 0)).decode()),
        ("excursion.acknowledge", view.id, "{"),
        ("excursion.acknowledge", view.id, '{"sensor": "van-2.x.y", "limit": "warm", "from_ms": 0}'),
        ("profile.define", "box", "[" * 4_000),
        ("profile.define", "cup", '{"name": "box", "limits": []}'),
        ("profile.define", "ice", '{"name": "ice", "limits": [{"name": "a", "side": "above", "threshold": -30000}]}'),
        ("sensor.assign", AIR, '{"profile": 7, "from_ms": 0}'),
        ("sensor.assign", AIR, '{"profile": "box", "from_ms": -1}'),
        ("sensor.assign", "nowhere", '{"profile": "box", "from_ms": 0}'),
        ("sensor.describe", "", "{}"),
    ):
        assert story.decide(action, subject, detail, 40) == set()
    assert dump(story.tx) == before
    assert story.tx.execute(select(quarantine)).all() == []


def test_an_acknowledgement_of_what_is_not_known_yet_has_no_effect(story: Story) -> None:
    story.read(0, [900] * 6, 30)
    view = story.one()
    made = engine()
    with made.connect() as tx:
        early = Story(tx)
        early.acknowledge(view, 10)
        early.read(0, [900] * 6, 30)
        assert early.one().id == view.id
        assert early.one().acknowledged is None
    made.dispose()


# -- profiles ----------------------------------------------------------------------------------------------------------


def test_another_profile_begins_anew_and_closes_what_the_one_before_left_open(story: Story) -> None:
    story.read(0, [900] * 4, 16)
    story.decide(
        "profile.define", "cup", '{"name": "cup", "limits": [{"name": "hot", "side": "above", "threshold": 850}]}'
    )
    story.assign("cup", 12, 17)
    hot, warm = story.all(withdrawn=False)

    assert (warm.profile, minutes(warm.found.started_ms, warm.found.ended_ms)) == ("box", (0, 12))
    assert (hot.profile, minutes(hot.found.started_ms, hot.found.ended_ms, hot.known_ms)) == ("cup", (15, None, 17))
    assert [profile_of(story.tx, AIR, START + at * MINUTE) for at in (-1, 0)] == [None, BOX]
    story.assign(None, 14, 18)
    assert [view.found.withdrawn for view in story.all()] == [True, False]
    assert open_by_sensor(story.tx) == {}


def test_a_profile_that_is_changed_is_judged_again_from_its_beginning(story: Story) -> None:
    story.read(0, [700, 500], 6)
    assert story.all() == ()
    tight = Profile("box", (Limit("warm", Side.ABOVE, 600),))
    story.decide("profile.define", "box", msgspec.json.encode(tight).decode(), 80)
    assert story.all() == ()
    story.decide("sensor.judge_anew", AIR, '{"profile": "box"}', 90)

    assert minutes(story.one().found.started_ms, story.one().known_ms) == (0, 90)
    assert story.one().alarmed


def test_a_profile_that_is_defined_after_it_was_assigned_judges_from_the_assignment_on(story: Story) -> None:
    story.assign("later", 0)
    story.read(0, [900], 1)
    assert story.all() == ()
    story.decide("profile.define", "later", msgspec.json.encode(msgspec.structs.replace(BOX, name="later")).decode(), 8)
    story.decide("sensor.judge_anew", AIR, '{"profile": "later"}', 9)

    assert story.one().profile == "later"


def test_a_record_is_kept_whole_beside_its_profile(story: Story) -> None:
    story.decide(
        "sensor.describe", AIR, '{"name": "door", "place": "rear", "calibration_due_ms": 5, "replaced_by": null}'
    )
    record = sensor_record(story.tx, AIR)

    assert record is not None
    assert (record.name, record.place, record.calibration_due_ms, record.replaced_by) == ("door", "rear", 5, "")
    assert (record.profile, record.profile_from_ms, record.device) == ("box", START, "van-1")


def test_pages_of_excursions_follow_each_other(story: Story) -> None:
    for nr in range(5):
        story.read(nr * 10, [900, 500], nr * 10 + 6)
    first = list_excursions(story.tx, None, None, 3)
    rest = list_excursions(story.tx, None, first.next_cursor, 3)

    assert [minutes(v.found.started_ms)[0] for v in first.items + rest.items] == [40, 30, 20, 10, 0]
    assert rest.next_cursor is None
    assert list_excursions(story.tx, None, f"{'9' * 40}-x", 3) == first
    assert find_excursion(story.tx, "nobody") is None


# -- documents and rebuild -----------------------------------------------------------------------------------------------


def test_a_device_gets_a_document_when_its_sensors_are_judged_otherwise_and_a_rebuild_makes_no_new_one(
    tmp_path: Path,
) -> None:
    with open_desk(tmp_path, projections=all_projections()) as desk:
        centre = desk.centre

        def put(*decisions: Decision) -> None:
            for decision in decisions:
                centre.decide(decision)

        def document() -> tuple[int, ColdChainDocument]:
            (row,) = [row for row in desk.rows(device_document) if row["kind"] == COLDCHAIN_DOCUMENT]
            assert row["device"] == "van-1"
            return cast("int", row["version"]), decode_assignments(cast("bytes", row["data"]))

        body = msgspec.json.encode(BOX).decode()
        assigned = [f'{{"profile": "box", "from_ms": {from_ms}}}' for from_ms in (5, 6)]
        put(Decision("profile.define", (), "m.ito", "", "box", body))
        put(Decision("sensor.assign", (), "m.ito", "", AIR, assigned[0]))
        put(Decision("sensor.assign", (), "m.ito", "", AIR, assigned[1]))
        version, assignments = document()
        assert assignments == ColdChainDocument({AIR: Assignment(BOX, 6)})
        with centre.db.read() as tx:
            before = dump(tx)
        centre.projector.rebuild()
        with centre.db.read() as tx:
            assert dump(tx) == before
        assert document()[0] == version

        with centre.db.write() as tx:
            tx.execute(device_document.delete())
        centre.projector.catch_up()
        assert document()[1] == assignments


def test_bytes_that_are_no_document_are_refused() -> None:
    with pytest.raises(Malformed, match="not a cold-chain document"):
        decode_assignments(b"\x00")
