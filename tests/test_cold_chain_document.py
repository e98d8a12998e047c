"""The document of the cold chain is executed: its days, its presets, its means, its profile."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import Struct

from contract.coldchain.checkpoints import History, judge_again
from contract.coldchain.engine import begin, conclude, judge
from contract.coldchain.findings import Excursion, Judgement, NoData
from contract.coldchain.hold import Reading
from contract.coldchain.mkt import mkt
from contract.coldchain.presets import PRESETS
from contract.coldchain.profile import Freezing, Limit, Profile, Rule, Side
from contract.coldchain.profile_text import check_profile, profile_json, read_profile

DOCUMENT = (Path(__file__).parents[1] / "docs" / "cold-chain.md").read_text(encoding="utf-8")
MINUTE_MS = 60_000


def rows(heading: str) -> list[list[str]]:
    """The body of the last table under a heading."""
    text = re.split(r"^## ", DOCUMENT.split(f"\n## {heading}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    start = max(nr for nr, line in enumerate(lines) if set("".join(line)) <= {"-"})
    return [[cell.strip() for cell in line] for line in lines[start + 1 :]]


def hundredths(text: str) -> int:
    return int(Decimal(text) * 100)


def clock(text: str) -> int:
    hours, minutes = text.split(":")
    return (int(hours) * 60 + int(minutes)) * MINUTE_MS


def span(text: str) -> int:
    match = re.fullmatch(r"(?:(\d+) h)? ?(?:(\d+) min)?", text.strip())
    assert match is not None, text
    return (int(match[1] or 0) * 60 + int(match[2] or 0)) * MINUTE_MS


def read_limits(text: str) -> tuple[Limit, ...]:
    made = []
    for told in text.split(";"):
        match = re.fullmatch(r"(above|below) (-?[\d.]+)( inclusive)? (single|cumulative|dual) (\d+) min", told.strip())
        assert match is not None, told
        side, threshold, inclusive, rule, allowed = match.groups()
        name = f"{side} {threshold}"
        made.append(
            Limit(name, Side(side), hundredths(threshold), Rule(rule), int(allowed) * 60, inclusive=bool(inclusive))
        )
    return tuple(made)


class Day(Struct, frozen=True):
    profile: Profile
    readings: dict[int, int | None]
    late: dict[int, int | None]
    from_ms: int
    to_ms: int
    carried: bool


def read_day(limits: str, readings: str) -> Day:
    limits, _, ignored = limits.partition(", ignore ")
    profile = Profile("day", read_limits(limits), ignore_first_s=span(ignored or "0 min") // 1000, no_data_s=3_600)
    told: dict[bool, dict[int, int | None]] = {False: {}, True: {}}
    borders: dict[str, int] = {}
    for word in readings.split(", "):
        late, words = word.startswith("late "), word.removeprefix("late ").split()
        if words[0] in {"from", "until"}:
            borders[words[0]] = clock(words[1])
        else:
            told[late][clock(words[0])] = None if words[1] == "fault" else hundredths(words[1])
    every = {**told[False], **told[True]}
    from_ms = borders["from"] if "from" in borders else min(every)
    return Day(
        profile,
        told[False],
        told[True],
        from_ms,
        borders["until"] if "until" in borders else max(every),
        carried=any(at < from_ms for at in every),
    )


def told_findings(day: Day, judgement: Judgement) -> list[str]:
    """What was found, in the document's words."""

    def at(instant_ms: int | None) -> str:
        return "..." if instant_ms is None else f"{instant_ms // 3_600_000:02}:{instant_ms // MINUTE_MS % 60:02}"

    def length(span_ms: int) -> str:
        hours, minutes = divmod(span_ms // MINUTE_MS, 60)
        return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (minutes, "min")) if count)

    def of_excursion(found: Excursion) -> str:
        extreme = f"{Decimal(found.extreme) / 100}"
        extreme = extreme if "." in extreme else f"{extreme}.0"
        alarm = "" if found.alarm_ms is None else f", alarm {at(found.alarm_ms)}"
        ended = at(found.ended_ms)
        return f"{found.limit}: {at(found.started_ms)}-{ended}, {length(found.beyond_ms)}, {extreme}{alarm}"

    def of_gap(found: NoData) -> str:
        return f"no data {at(found.from_ms)}-{at(found.to_ms)}"

    found = [*map(of_excursion, judgement.excursions), *map(of_gap, judgement.no_data)]
    if judgement.faults:
        found.append(f"{judgement.faults} fault{'s' * (judgement.faults > 1)}")
    if judgement.freeze_thaws:
        found.append(f"{judgement.freeze_thaws} freeze-thaws")
    sums = {
        "inside": judgement.inside_ms,
        "above": judgement.above_ms,
        "below": judgement.below_ms,
        "no data": judgement.no_data_ms,
        "ignored": judgement.ignored_ms,
    }
    return ["; ".join(found) or "nothing", ", ".join(f"{name} {length(of)}" for name, of in sums.items() if of)]


DAYS = rows("Days with known answers")


def test_document_has_the_days_that_matter() -> None:
    assert len(DAYS) == len({name for name, *_ in DAYS}) >= 12


@pytest.mark.parametrize("row", DAYS, ids=lambda row: row[0])
def test_day_has_the_answer_that_is_written_beside_it(row: list[str]) -> None:
    _, limits, readings, *answer = row
    day = read_day(limits, readings)
    every = sorted({**day.readings, **day.late}.items())

    assert told_findings(day, judge(day.profile, every, day.from_ms, day.to_ms)) == answer


@pytest.mark.parametrize("row", DAYS, ids=lambda row: row[0])
def test_day_has_the_same_answer_when_it_is_judged_as_it_comes(row: list[str]) -> None:
    _, limits, readings, *answer = row
    day = read_day(limits, readings)
    if day.carried:
        # Only a history that is looked back at has values from before its beginning.
        assert min(day.readings) < day.from_ms
        return
    known: dict[int, int | None] = {}
    history = History(begin(day.profile, day.from_ms))

    def behind(from_ms: int) -> Iterator[Reading]:
        return (reading for reading in sorted(known.items()) if reading[0] >= from_ms)

    for at_ms, value in (*day.readings.items(), *day.late.items()):
        known[at_ms] = value
        history = judge_again(day.profile, history, at_ms, behind)

    assert told_findings(day, conclude(day.profile, history.course, history.found, day.to_ms)) == answer


# -- presets, profiles, means ------------------------------------------------------------------------------------------


def nameless(limits: tuple[Limit, ...]) -> set[tuple[object, ...]]:
    return {(limit.side, limit.threshold, limit.inclusive, limit.rule, limit.allowed_s) for limit in limits}


def test_presets_are_those_of_the_document() -> None:
    told = {name.strip("`"): nameless(read_limits(limits)) for name, _, limits in rows("Presets")}

    assert told == {name: nameless(profile.limits) for name, profile in PRESETS.items()}
    assert {profile.no_data_s for profile in PRESETS.values()} == {15 * 60}


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_preset_can_be_judged_by_and_written_to_a_file(preset: Profile) -> None:
    check_profile(preset)

    assert read_profile(profile_json(preset)) == preset


def test_profile_of_the_document_is_read_with_the_defaults_that_it_names() -> None:
    match = re.search(r"^```toml\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert match is not None

    assert read_profile(match[1]) == Profile(
        "insulin",
        (
            Limit("above 8", Side.ABOVE, 800, Rule.CUMULATIVE, 14_400),
            Limit("freezing", Side.BELOW, 0, inclusive=True),
        ),
        ignore_first_s=600,
        no_data_s=1_200,
        freezing=Freezing(),
    )


@pytest.mark.parametrize("row", rows("Mean kinetic temperature"), ids=lambda row: row[0])
def test_mean_kinetic_temperature_is_that_of_the_document(row: list[str]) -> None:
    told, mean = row
    readings: list[Reading] = []
    now_ms = 0
    for hours, value in re.findall(r"(\d+) h at ([\d.]+)", told):
        for _ in range(int(hours)):
            readings.append((now_ms, hundredths(value)))
            now_ms += 60 * MINUTE_MS

    found = mkt(readings, 0, now_ms, no_data_s=3_600)

    assert found.value_c is not None
    assert f"{found.value_c:.3f}" == mean
    assert (found.delta_h_kj_per_mol, found.known_ms, found.no_data) == (83.144, now_ms, ())
