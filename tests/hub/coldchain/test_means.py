"""Means over windows: what counts, and which gaps are named to a person."""

from hypothesis import given
from hypothesis import strategies as st

from contract.coldchain.findings import NoData
from contract.coldchain.mkt import Window, mkt
from hub.coldchain.means import means

HOUR_MS = 3_600_000


def test_only_gaps_of_a_second_and_more_are_named() -> None:
    readings = [(at_ms, 500) for at_ms in range(400, HOUR_MS // 2, 60_000)]
    mean, _ = means(readings, 0, HOUR_MS, no_data_s=900)

    assert mean.result.no_data[0] == NoData(0, 400)
    assert mean.gaps == mean.result.no_data[1:]
    assert len(mean.gaps) == 1


@given(
    st.lists(st.tuples(st.integers(52 * 60, 60 * 60), st.none() | st.integers(-500, 3_000)), max_size=40),
    st.sampled_from([60, 900, 7_200]),
)
def test_mean_of_a_day_is_the_same_whatever_was_measured_long_before(
    minutes: list[tuple[int, int | None]], no_data_s: int
) -> None:
    readings = sorted((60_000 * minute, value) for minute, value in dict(minutes).items())
    end_ms = 80 * HOUR_MS
    (day,) = means(readings, 0, end_ms, no_data_s, [Window.DAY])

    assert day.result == mkt(readings, end_ms - 24 * HOUR_MS, end_ms, no_data_s=no_data_s)
