"""What was found in a logger's file: as JSON for programs, as tables for people."""

from collections.abc import Sequence
from typing import Any

import msgspec

from contract.coldchain.findings import Excursion
from contract.coldchain.mkt import Mkt
from contract.coldchain.profile import Limit, Profile
from contract.coldchain.profile_text import UNITS
from hub.coldchain.judge_file import Judged
from hub.web.times import utc


def to_json(judged: Judged) -> str:
    """What was found, for programs: times in UTC, values in the profile's unit, durations in seconds."""
    found = judged.judgement
    limits = {limit.name: limit for limit in judged.profile.limits}
    return msgspec.json.encode(
        {
            "file": str(judged.path),
            "profile": judged.profile.name,
            "unit": _unit(judged.profile),
            "zone_assumed": judged.file.zone_assumed,
            "columns": judged.file.columns,
            "from_at": utc(found.from_ms),
            "to_at": utc(found.to_ms),
            "alarmed": bool(found.alarmed),
            "complete": found.complete and not judged.file.bad,
            "excursions": [_excursion(limits[excursion.limit], excursion) for excursion in found.excursions],
            "no_data": [
                {
                    "from_at": utc(gap.from_ms),
                    "to_at": utc(gap.to_ms),
                    "no_data_s": ((gap.to_ms or found.to_ms) - gap.from_ms) / 1000,
                }
                for gap in found.no_data
            ],
            "budgets": [
                {
                    "limit": budget.limit,
                    "rule": limits[budget.limit].rule,
                    "used_s": budget.used_ms / 1000,
                    "allowed_s": budget.allowed_ms / 1000,
                    "left_s": budget.left_ms / 1000,
                }
                for budget in found.budgets
            ],
            "above_s": found.above_ms / 1000,
            "below_s": found.below_ms / 1000,
            "inside_s": found.inside_ms / 1000,
            "no_data_s": found.no_data_ms / 1000,
            "ignored_s": found.ignored_ms / 1000,
            "readings": found.readings,
            "faults": found.faults,
            "low": _units(found.low),
            "high": _units(found.high),
            "freeze_thaws": found.freeze_thaws,
            "mkt": [_mean(name, mean) for name, mean in judged.means],
            "bad_lines": judged.file.bad,
            "repeated": judged.file.repeated,
            "reordered": judged.file.reordered,
        }
    ).decode()


def _excursion(limit: Limit, excursion: Excursion) -> dict[str, Any]:
    return {
        "limit": limit.name,
        "side": limit.side,
        "threshold": _units(limit.threshold),
        "started_at": utc(excursion.started_ms),
        "alarm_at": utc(excursion.alarm_ms),
        "ended_at": utc(excursion.ended_ms),
        "extreme": _units(excursion.extreme),
        "beyond_s": excursion.beyond_ms / 1000,
    }


def _mean(name: str, mean: Mkt) -> dict[str, Any]:
    return {
        "window": name,
        "from_at": utc(mean.from_ms),
        "to_at": utc(mean.to_ms),
        "value": None if mean.value_c is None else round(mean.value_c, 3),
        "delta_h_kj_per_mol": mean.delta_h_kj_per_mol,
        "known_s": mean.known_ms / 1000,
        "no_data": [{"from_at": utc(gap.from_ms), "to_at": utc(gap.to_ms)} for gap in mean.no_data],
    }


def _units(hundredths: int | None) -> float | None:
    return None if hundredths is None else hundredths / 100


def _unit(profile: Profile) -> str:
    return UNITS[profile.quantity]


# -- in words ----------------------------------------------------------------------------------------------------------


def in_words(judged: Judged) -> str:
    """What was found, for people."""
    return "\n".join(
        [
            *_verdict(judged),
            *_limits(judged),
            *_excursions(judged),
            *_gaps(judged),
            *_sums(judged),
            *_remarks(judged),
        ]
    )


def _verdict(judged: Judged) -> list[str]:
    found = judged.judgement
    count = len(found.alarmed)
    verdict = f"ALARM: {count} of {len(found.excursions)} excursions used more than is allowed" if count else "no alarm"
    incomplete = "" if found.complete and not judged.file.bad else "; INCOMPLETE: not all of the time is known"
    return [
        f"{judged.path} by profile {judged.profile.name}: {verdict}{incomplete}",
        f"  {_utc(found.from_ms)} to {_utc(found.to_ms)} UTC, {_span(found.to_ms - found.from_ms)}",
    ]


def _limits(judged: Judged) -> list[str]:
    rows = [("limit", "beyond it is", "rule", "allowed", "used", "left")]
    for limit, budget in zip(judged.profile.limits, judged.judgement.budgets, strict=True):
        edge = f"{limit.side.value} {limit.threshold / 100:.2f} {_unit(judged.profile)}"
        rows.append(
            (
                limit.name,
                edge + (" or on it" if limit.inclusive else ""),
                limit.rule.value,
                _span(budget.allowed_ms),
                _span(budget.used_ms),
                _span(budget.left_ms),
            )
        )
    return ["", *_table(rows)] if judged.profile.limits else ["", "the profile has no limits"]


def _excursions(judged: Judged) -> list[str]:
    rows = [("excursion", "started", "alarm", "ended", "time beyond", "extreme")]
    rows += [
        (
            excursion.limit,
            _utc(excursion.started_ms),
            "-" if excursion.alarm_ms is None else _utc(excursion.alarm_ms),
            "lasts" if excursion.ended_ms is None else _utc(excursion.ended_ms),
            _span(excursion.beyond_ms),
            f"{excursion.extreme / 100:.2f}",
        )
        for excursion in judged.judgement.excursions
    ]
    return ["", *(_table(rows) if len(rows) > 1 else ["no excursions"])]


def _gaps(judged: Judged) -> list[str]:
    found = judged.judgement
    rows = [("no data", "from", "to")]
    rows += [
        (
            _span((gap.to_ms or found.to_ms) - gap.from_ms),
            _utc(gap.from_ms),
            "lasts" if gap.to_ms is None else _utc(gap.to_ms),
        )
        for gap in found.no_data
    ]
    return ["", *_table(rows)] if len(rows) > 1 else []


def _sums(judged: Judged) -> list[str]:
    found = judged.judgement
    unit = _unit(judged.profile)
    spans = {
        "inside": found.inside_ms,
        "above": found.above_ms,
        "below": found.below_ms,
        "no data": found.no_data_ms,
        "ignored": found.ignored_ms,
    }
    told = ["", ", ".join(f"{name} {_span(span)}" for name, span in spans.items())]
    extremes = (
        "" if found.low is None or found.high is None else f", {found.low / 100:.2f} to {found.high / 100:.2f} {unit}"
    )
    told.append(
        f"{found.readings} readings{extremes}, {found.faults} without a value, frozen and thawed {found.freeze_thaws} times"
    )
    for name, mean in judged.means:
        value = "nothing known" if mean.value_c is None else f"{mean.value_c:.3f} °C"
        without = sum((gap.to_ms or gap.from_ms) - gap.from_ms for gap in mean.no_data)
        told.append(
            f"mean kinetic temperature, {name if name == 'whole' else f'last {name}'}: {value} "
            f"(activation energy {mean.delta_h_kj_per_mol} kJ/mol; {_span(without)} without data left out)"
        )
    return told


def _remarks(judged: Judged) -> list[str]:
    file, profile = judged.file, judged.profile
    told = []
    if file.zone_assumed is not None:
        told.append(f"times without a zone were taken as {file.zone_assumed}; --zone says another")
    if file.reordered:
        told.append("the lines were not in order of time and were put in order")
    if file.repeated:
        told.append(f"{file.repeated} lines said again what another had said")
    if file.usual_step_ms > profile.no_data_s * 1000:
        told.append(
            f"readings come every {_span(file.usual_step_ms)}, but behind {_span(profile.no_data_s * 1000)} without one the "
            "profile says no data; --no-data allows longer steps"
        )
    told += [f"line {bad.line} {bad.why}" for bad in file.bad]
    return ["", *told] if told else []


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _utc(at_ms: int) -> str:
    return utc(at_ms).strftime("%Y-%m-%d %H:%M:%S")


def _span(span_ms: int) -> str:
    """A length of time in its two largest units, such as 2 h 10 min; below a minute to the millisecond."""
    minutes, rest_ms = divmod(span_ms, 60_000)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    seconds = f"{rest_ms / 1000:g} s"
    parts = [(days, "d"), (hours, "h"), (minutes, "min")]
    told = [f"{count} {unit}" for count, unit in parts if count]
    if rest_ms or not told:
        told.append(seconds)
    return " ".join(told)
