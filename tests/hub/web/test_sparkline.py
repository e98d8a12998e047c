"""A day in a line."""

import re

from hypothesis import given
from hypothesis import strategies as st

from hub.pages.sparkline import HEIGHT, HOURS, STEP, sparkline

VALUES = st.integers(-5_000, 5_000)
HOUR_VALUES = st.tuples(VALUES, VALUES).map(sorted)


@given(st.lists(HOUR_VALUES, min_size=1, max_size=HOURS), st.none() | VALUES, st.none() | VALUES)
def test_every_stroke_stays_in_the_picture(hours: list[list[int]], low: int | None, high: int | None) -> None:
    drawn = sparkline([(hour, one[0], one[1]) for hour, one in enumerate(hours)], low, high)
    strokes = re.findall(r"M(\d+) (-?\d+)V(-?\d+)", drawn)
    assert len(strokes) == len(hours)
    for x, top, foot in strokes:
        assert 0 <= int(x) <= HOURS * STEP
        assert 0 <= int(top) < int(foot) <= HEIGHT
    assert all(0 <= int(y) <= HEIGHT for y in re.findall(r"M0 (-?\d+)H", drawn))


def test_without_values_there_is_no_picture_and_hours_without_values_stay_blank() -> None:
    assert sparkline([]) == ""
    assert re.findall(r"M(\d+) ", sparkline([(0, 500, 500), (23, 510, 510)])) == ["2", "94"]


def test_a_limit_that_would_flatten_the_values_is_left_out() -> None:
    assert 'class="l"' in sparkline([(0, 500, 600)], 400, 700)
    assert 'class="l"' not in sparkline([(0, 500, 600)], -4_000, 4_000)
