"""The same excursions in any order of arrival, the same history in groups of any size, and what a plain judgement finds."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from contract.coldchain.engine import Finding, advance, begin, key, open_findings
from contract.coldchain.findings import Excursion
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.event import Decision
from contract.fact import Clock
from hub.coldchain.tables import excursion, reading
from hub.projector import LedgerFact
from tests.hub.folding import T0, Ledger, block, engine, fix, fold, folded

MINUTE = 60_000
HOUR = 60 * MINUTE
START = T0 - T0 % HOUR
AIR, DOOR = "van-1.probe.air", "van-1.probe.door"
BOOTS = (b"a" * 16, b"b" * 16)
LIMITS = (
    Limit("warm", Side.ABOVE, 800, Rule.SINGLE, 20 * 60),
    Limit("hot", Side.ABOVE, 1_000),
    Limit("cold", Side.BELOW, 200, Rule.CUMULATIVE, 30 * 60, inclusive=True),
)
BOX = Profile("box", LIMITS, no_data_s=15 * 60)
TIGHT = Profile("box", (*LIMITS[:1], Limit("hot", Side.ABOVE, 900)), no_data_s=10 * 60)
OTHER = Profile("other", (Limit("warm", Side.ABOVE, 700),), no_data_s=30 * 60)
VALUES = (None, 150, 200, 500, 500, 750, 801, 950, 1_200)


def define(profile: Profile) -> Decision:
    return Decision("profile.define", (), "m.ito", "", profile.name, msgspec.json.encode(profile).decode())


def assign(sensor: str, profile: str | None, from_ms: int) -> Decision:
    detail = msgspec.json.encode({"profile": profile, "from_ms": from_ms}).decode()
    return Decision("sensor.assign", (), "m.ito", "", sensor, detail)


def anew(sensor: str) -> Decision:
    return Decision("sensor.judge_anew", (), "m.ito", "", sensor, '{"profile": "box"}')


@st.composite
def told(draw: st.DrawFn, *, decide: bool) -> list[LedgerFact]:
    """Blocks of two boots that overlap, contradict and leave gaps; clock fixes; profiles that are defined and assigned."""
    ledger = Ledger()
    received_ms = START + 24 * HOUR
    ledger.add(define(BOX), device="hub", received_ms=received_ms)
    ledger.add(define(OTHER), device="hub", received_ms=received_ms)
    ledger.add(assign(AIR, "box", START), device="hub", received_ms=received_ms)
    kinds = ["block", "block", "block", "fix", *(["assign", "define", "anew"] * decide)]
    for _ in range(draw(st.integers(1, 10))):
        received_ms += draw(st.sampled_from([0, 0, MINUTE, MINUTE, -MINUTE]))
        boot = draw(st.sampled_from(BOOTS))
        minute = draw(st.integers(-20, 240))
        at_ms = START + minute * MINUTE
        common: dict[str, Any] = {"received_ms": received_ms, "boot": boot, "at_ms": at_ms}
        kind = draw(st.sampled_from(kinds))
        if kind == "block":
            steps = draw(st.lists(st.sampled_from([1, 5, 5, 5, 14, 40]), min_size=0, max_size=8))
            offsets = [0]
            for step in steps:
                offsets.append(offsets[-1] + step * MINUTE)
            values = [draw(st.sampled_from(VALUES)) for _ in offsets]
            sensor = draw(st.sampled_from([AIR, AIR, DOOR]))
            lost = draw(st.integers(0, 9)) == 0
            base_at_ms = 9_000 if lost else at_ms
            mono_ms = HOUR + minute * MINUTE
            told = block(
                list(zip(offsets, values, strict=True)),
                base_at_ms=base_at_ms, base_mono_ms=mono_ms, sensor_id=sensor, interval_ms=5 * MINUTE,
            )  # fmt: skip
            clock = draw(st.sampled_from(Clock))
            ledger.add(told, **{**common, "at_ms": base_at_ms, "mono_ms": mono_ms + offsets[-1], "clock": clock})
        elif kind == "fix":
            shift = draw(st.sampled_from([0, 0, 7, -45])) * MINUTE
            ledger.add(fix(START + shift + 60 * MINUTE, 2 * HOUR, 500, boot), **{**common, "mono_ms": 5 * HOUR})
        elif kind == "assign":
            sensor, name = draw(st.sampled_from([AIR, DOOR])), draw(st.sampled_from(["box", "other", "nobody", None]))
            ledger.add(assign(sensor, name, at_ms), device="hub", received_ms=received_ms)
        elif kind == "anew":
            ledger.add(anew(draw(st.sampled_from([AIR, DOOR]))), device="hub", received_ms=received_ms)
        elif kind == "define":
            ledger.add(define(draw(st.sampled_from([BOX, TIGHT, OTHER]))), device="hub", received_ms=received_ms)
    return ledger.facts


def holding(tx: Connection) -> list[tuple[Any, ...]]:
    c = excursion.c
    query = select(c.sensor, c.kind, c.limit_name, c.started_ms, c.alarm_ms, c.ended_ms, c.extreme, c.beyond_ms)
    rows = tx.execute(query.where(c.withdrawn == 0).order_by(c.started_ms, c.limit_name))
    return [tuple(row) for row in rows]


def excursions_of(
    batches: Iterable[Sequence[LedgerFact]],
) -> tuple[list[tuple[Any, ...]], list[tuple[int, int | None]]]:
    """What holds at the end, and the readings."""
    made = engine()
    try:
        with made.begin() as tx:
            for facts in batches:
                fold(tx, facts)
            rows = tx.execute(select(reading.c.at_ms, reading.c.value).order_by(reading.c.at_ms))
            return holding(tx), [(row.at_ms, row.value) for row in rows]
    finally:
        made.dispose()


@settings(max_examples=40, deadline=None)
@given(told(decide=False), st.randoms(use_true_random=False), st.integers(1, 4))
def test_p3_excursions_that_hold_are_the_same_in_any_order_of_arrival(
    facts: list[LedgerFact], random: Any, size: int
) -> None:
    # The two profiles; one that is defined after it was assigned judges only where that is stated.
    defined, shuffled = facts[:2], facts[2:]
    random.shuffle(shuffled)
    shuffled = defined + shuffled
    batches = [shuffled[start : start + size] for start in range(0, len(shuffled), size)]

    assert excursions_of(batches)[0] == excursions_of([facts])[0]


@settings(max_examples=40, deadline=None)
@given(told(decide=True), st.lists(st.integers(1, 40), max_size=40))
def test_p3_groups_of_any_size_give_the_same_rows_with_the_same_history(
    facts: list[LedgerFact], borders: list[int]
) -> None:
    cuts = sorted({0, len(facts), *(cut for cut in borders if cut < len(facts))})
    batches = [facts[start:end] for start, end in pairwise(cuts)]

    assert folded(batches) == folded([facts])


@settings(max_examples=40, deadline=None)
@given(told(decide=False))
def test_what_holds_is_what_a_judgement_of_the_whole_history_finds(facts: list[LedgerFact]) -> None:
    facts = [known for known in facts if getattr(known.fact.event, "sensor", AIR) == AIR]
    found, readings = excursions_of([[known] for known in facts])
    last_ms = max((at_ms for at_ms, _ in readings if at_ms >= START), default=None)
    if last_ms is None:
        assert found == []
        return
    course = begin(BOX, START)
    judged: dict[tuple[str, int], Finding] = {}
    for at_ms, value in readings:
        if at_ms >= START:
            course, changed = advance(BOX, course, at_ms, value)
            judged |= {key(finding): finding for finding in changed}
    judged |= {key(finding): finding for finding in open_findings(BOX, course)}
    assert sorted(found, key=repr) == sorted((_row(finding, last_ms) for finding in judged.values()), key=repr)


def _row(finding: Finding, last_ms: int) -> tuple[Any, ...]:
    if isinstance(finding, Excursion):
        e = finding
        return (AIR, "excursion", e.limit, e.started_ms, e.alarm_ms, e.ended_ms, e.extreme, e.beyond_ms)
    to_ms = finding.to_ms
    return (AIR, "no_data", "", finding.from_ms, None, to_ms, None, (to_ms or last_ms) - finding.from_ms)
