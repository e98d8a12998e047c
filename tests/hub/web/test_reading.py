"""What a figure may claim, by its age and its device's contact."""

import pytest

from hub.fleet.freshness import SILENT_AFTER_MS
from hub.web.formats import age, count, hundredths, span
from hub.web.i18n import Words
from hub.web.reading import ReadingState, Seen, allowed_ms, state_of

NOW = 1_780_000_000_000
EVERY = 10_000
ALLOWED = allowed_ms(EVERY)


@pytest.mark.parametrize(
    ("at", "value", "contact", "state"),
    [
        (0, 512, 0, ReadingState.FRESH),
        (0, 0, 0, ReadingState.FRESH),
        (0, None, 0, ReadingState.FAULT),
        (ALLOWED, 512, ALLOWED, ReadingState.FRESH),
        (ALLOWED + 1, 512, ALLOWED, ReadingState.LATE),
        (ALLOWED + 1, None, ALLOWED, ReadingState.LATE),
        (ALLOWED + 1, 512, 0, ReadingState.LOST),
        (None, None, 0, ReadingState.LOST),
        (SILENT_AFTER_MS, 512, SILENT_AFTER_MS + 1, ReadingState.SILENT),
        (0, None, SILENT_AFTER_MS + 1, ReadingState.SILENT),
        (None, None, None, ReadingState.SILENT),
    ],
)
def test_a_silent_device_a_lost_sensor_and_a_fault_are_told_apart(
    at: int | None, value: int | None, contact: int | None, state: ReadingState
) -> None:
    seen = Seen(
        at_ms=None if at is None else NOW - at,
        value=value,
        every_ms=EVERY,
        contact_ms=None if contact is None else NOW - contact,
    )
    assert state_of(seen, NOW) is state


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


def test_what_a_wrong_clock_dates_into_the_future_is_not_younger_than_now() -> None:
    assert age(Words("en"), NOW + 5_000, NOW) == "0 s"


def test_thousands_are_set_apart() -> None:
    assert count(1_234_567) == "1\u2009234\u2009567"
