"""The mean kinetic temperature beyond the reference values, which the document holds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.coldchain.findings import NoData
from contract.coldchain.mkt import Mkt, Window, mkt

HOUR_MS = 3_600_000
VALUES = st.integers(-8_000, 6_000)


def test_windows_are_a_day_and_thirty() -> None:
    assert {window: window.span_ms for window in Window} == {"24h": 24 * HOUR_MS, "30d": 30 * 24 * HOUR_MS}


def test_value_weighs_for_the_time_that_it_held_and_not_for_how_often_it_was_read() -> None:
    rarely = mkt([(0, 500), (18 * HOUR_MS, 1_400)], 0, 24 * HOUR_MS, no_data_s=18 * 3_600)
    often = [(minute * 60_000, 1_400 if minute >= 18 * 60 else 500) for minute in range(24 * 60)]

    assert rarely.value_c == mkt(often, 0, 24 * HOUR_MS, no_data_s=18 * 3_600).value_c
    assert f"{rarely.value_c:.3f}" == "8.285"


def test_stretches_without_data_are_left_out_and_named() -> None:
    readings = [(HOUR_MS, 500), (2 * HOUR_MS, 1_400), (5 * HOUR_MS, 500), (6 * HOUR_MS, None)]

    found = mkt(readings, 0, 8 * HOUR_MS, no_data_s=3_600)

    assert found == Mkt(
        0,
        8 * HOUR_MS,
        pytest.approx(5.0),
        83.144,
        HOUR_MS,
        (NoData(0, HOUR_MS), NoData(2 * HOUR_MS, 5 * HOUR_MS), NoData(5 * HOUR_MS, 8 * HOUR_MS)),
    )


def test_nothing_measured_has_no_mean() -> None:
    assert mkt([], 0, HOUR_MS) == Mkt(0, HOUR_MS, None, 83.144, 0, (NoData(0, HOUR_MS),))


def test_no_time_has_no_mean() -> None:
    assert mkt([(0, 500)], 0, 0) == Mkt(0, 0, None, 83.144, 0, ())


def test_what_is_not_above_absolute_zero_was_not_measured() -> None:
    found = mkt([(0, -27_315), (600_000, 500)], 0, 1_200_000)

    assert (found.value_c, found.known_ms) == (pytest.approx(5.0), 600_000)


def test_deep_cold_and_a_large_activation_energy_do_not_underflow() -> None:
    found = mkt([(0, -19_600), (600_000, -19_500)], 0, 1_200_000, delta_h_kj_per_mol=1_000.0)

    assert found.value_c is not None
    assert -196.0 < found.value_c < -195.0
    assert found.delta_h_kj_per_mol == 1_000.0


@pytest.mark.parametrize("energy", [0.0, -1.0, math.nan, math.inf])
def test_activation_energy_that_cannot_be_is_refused(energy: float) -> None:
    with pytest.raises(ValueError, match="expected a number above 0"):
        mkt([(0, 500)], 0, HOUR_MS, delta_h_kj_per_mol=energy)


@given(st.lists(VALUES, min_size=1, max_size=30))
def test_mean_is_between_the_extremes_and_not_below_the_arithmetic_mean(values: list[int]) -> None:
    readings = [(nr * 60_000, value) for nr, value in enumerate(values)]

    found = mkt(readings, 0, len(values) * 60_000).value_c

    assert found is not None
    assert min(values) / 100 - 1e-9 <= found <= max(values) / 100 + 1e-9
    # Warm time ages more than cold time spares, as far as the exponential is convex (far below its energy in kelvin).
    assert found >= sum(values) / len(values) / 100 - 1e-9


@given(st.lists(VALUES, min_size=1, max_size=30))
def test_mean_does_not_depend_on_the_order_of_equal_times(values: list[int]) -> None:
    shuffled = sorted(values)

    first, second = (
        mkt([(nr * 60_000, value) for nr, value in enumerate(order)], 0, len(order) * 60_000).value_c
        for order in (values, shuffled)
    )

    assert first == second
