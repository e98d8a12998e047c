"""Readings, hours and latest values, whatever comes late, twice or in contradiction."""

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy import Connection, insert, select

from contract.columns import FAULT, THINNED
from contract.event import Readings
from contract.fact import Clock
from hub.ahead import Ahead, LiveReading
from hub.coldchain.freshness import Seen
from hub.coldchain.projection import ColdChainProjection
from hub.coldchain.queries import (
    SensorFilters,
    measured_since,
    sensor,
    sensor_readings,
    sensors_page,
)
from hub.coldchain.tables import reading, reading_conflict, reading_hour
from hub.errors import ProjectionError
from hub.tables import device, incident
from hub.timeline import TimeSource
from tests.hub.folding import T0, Ledger, block, dump, engine, fix, fold

AIR = "van-1.probe.air"
HOUR = 3_600_000
START = T0 - T0 % HOUR


@pytest.fixture
def tx() -> Iterator[Connection]:
    made = engine()
    with made.connect() as connection:
        yield connection
    made.dispose()


def put(tx: Connection, *events: Readings, **common: Any) -> Ledger:
    ledger = Ledger()
    for event in events:
        ledger.add(event, **{"received_ms": START + 10 * HOUR, **common})
    fold(tx, ledger.facts)
    return ledger


def told(tx: Connection) -> list[tuple[int, int | None, int]]:
    rows = tx.execute(select(reading).order_by(reading.c.at_ms))
    return [(row.at_ms - START, row.value, row.flags) for row in rows]


def test_readings_faults_included_are_stored_with_the_latest_and_the_hour(tx: Connection) -> None:
    put(tx, block([(0, 412), (10_000, None), (20_000, 430)], base_at_ms=START), received_ms=START + 30_000)
    view = sensor(tx, AIR)

    assert told(tx) == [(0, 412, 0), (10_000, None, FAULT), (20_000, 430, 0)]
    assert view is not None
    assert view.latest is not None
    assert (view.latest.at_ms, view.latest.value, view.latest.known_ms, view.latest.interval_ms) == (
        START + 20_000,
        430,
        START + 30_000,
        10_000,
    )
    hour = tx.execute(select(reading_hour)).mappings().one()
    assert dict(hour) == {
        "sensor": 1, "hour_ms": START, "count": 2, "faults": 1, "min": 412, "max": 430, "sum": 842,
    }  # fmt: skip


def test_an_hour_is_right_when_late_readings_come(tx: Connection) -> None:
    put(tx, block([(0, 500)], base_at_ms=START + 40_000))
    put(tx, block([(0, 100), (HOUR, None)], base_at_ms=START + 20_000))
    put(tx, block([(0, 900)], base_at_ms=START + 60_000))

    rows = tx.execute(select(reading_hour).order_by(reading_hour.c.hour_ms))
    assert [(r.hour_ms - START, r._mapping["count"], r.faults, r.min, r.max, r.sum) for r in rows] == [
        (0, 3, 0, 100, 900, 1_500),
        (HOUR, 0, 1, None, None, 0),
    ]


@pytest.mark.parametrize("values", [[None, 5, 3, 9], [9, None, 3, 5], [3, 9, 5, None]])
def test_an_hour_adds_up_blocks_that_follow_each_other(tx: Connection, values: list[int | None]) -> None:
    for n, value in enumerate(values):
        put(tx, block([(0, value)], base_at_ms=START + n * 1_000))

    hour = tx.execute(select(reading_hour)).mappings().one()
    assert [hour[name] for name in ("count", "faults", "min", "max", "sum")] == [3, 1, 3, 9, 17]


def test_a_late_block_does_not_become_the_latest(tx: Connection) -> None:
    put(tx, block([(0, 500)], base_at_ms=START + HOUR))
    put(tx, block([(0, 100)], base_at_ms=START))
    view = sensor(tx, AIR)

    assert view is not None
    assert view.latest is not None
    assert view.latest.value == 500


def test_p3_an_equal_reading_of_another_block_has_no_effect(tx: Connection) -> None:
    put(tx, block([(0, 1), (10_000, 2)], base_at_ms=START), block([(0, 2), (10_000, 3)], base_at_ms=START + 10_000))

    assert told(tx) == [(0, 1, 0), (10_000, 2, 0), (20_000, 3, 0)]
    assert tx.execute(select(reading_conflict)).all() == []


@pytest.mark.parametrize("swap", [False, True])
def test_of_two_values_the_lower_identity_holds_and_the_other_is_kept_and_reported(tx: Connection, swap: bool) -> None:
    ledger = Ledger()
    for value in (1, 2):
        ledger.add(block([(0, value)], base_at_ms=START))
    fold(tx, ledger.facts[::-1] if swap else ledger.facts)
    lower, higher = sorted(ledger.facts, key=lambda known: known.fact_id)
    by_id = {known.fact_id: n for n, known in enumerate(ledger.facts, 1)}

    assert told(tx) == [(0, by_id[lower.fact_id], 0)]
    kept = tx.execute(select(reading_conflict)).one()
    assert (kept.fact_id, kept.value) == (higher.fact_id, by_id[higher.fact_id])
    report = tx.execute(select(incident)).mappings().one()
    assert (report["kind"], report["device"], report["count"]) == ("reading_conflict", "van-1", 1)
    view = sensor(tx, AIR)
    assert view is not None
    assert view.conflicts == 1


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_thinned_block_never_displaces_the_full_one_it_stands_for(tx: Connection, order: tuple[int, ...]) -> None:
    ledger = Ledger()
    full = ledger.add(block([(0, 1), (10_000, 2), (20_000, 3)], base_at_ms=START))
    ledger.add(block([(0, 1), (20_000, 3)], base_at_ms=START, replaces=full.fact_id, flags=THINNED))
    fold(tx, [ledger.facts[n] for n in order])

    assert told(tx) == [(0, 1, 0), (10_000, 2, 0), (20_000, 3, 0)]


def test_p8_a_clock_fix_moves_readings_hours_and_latest_of_its_boot(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(
        block([(0, 5), (10_000, 7)], base_at_ms=99, base_mono_ms=60_000),
        at_ms=99,
        mono_ms=70_000,
        clock=Clock.FREE,
        received_ms=START + 5 * HOUR,
    )
    fold(tx, ledger.facts)
    assert told(tx) == [(5 * HOUR - 10_000, 5, 0), (5 * HOUR, 7, 0)]
    ledger.add(fix(START, 0), mono_ms=80_000)
    fold(tx, ledger.facts[1:])

    assert told(tx) == [(60_000, 5, 0), (70_000, 7, 0)]
    assert [row.hour_ms for row in tx.execute(select(reading_hour))] == [START]
    view = sensor(tx, AIR)
    assert view is not None
    assert view.latest is not None
    assert (view.latest.at_ms, view.latest.source) == (START + 70_000, TimeSource.HUB_FIX)


def test_f090_blocks_of_a_clock_ahead_do_not_overlap_and_are_not_in_the_future(tx: Connection) -> None:
    ledger = Ledger()
    for n in range(3):
        ledger.add(
            block([(0, n), (10_000, n)], base_at_ms=T0 * 2 + n * 20_000, base_mono_ms=n * 20_000),
            at_ms=T0 * 2,
            mono_ms=n * 20_000 + 10_000,
            received_ms=START + HOUR,
        )
    fold(tx, ledger.facts)

    assert told(tx) == [(HOUR - 50_000 + n * 10_000, n // 2, 0) for n in range(6)]


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (block([(0, 1)], sensor_id="van-2.probe.air"), "speaks for sensor 'van-2.probe.air'"),
        (block([(5, 1)]), "not in order of time"),
        (block([(0, 1), (9, 1), (4, 1)]), "not in order of time"),
        (block([(0, 1), (2**52, 1)]), "more than the time since 1970"),
        (block([(0, 1)], sensor_id="van-1"), "speaks for sensor 'van-1'"),
        (structs.replace(block([(0, 1)]), columns=b"\x00"), "its count needs 3"),
    ],
)
def test_f061_a_block_that_cannot_be_meant_is_refused_with_its_reason(
    tx: Connection, event: Readings, why: str
) -> None:
    known = Ledger().add(event)

    with pytest.raises(ProjectionError, match=why):
        ColdChainProjection().fold(tx, [known])


def test_two_readings_of_one_instant_in_a_block_are_both_kept(tx: Connection) -> None:
    put(tx, block([(0, 1), (0, 2)], base_at_ms=START))

    assert told(tx) == [(0, 1, 0)]
    assert tx.execute(select(reading_conflict.c.value)).all() == [(2,)]


def test_p3_a_block_that_is_folded_again_counts_once(tx: Connection) -> None:
    ledger = put(tx, block([(0, 1), (10_000, 2)], base_at_ms=START))
    before = dump(tx)
    fold(tx, ledger.facts)

    assert dump(tx) == before


# -- queries ---------------------------------------------------------------------------------------------------------------


def test_a_live_value_is_shown_until_the_ledger_has_a_newer_one(tx: Connection) -> None:
    put(tx, block([(0, 1)], base_at_ms=START), received_ms=START + 20_000)
    view, ahead = sensor(tx, AIR), Ahead()
    assert view is not None
    kept = Seen(START, 1, 10_000, START + 20_000, START + 20_000)
    assert view.seen(ahead) == kept
    ahead.take({AIR: LiveReading("van-1", START + 30_000, START + 31_000, 7)})
    assert view.seen(ahead) == Seen(START + 30_000, 7, 10_000, START + 31_000, START + 31_000, kept=False)
    ahead.take({AIR: LiveReading("van-1", START - 1, START + 40_000, 5)})
    assert view.seen(ahead) == Seen(START, 1, 10_000, START + 40_000, START + 20_000)
    ahead.hear("van-1", START + 50_000)
    assert view.seen(ahead).contact_ms == START + 50_000


def test_the_oldest_reading_says_how_far_a_chart_can_reach_back(tx: Connection) -> None:
    put(tx, block([(0, 500)], base_at_ms=START + HOUR), block([(0, 1), (10_000, 2)], base_at_ms=START))

    assert (measured_since(tx, AIR), measured_since(tx, "nobody")) == (START, None)


def test_sensors_are_listed_by_id_and_found_by_place(tx: Connection) -> None:
    names = [f"van-1.probe.s{n}" for n in range(5)]
    put(tx, *[block([(0, 1)], base_at_ms=START, sensor_id=name) for name in names])
    tx.execute(insert(device).values(id="van-1", key=b"", place="Depot 100%", enrolled_ms=0))
    first = sensors_page(tx, SensorFilters(q="100%"), None, 3)
    rest = sensors_page(tx, SensorFilters(q="100%"), first.next_cursor, 3)

    assert [view.id for view in first.items + rest.items] == names
    assert rest.next_cursor is None
    assert sensors_page(tx, SensorFilters(q="100_")).items == ()
    assert [view.place for view in sensors_page(tx, SensorFilters(q="S3")).items] == ["Depot 100%"]


def test_a_chart_shows_where_nothing_was_measured(tx: Connection) -> None:
    put(tx, block([(0, 1), (10_000, 2), (60_000, 3)], base_at_ms=START))
    chart = sensor_readings(tx, AIR, START, START + HOUR)

    assert ([point.value for point in chart.points], chart.gaps) == ([1, 2, 3], ((START + 10_000, START + 60_000),))


def test_thinned_readings_are_no_gap(tx: Connection) -> None:
    put(tx, block([(0, 1), (60_000, 3)], base_at_ms=START, flags=THINNED, replaces=b"r" * 32))

    assert sensor_readings(tx, AIR, START, START + HOUR).gaps == ()


def test_a_chart_over_weeks_is_drawn_from_hours_with_their_extremes(tx: Connection) -> None:
    put(tx, block([(n * 600_000, (n * 7) % 13) for n in range(24)], base_at_ms=START, interval_ms=600_000))
    chart = sensor_readings(tx, AIR, START, START + 30 * 24 * HOUR)

    assert (chart.resolution_ms, chart.readings, chart.gaps) == (HOUR, 24, ())
    assert [(p.at_ms - START) // HOUR for p in chart.points] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (min(p.value or 0 for p in chart.points), max(p.value or 0 for p in chart.points)) == (0, 12)


def test_an_unknown_sensor_has_an_empty_chart(tx: Connection) -> None:
    assert sensor_readings(tx, "nobody.x.y", START, START + HOUR).points == ()
