"""What stands where in a printed report: blocks of finished words, which `report.typ` only arranges. Pure.

The printing program is handed these as data. Nothing that a device or a person wrote becomes part of a program.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

from contract.coldchain.mkt import Mkt
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.event import Quantity
from hub.reports.content import (
    Acknowledgement,
    Finding,
    FindingKind,
    MissingPart,
    ParcelPart,
    ReportInput,
    SensorPart,
    WayPart,
)
from hub.reports.drawing import draw
from hub.reports.seal import PRINTED_CHARS
from hub.trips.history import Cause
from hub.voice import HUB_DEVICE
from hub.web.formats import MINUS, clock, span
from hub.web.i18n import Words

MOST_ROWS: Final = 400
"""Of one table; what is left out is in the attached JSON, and said so. It bounds what printing costs."""
MOST_SENSORS: Final = 60
MOST_CHARS: Final = 400
"""Of one text in a table; a reason of 2,000 characters is whole in the attached JSON."""
DIGEST_LINE: Final = 32
_LONG_WORD: Final = re.compile(r"\S{12}(?=\S{8})")
SECOND_MS: Final = 1_000
DASH: Final = "\u2013"


class Heading(Struct, frozen=True, tag="heading"):
    """A title; level 1 is the report's own."""

    level: int
    text: str


class Line(Struct, frozen=True, tag="line"):
    """A sentence."""

    text: str
    strong: bool = False


class Pairs(Struct, frozen=True, tag="pairs"):
    """Names and what they are."""

    rows: tuple[tuple[str, str], ...]


class Grid(Struct, frozen=True, tag="grid"):
    """A table. `widths` are shares of the page; `code` names columns of digests."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[int, ...]
    code: tuple[int, ...] = ()


class Picture(Struct, frozen=True, tag="picture"):
    """A chart, with what it shows in words."""

    svg: str
    alt: str


Block = Heading | Line | Pairs | Grid | Picture


class Layout(Struct, frozen=True):
    """A whole printed report."""

    title: str
    language: str
    foot: str
    attached: str
    blocks: tuple[Block, ...]


def lay_out(report: ReportInput, seal: str, words: Words, remark: str = "") -> Layout:
    """The printed form of a report in one language. `remark` is said at its beginning, such as that fonts are missing."""
    title = words("Temperature report")
    blocks = (
        Heading(1, title),
        *([Line(remark, strong=True)] if remark else []),
        *_summary(report, words),
        *_parcels(report.parcels, words),
        *(block for way in report.ways for block in _way(way, words)),
        *(block for part in report.sensors[:MOST_SENSORS] for block in _sensor(part, report.to_ms, words)),
        *_left_out(len(report.sensors) - MOST_SENSORS, words),
        *_gaps(report, words),
        *_proof(report, seal, words),
    )
    foot = f"{words('Seal')} {seal[:PRINTED_CHARS]}"
    return Layout(f"{title}: {report.title}", words.language, foot, words("The same report for programs"), blocks)


# -- parts ---------------------------------------------------------------------------------------------------------


def _summary(report: ReportInput, words: Words) -> Iterator[Block]:
    alarms = report.alarms
    kept = (
        words("Limits exceeded; alarms: {n}", n=alarms) if alarms else words("No limit exceeded beyond what is allowed")
    )
    yield Line(kept, strong=True)
    whole = words("The data is complete.") if report.complete else words("The data is not complete.")
    yield Line(whole, strong=not report.complete)
    yield from (Line(_missing(gap, words)) for gap in report.incomplete[:MOST_ROWS])
    subject = words("Parcel") if report.kind == "parcel" else words("Trip")
    yield Pairs(
        (
            (subject, report.subject),
            (words("Title"), report.title),
            (words("Period (UTC)"), f"{clock(report.from_ms)} {DASH} {clock(report.to_ms)}"),
            (words("Hub"), report.hub),
            (words("Made (UTC)"), f"{clock(report.made_ms)}, {report.made_by}"),
        )
    )


_WHY_MISSING: Final = {
    Cause.NO_SENSOR: "{since} to {until} UTC: no sensor at {where}",
    Cause.NO_DATA: "{since} to {until} UTC: no data from {sensor}",
    Cause.NOT_SENT: "{since} to {until} UTC: not sent yet by {sensor}",
    Cause.NO_PROFILE: "{since} to {until} UTC: no profile for {sensor}",
    Cause.NOWHERE: "{since} to {until} UTC: handed over to nobody who is known",
    Cause.TOO_LONG: "{since} to {until} UTC: longer at {where} than is judged",
}


def _missing(gap: MissingPart, words: Words) -> str:
    since, until = clock(gap.from_ms), clock(gap.to_ms)
    where = gap.where or words("nobody knows where")
    return words(_WHY_MISSING[gap.cause], since=since, until=until, where=where, sensor=gap.sensor)


def _parcels(parcels: Sequence[ParcelPart], words: Words) -> Iterator[Block]:
    rows = [
        (
            parcel.id,
            stay.where,
            clock(stay.from_ms),
            words("still there") if stay.to_ms is None else clock(stay.to_ms),
            ", ".join(stay.sensors) or words("none"),
            words("alarm") if parcel.alarmed else words("in order"),
            words("complete") if parcel.complete else words("incomplete"),
        )
        for parcel in parcels
        for stay in parcel.stays
    ]
    if rows:
        yield Heading(2, words("Parcels and where they were"))
        names = ("Parcel", "Where", "From (UTC)", "To (UTC)", "Sensors", "Verdict", "Data")
        yield from _grid(tuple(map(words, names)), rows, (5, 4, 4, 4, 5, 3, 3), words)


def _sensor(part: SensorPart, to_ms: int, words: Words) -> Iterator[Block]:
    unit = _unit(part.quantity)
    yield Heading(2, f"{words('Sensor')} {part.name or part.id}")
    yield Pairs(
        (
            (words("Sensor and device"), f"{part.id}, {part.device}"),
            *(((words("Place"), part.place),) if part.place else ()),
            (words("Stretch (UTC)"), f"{clock(part.from_ms)} {DASH} {clock(part.to_ms)}"),
            (words("Calibration due"), _calibration(part.calibration_due_ms, to_ms, words)),
            (words("Clock of the device"), _offset(part.clock_offset_ms, words)),
            (words("Profile"), f"{part.profile.name}: {_limits(part.profile, unit, words)}"),
            *_judged(part, unit, words),
        )
    )
    yield Picture(draw(part), _described(part, part.name or part.id, unit, words))
    yield from _findings(part.findings, unit, words)


def _way(way: WayPart, words: Words) -> Iterator[Block]:
    unit = _unit(way.profile.quantity)
    yield Heading(2, words("The parcel's whole way"))
    yield Pairs(
        (
            (words("Stretch (UTC)"), f"{clock(way.from_ms)} {DASH} {clock(way.to_ms)}"),
            (words("Profile"), f"{way.profile.name}: {_limits(way.profile, unit, words)}"),
            *_judged(way, unit, words),
        )
    )
    yield Picture(draw(way), _described(way, words("The parcel's whole way"), unit, words))


def _judged(part: SensorPart | WayPart, unit: str, words: Words) -> Iterator[tuple[str, str]]:
    judged = part.judgement
    yield words("Readings"), words("{n}; without a value: {faults}", n=judged.readings, faults=judged.faults)
    yield words("Lowest and highest"), f"{_value(judged.low, unit)}, {_value(judged.high, unit)}"
    yield (
        words("Time"),
        words(
            "in range {inside}, above {above}, below {below}, without data {none}, not judged {ignored}",
            inside=_span(judged.inside_ms),
            above=_span(judged.above_ms),
            below=_span(judged.below_ms),
            none=_span(judged.no_data_ms),
            ignored=_span(judged.ignored_ms),
        ),
    )
    yield words("Times frozen and thawed"), str(judged.freeze_thaws)
    for told in part.mkt:
        yield f"{words('Mean kinetic temperature')}, {told.window}", _mkt(told.result, words)


def _findings(findings: Sequence[Finding], unit: str, words: Words) -> Iterator[Block]:
    if not findings:
        yield Line(words("Nothing was found."))
        return
    yield Line(words("Each time is when it happened, and below it when the hub knew (UTC)."))
    names = ("No.", "Finding", "Began", "Alarm", "Ended", "Extreme", "Time beyond", "Acknowledged")
    rows = [
        (
            str(number),
            _kind(finding, words),
            _both(finding.started_ms, finding.known_ms, words),
            _both(finding.alarm_ms, finding.alarm_known_ms, words),
            _both(finding.ended_ms, finding.ended_known_ms, words) if finding.ended_ms else words("still lasts"),
            _value(finding.extreme, unit),
            _span(finding.beyond_ms),
            _acknowledged(finding.acknowledgement, words),
        )
        for number, finding in enumerate(findings, 1)
    ]
    yield from _grid(tuple(map(words, names)), rows, (2, 6, 8, 8, 8, 5, 5, 9), words)


def _gaps(report: ReportInput, words: Words) -> Iterator[Block]:
    if not report.gaps:
        return
    yield Heading(2, words("Records that are gone"))
    names = ("Device", "Stream", "From", "To", "Cause", "Stated (UTC)")
    rows = [
        (gap.device, words(f"lane {gap.lane}"), str(gap.first_n), str(gap.last_n), gap.cause, clock(gap.stated_ms))
        for gap in report.gaps
    ]
    yield from _grid(tuple(map(words, names)), rows, (4, 3, 2, 2, 3, 4), words)


def _proof(report: ReportInput, seal: str, words: Words) -> Iterator[Block]:
    yield Heading(2, words("Proof"))
    yield Line(
        words(
            "This file holds the facts that the report rests on, as the devices stated them. Any changed byte is found by "
            "holdfast-hub verify-report FILE, which needs no database; compare the heads below with the hub's or the devices'."
        )
    )
    yield Grid((words("Seal of the content (SHA-256)"),), ((seal,),), (1,), code=(0,))
    rows = [
        (
            run.device,
            words(f"lane {run.lane}"),
            run.incarnation[:8],
            str(run.first_n),
            str(run.last_n),
            _digest(run.head),
        )
        for run in report.runs
    ]
    if report.trail:
        end = str(report.trail.number)
        rows.append((HUB_DEVICE, words("audit trail"), DASH, "1", end, _digest(report.trail.hash)))
    if rows:
        names = ("Device", "Stream", "Incarnation", "From", "To", "Head of the chain")
        yield from _grid(tuple(map(words, names)), rows, (3, 3, 3, 2, 2, 9), words, code=(2, 5))


def _grid(
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    widths: tuple[int, ...],
    words: Words,
    code: tuple[int, ...] = (),
) -> Iterator[Block]:
    shown = tuple(tuple(_short(cell) for cell in row) for row in rows[:MOST_ROWS])
    yield Grid(head, shown, widths, code)
    yield from _left_out(len(rows) - MOST_ROWS, words)


def _left_out(count: int, words: Words) -> Iterator[Block]:
    if count > 0:
        yield Line(words("{n} more are in the attached file report.json.", n=count), strong=True)


# -- words ---------------------------------------------------------------------------------------------------------


def _short(text: str) -> str:
    short = text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS - 1]}…"
    # Nothing else lets an id without spaces go on in the next line instead of in the next cell.
    return _LONG_WORD.sub("\\g<0>\u200b", short)


def _digest(digest: str) -> str:
    """In two lines, so that it can be copied."""
    return f"{digest[:DIGEST_LINE]}\n{digest[DIGEST_LINE:]}"


def _unit(quantity: Quantity) -> str:
    return "°C" if quantity is Quantity.TEMPERATURE_C else "%"


def _value(value: int | None, unit: str) -> str:
    """A value exactly, with a true minus sign."""
    if value is None:
        return DASH
    whole, rest = divmod(abs(value), 100)
    return f"{MINUS if value < 0 else ''}{whole}.{rest:02} {unit}"


def _span(length_ms: int) -> str:
    """Hours, minutes and seconds, which read the same in every language."""
    minutes, seconds = divmod(length_ms // 1000, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"


def _both(happened_ms: int | None, known_ms: int | None, words: Words) -> str:
    if happened_ms is None:
        return DASH
    known = DASH if known_ms is None else clock(known_ms)
    return f"{clock(happened_ms)}\n{words('known')} {known}"


def _limits(profile: Profile, unit: str, words: Words) -> str:
    return "; ".join(_limit(limit, unit, words) for limit in profile.limits)


_RULES: Final = {
    Rule.SINGLE: "each time by itself",
    Rule.CUMULATIVE: "all times together",
    Rule.DUAL: "above and below together",
}


def _limit(limit: Limit, unit: str, words: Words) -> str:
    sign = {(Side.ABOVE, False): ">", (Side.ABOVE, True): "≥", (Side.BELOW, False): "<", (Side.BELOW, True): "≤"}
    rule = words(_RULES[limit.rule])
    allowed = (
        f"{_span(limit.allowed_s * 1000)} {words('allowed')}, {rule}" if limit.allowed_s else words("alarm at once")
    )
    return f"{limit.name} {sign[limit.side, limit.inclusive]} {_value(limit.threshold, unit)} ({allowed})"


def _kind(finding: Finding, words: Words) -> str:
    name = finding.limit if finding.kind is FindingKind.EXCURSION else words("no data")
    return f"{name}\n{words('withdrawn: later readings showed none')}" if finding.withdrawn else name


def _acknowledged(ack: Acknowledgement | None, words: Words) -> str:
    if ack is None:
        return words("not yet")
    grown = "" if ack.covers else f"\n{words('it has grown since')}"
    return f"{ack.who}, {clock(ack.at_ms)}\n{ack.why}{grown}"


def _calibration(due_ms: int | None, to_ms: int, words: Words) -> str:
    if due_ms is None:
        return words("not known")
    due = clock(due_ms)[:10]
    return f"{due}, {words('overdue')}" if due_ms <= to_ms else due


def _offset(offset_ms: int | None, words: Words) -> str:
    if offset_ms is None:
        return words("never compared")
    ahead = words("ahead of the hub by {age}") if offset_ms > 0 else words("behind the hub by {age}")
    return words("right to the second") if abs(offset_ms) < SECOND_MS else ahead.format(age=span(words, abs(offset_ms)))


def _mkt(mean: Mkt, words: Words) -> str:
    said = DASH if mean.value_c is None else f"{mean.value_c:.3f} °C".replace("-", MINUS)
    left_out = _span(mean.to_ms - mean.from_ms - mean.known_ms)
    return words(
        "{value} from {since} to {until} (not known: {left_out}; ΔH {delta_h} kJ/mol); information, not the verdict",
        value=said,
        since=clock(mean.from_ms),
        until=clock(mean.to_ms),
        left_out=left_out,
        delta_h=mean.delta_h_kj_per_mol,
    )


def _described(part: SensorPart | WayPart, what: str, unit: str, words: Words) -> str:
    judged = part.judgement
    return words(
        "Chart of {what}: from {low} to {high}; alarms: {n}",
        what=what,
        low=_value(judged.low, unit),
        high=_value(judged.high, unit),
        n=len(judged.alarmed),
    )
