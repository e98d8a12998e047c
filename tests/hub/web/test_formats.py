"""Figures as people read them."""

import pytest

from hub.web.formats import age, count, duration, hundredths, in_words, room, span
from hub.web.i18n import Words

NOW = 1_780_000_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (512, "5.1"),
        (515, "5.2"),
        (-515, "\u22125.2"),
        (-4, "0.0"),
        (0, "0.0"),
        (-1820, "\u221218.2"),
        (99_995, "1000.0"),
    ],
)
def test_a_reading_has_one_decimal_and_a_true_minus(value: int, text: str) -> None:
    assert hundredths(value) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 s"), (59_999, "59 s"), (60_000, "1 min"), (3_599_999, "59 min"), (3_600_000, "1 h"), (172_800_000, "2 d")],
)
def test_a_length_of_time_is_told_in_the_unit_that_says_enough(ms: int, text: str) -> None:
    assert span(Words("en"), ms) == text


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (-5, "0 s"),
        (59_999, "59 s"),
        (2_460_000, "41 min"),
        (3_600_000, "1 h"),
        (7_800_000, "2 h 10 min"),
        (172_740_000, "47 h 59 min"),
        (172_800_000, "2 d"),
        (187_200_000, "2 d 4 h"),
    ],
)
def test_what_is_counted_against_an_allowance_is_told_to_the_minute(ms: int, text: str) -> None:
    assert duration(Words("en"), ms) == text


def test_what_a_wrong_clock_dates_into_the_future_is_not_younger_than_now() -> None:
    assert age(Words("en"), NOW + 5_000, NOW) == "0 s"


def test_thousands_are_set_apart() -> None:
    assert count(1_234_567) == "1\u2009234\u2009567"


@pytest.mark.parametrize(
    ("room_s", "text"), [(None, "plenty"), (86_400 * 365, "365 d"), (4_831_056_000, "over 1 year"), (3_600, "1 h")]
)
def test_room_for_longer_than_a_year_is_no_figure_of_days(room_s: int | None, text: str) -> None:
    assert room(Words("en"), room_s) == text


def test_a_technical_name_is_a_title_in_words() -> None:
    assert in_words("van-1_rear") == "Van 1 rear"
