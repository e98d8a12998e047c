"""How judged sensors are shown to people and scripts."""

from collections.abc import Iterable
from typing import Any, Final

from agent.when import rfc3339, span
from contract.coldchain.findings import Budget
from contract.local import ColdState, OpenAlarm, SensorCold

WORDS: Final = {
    ColdState.INSIDE: "inside its limits",
    ColdState.ABOVE: "above its limit",
    ColdState.BELOW: "below its limit",
    ColdState.NO_DATA: "no data",
}


def budget_words(budget: Budget) -> str:
    """What is left of a limit's time."""
    if not budget.allowed_ms:
        return "no time allowed"
    left = span(budget.left_ms) if budget.left_ms else "nothing"
    return f"{left} of {span(budget.allowed_ms)} left"


def alarm_line(sensor: str, alarm: OpenAlarm) -> str:
    """An alarm that lasts."""
    extreme = "" if alarm.extreme is None else f", at worst {alarm.extreme / 100:.2f}"
    heard = ", acknowledged" if alarm.acknowledged else ""
    return f"alarm {alarm.alarm}: {sensor} {alarm.limit} since {rfc3339(alarm.started_at_ms)}{extreme}{heard}"


def sensor_lines(cold: SensorCold) -> Iterable[str]:
    """A judged sensor for a person, its alarms below."""
    left = "".join(f"; {budget.limit}: {budget_words(budget)}" for budget in cold.budgets)
    yield f"{cold.sensor} ({cold.profile}): {WORDS[cold.state]}{left}"
    yield from (f"  {alarm_line(cold.sensor, alarm)}" for alarm in cold.alarms)


def alarm_json(alarm: OpenAlarm) -> dict[str, Any]:
    """An alarm for scripts; the extreme in hundredths."""
    return {
        "alarm": alarm.alarm,
        "limit": alarm.limit,
        "started_at": rfc3339(alarm.started_at_ms),
        "extreme": alarm.extreme,
        "acknowledged": alarm.acknowledged,
    }


def sensor_json(cold: SensorCold) -> dict[str, Any]:
    """A judged sensor for scripts: budgets in seconds and in words."""
    return {
        "sensor": cold.sensor,
        "profile": cold.profile,
        "state": cold.state.value,
        "budgets": [
            {
                "limit": budget.limit,
                "used_s": budget.used_ms // 1000,
                "allowed_s": budget.allowed_ms // 1000,
                "left_s": budget.left_ms // 1000,
                "words": budget_words(budget),
            }
            for budget in cold.budgets
        ],
        "alarms": [alarm_json(alarm) for alarm in cold.alarms],
    }
