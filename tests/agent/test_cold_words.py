"""How judged sensors are shown: budgets in words a person can act on."""

import pytest

from agent.cold_words import budget_words, sensor_json, sensor_lines
from agent.when import span
from contract.coldchain.findings import Budget
from contract.local import ColdState, OpenAlarm, SensorCold

HOUR_MS = 3_600_000


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (0, "0 s"),
        (999, "0 s"),
        (59_999, "59 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (HOUR_MS + 1_000, "1 h"),
        (2 * HOUR_MS + 659_999, "2 h 10 min"),
        (26 * HOUR_MS, "1 d 2 h"),
    ],
)
def test_span_has_its_two_largest_units_and_is_never_rounded_up(ms: int, words: str) -> None:
    assert span(ms) == words


@pytest.mark.parametrize(
    ("used_ms", "allowed_ms", "words"),
    [
        (21_000_000, 8 * HOUR_MS, "2 h 10 min of 8 h left"),
        (9 * HOUR_MS, 8 * HOUR_MS, "nothing of 8 h left"),
        (0, 0, "no time allowed"),
    ],
)
def test_budget_says_what_is_left_of_what(used_ms: int, allowed_ms: int, words: str) -> None:
    assert budget_words(Budget("warm", used_ms, allowed_ms)) == words


def test_sensor_is_shown_with_its_state_budgets_and_alarms() -> None:
    alarm = OpenAlarm("0123", "warm", 1_700_000_000_000, 931, acknowledged=True)
    cold = SensorCold("van-1.probe.air", "fridge", ColdState.ABOVE, (Budget("warm", 660_000, 600_000),), (alarm,))

    assert list(sensor_lines(cold)) == [
        "van-1.probe.air (fridge): above its limit; warm: nothing of 10 min left",
        "  alarm 0123: van-1.probe.air warm since 2023-11-14T22:13:20.000Z, at worst 9.31, acknowledged",
    ]
    assert sensor_json(cold) == {
        "sensor": "van-1.probe.air",
        "profile": "fridge",
        "state": "above",
        "budgets": [{"limit": "warm", "used_s": 660, "allowed_s": 600, "left_s": 0, "words": "nothing of 10 min left"}],
        "alarms": [
            {
                "alarm": "0123",
                "limit": "warm",
                "started_at": "2023-11-14T22:13:20.000Z",
                "extreme": 931,
                "acknowledged": True,
            }
        ],
    }
