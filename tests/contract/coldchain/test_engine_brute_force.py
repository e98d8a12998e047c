"""The engine against the judge that looks at every minute."""

from itertools import accumulate, pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contract.coldchain.engine import Course, advance, advance_block, begin, budgets, conclude, judge, standing
from contract.coldchain.hold import Reading
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.errors import IllegalTransition
from tests.contract.coldchain.brute_force import MINUTE_MS, judge_by_the_minute

VALUES = st.sampled_from([-60, -50, 0, 50, 199, 200, 201, 500, 799, 800, 801, 1_200])
MINUTES = st.integers(0, 40)


@st.composite
def limits(draw: st.DrawFn) -> tuple[Limit, ...]:
    dual_s = draw(MINUTES) * 60
    made = []
    for nr in range(draw(st.integers(0, 4))):
        side = draw(st.sampled_from(Side))
        rule = draw(st.sampled_from(Rule))
        threshold = draw(st.sampled_from([800, 1_000] if side is Side.ABOVE else [200, 0]))
        allowed_s = dual_s if rule is Rule.DUAL else draw(MINUTES) * 60
        made.append(Limit(f"limit {nr}", side, threshold, rule, allowed_s, inclusive=draw(st.booleans())))
    return tuple(made)


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    return Profile(
        "any", draw(limits()), ignore_first_s=draw(st.integers(0, 30)) * 60, no_data_s=draw(st.integers(1, 30)) * 60
    )


@st.composite
def tight_profiles(draw: st.DrawFn) -> Profile:
    """Few durations that fall together with the steps of a day, and hardly any ignored."""
    span_s = st.sampled_from([0, 300, 600, 900])
    dual_s = draw(span_s)
    made = [
        Limit("above 8", Side.ABOVE, 800, draw(st.sampled_from(Rule)), draw(span_s), inclusive=draw(st.booleans())),
        Limit("below 2", Side.BELOW, 200, draw(st.sampled_from(Rule)), draw(span_s), inclusive=draw(st.booleans())),
    ]
    equal = tuple(replace(limit, allowed_s=dual_s) if limit.rule is Rule.DUAL else limit for limit in made)
    # Without a limit below, freezing is all that a cold value does.
    return Profile(
        "tight", equal[: draw(st.integers(1, 2))], ignore_first_s=draw(st.sampled_from([0, 0, 300])), no_data_s=600
    )


@st.composite
def tight_days(draw: st.DrawFn) -> dict[int, int | None]:
    """Readings five minutes apart, with steps that are just as far as one may be, and just too far."""
    steps = draw(st.lists(st.sampled_from([5, 5, 5, 10, 11]), min_size=1, max_size=30))
    values = st.sampled_from([500, 500, 900, 900, 800, 200, 100, -60, 60, None])
    return {minute: draw(values) for minute in accumulate(steps)}


READINGS = st.dictionaries(st.integers(0, 240), st.none() | VALUES, max_size=40)


def in_order(readings: dict[int, int | None]) -> list[Reading]:
    return [(minute * MINUTE_MS, readings[minute]) for minute in sorted(readings)]


@settings(max_examples=400)
@given(profiles(), READINGS, st.integers(0, 30), st.integers(0, 250))
def test_judgement_is_that_of_the_judge_by_the_minute(
    profile: Profile, readings: dict[int, int | None], start: int, length: int
) -> None:
    inside = {minute: value for minute, value in readings.items() if minute >= start}

    found = judge(profile, in_order(inside), start * MINUTE_MS, (start + length) * MINUTE_MS)

    assert found == judge_by_the_minute(profile, inside, start, start + length)
    assert found.above_ms + found.below_ms + found.inside_ms + found.no_data_ms + found.ignored_ms == length * MINUTE_MS


@given(profiles(), READINGS, st.integers(1, 240), st.integers(0, 100))
def test_value_from_before_counts_at_the_beginning_where_it_still_holds(
    profile: Profile, readings: dict[int, int | None], start: int, length: int
) -> None:
    to = start + length
    values = sorted(minute for minute, value in readings.items() if value is not None and minute <= to)
    before = max((minute for minute in values if minute < start), default=None)
    behind = min((minute for minute in values if minute >= start), default=to)
    seen = {minute: value for minute, value in readings.items() if minute >= start}
    if before is not None and behind > start and (behind - before) * 60 <= profile.no_data_s:
        seen[start] = readings[before]

    found = judge(profile, in_order(readings), start * MINUTE_MS, to * MINUTE_MS)

    assert found == judge_by_the_minute(profile, seen, start, to)


def one_by_one(profile: Profile, course: Course, readings: list[Reading]) -> tuple[Course, list[object]]:
    changed: list[object] = []
    for at_ms, value in readings:
        course, found = advance(profile, course, at_ms, value)
        changed += found
    return course, changed


@settings(max_examples=1_000)
@given(tight_profiles(), tight_days(), st.sampled_from([0, 5, 10, 11]))
def test_judgement_agrees_where_durations_and_steps_coincide(
    profile: Profile, readings: dict[int, int | None], after: int
) -> None:
    to = max(readings) + after

    assert judge(profile, in_order(readings), 0, to * MINUTE_MS) == judge_by_the_minute(profile, readings, 0, to)


@settings(max_examples=1_000)
@given(tight_profiles(), tight_days(), st.sampled_from([500, 60, -50, -51, 800, 801]), st.integers(0, 3))
def test_quiet_block_is_judged_as_its_readings_one_by_one(
    profile: Profile, before: dict[int, int | None], value: int, noise: int
) -> None:
    """Blocks of one value with a few others, behind a history that may have left anything open."""
    start = max(before) + 5
    course, _ = one_by_one(profile, begin(profile, 0), in_order(before))
    steps = [5] * 8 + [10, 10, 11][:noise]
    block: list[Reading] = [(minute * MINUTE_MS, value) for minute in accumulate(steps, initial=start)]

    after = advance_block(profile, course, [at for at, _ in block], [told for _, told in block])

    assert (after[0], list(after[1])) == one_by_one(profile, course, block)


@settings(max_examples=400)
@given(profiles(), READINGS, st.lists(st.integers(0, 40), max_size=4), st.booleans())
@example(Profile("none", ()), {0: 500, 1: 500}, [], True)
def test_block_is_judged_as_its_readings_one_by_one(
    profile: Profile, readings: dict[int, int | None], borders: list[int], quiet: bool
) -> None:
    told = [(at_ms, 500 if quiet and value is not None else value) for at_ms, value in in_order(readings)]
    cuts = [0, *sorted({min(border, len(told)) for border in borders}), len(told)]
    course = begin(profile, 0)
    changed: list[object] = []

    for start, end in pairwise(cuts):
        block = told[start:end]
        course, found = advance_block(profile, course, [at for at, _ in block], [value for _, value in block])
        changed += found

    assert (course, changed) == one_by_one(profile, begin(profile, 0), told)


@given(profiles(), READINGS)
def test_course_goes_on_from_its_stored_form(profile: Profile, readings: dict[int, int | None]) -> None:
    course = begin(profile, 0)
    for at_ms, value in in_order(readings):
        stored = msgspec.msgpack.encode(course)
        course, _ = advance(profile, msgspec.msgpack.decode(stored, type=Course), at_ms, value)

    assert course == one_by_one(profile, begin(profile, 0), in_order(readings))[0]


@given(profiles(), READINGS, st.integers(0, 300))
def test_each_change_is_told_when_it_happens(profile: Profile, readings: dict[int, int | None], length: int) -> None:
    seen = {minute: value for minute, value in readings.items() if minute <= length}
    course, changed = one_by_one(profile, begin(profile, 0), in_order(seen))

    summed = conclude(profile, course, changed, length * MINUTE_MS)  # type: ignore[arg-type]  # only findings
    assert summed == judge_by_the_minute(profile, seen, 0, length)
    assert budgets(profile, standing(profile, course, length * MINUTE_MS)) == summed.budgets


@pytest.mark.parametrize("again_ms", [60_000, 59_999, 0])
@pytest.mark.parametrize("value", [500, None])
def test_reading_that_is_not_later_is_refused_and_changes_nothing(again_ms: int, value: int | None) -> None:
    profile = Profile("any", (Limit("above 8", Side.ABOVE, 800),))
    course, _ = advance(profile, begin(profile, 0), 60_000, 500)

    with pytest.raises(IllegalTransition, match="times must rise"):
        advance(profile, course, again_ms, value)
    with pytest.raises(IllegalTransition, match="times must rise"):
        advance_block(profile, course, [again_ms, 120_000], [500, 500])


def test_reading_before_the_beginning_is_refused() -> None:
    profile = Profile("any", ())

    with pytest.raises(IllegalTransition, match="times must rise"):
        advance(profile, begin(profile, 60_000), 59_999, 500)


def test_block_of_unequal_columns_is_refused() -> None:
    profile = Profile("any", ())

    with pytest.raises(ValueError, match="zip"):
        advance_block(profile, begin(profile, 0), [0, 1], [500])
