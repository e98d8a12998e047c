"""Thinned lines still show every extreme."""

from hypothesis import given
from hypothesis import strategies as st

from hub.coldchain.chart import ChartPoint, thin

values = st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=300)


def points_of(told: list[int | None]) -> list[ChartPoint]:
    return [ChartPoint(n * 10, value, 0) for n, value in enumerate(told)]


@given(values, st.integers(4, 60))
def test_thinned_points_keep_both_ends_the_extremes_and_the_order(told: list[int | None], points: int) -> None:
    line = points_of(told)
    kept = thin(line, 0, len(line) * 10, points)
    known = [value for value in told if value is not None]
    shown = [point.value for point in kept if point.value is not None]

    assert (kept[0], kept[-1]) == (line[0], line[-1])
    assert list(kept) == [point for point in line if point in set(kept)]
    assert (min(known, default=0), max(known, default=0)) == (min(shown, default=0), max(shown, default=0))


@given(values)
def test_few_points_are_all_kept(told: list[int | None]) -> None:
    assert thin(points_of(told), 0, 3_000, 300) == tuple(points_of(told))


def test_a_single_fault_among_thousands_is_kept() -> None:
    told = [*[5] * 4_000, None, *[5] * 4_000]

    assert [point.at_ms for point in thin(points_of(told), 0, 80_010, 100) if point.value is None] == [40_000]
