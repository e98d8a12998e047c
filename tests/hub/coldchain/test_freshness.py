"""What a figure may claim, by its age and its device's contact."""

from collections import Counter

import pytest

from contract.limits import DEFAULT_SEAL_S, HELLO_INTERVAL_MS, HELLO_JITTER
from hub.coldchain.freshness import Freshness, Seen, allowed_ms, freshness_of, sensor_counts
from hub.fleet.freshness import SILENT_AFTER_MS

NOW = 1_780_000_000_000
EVERY = 10_000
ALLOWED = allowed_ms(EVERY)
HEARD = 60_000


@pytest.mark.parametrize(
    ("at", "value", "contact", "state"),
    [
        (0, 512, 0, Freshness.FRESH),
        (0, 0, 0, Freshness.FRESH),
        (0, None, 0, Freshness.FAULT),
        (ALLOWED, 512, HEARD, Freshness.FRESH),
        (ALLOWED + 1, 512, HEARD, Freshness.LATE),
        (ALLOWED + 1, None, HEARD, Freshness.LATE),
        (ALLOWED + 1, 512, 0, Freshness.LOST),
        (None, None, 0, Freshness.LOST),
        (SILENT_AFTER_MS, 512, SILENT_AFTER_MS + 1, Freshness.SILENT),
        (0, None, SILENT_AFTER_MS + 1, Freshness.SILENT),
        (None, None, None, Freshness.SILENT),
    ],
)
def test_a_silent_device_a_lost_sensor_and_a_fault_are_told_apart(
    at: int | None, value: int | None, contact: int | None, state: Freshness
) -> None:
    seen = Seen(
        at_ms=None if at is None else NOW - at,
        value=value,
        every_ms=EVERY,
        contact_ms=None if contact is None else NOW - contact,
    )
    assert freshness_of(seen, NOW) is state


def test_counts_follow_the_same_rule() -> None:
    fresh, late, silent = (
        Seen(NOW, 5, EVERY, NOW),
        Seen(NOW - ALLOWED - 1, 5, EVERY, NOW - 5_000),
        Seen(None, None, None, None),
    )

    assert sensor_counts([fresh, silent, late, fresh], NOW) == Counter(
        {Freshness.FRESH: 2, Freshness.LATE: 1, Freshness.SILENT: 1}
    )


def test_silence_is_said_as_soon_as_a_hello_and_its_repetitions_are_overdue() -> None:
    assert HELLO_INTERVAL_MS * (1 + HELLO_JITTER) + 15_000 == SILENT_AFTER_MS == 87_000


def test_a_reading_that_is_sealed_and_sent_in_time_never_counts_as_lost() -> None:
    sealed_and_sent = DEFAULT_SEAL_S * 1000 + EVERY
    seen = Seen(NOW - sealed_and_sent, 512, EVERY, NOW)

    assert freshness_of(seen, NOW) is Freshness.FRESH
