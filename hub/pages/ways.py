"""How pages say what is known of the temperature on a way: words, and the chart's data. Pure."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from contract.coldchain.findings import Judgement
from contract.coldchain.profile import Profile, Side
from hub.coldchain.chart import ChartPoint, thin
from hub.pages.sensor_chart import Band, ChartData, LimitLine, Span
from hub.trips.history import Cause, ColdVerdict, Judged, Missing, ParcelHistory, Reading

CHART_POINTS: Final = 1_500
HELD_MS: Final = 900_000
"""A reading tells the temperature of a step for so long."""

VERDICTS: Final[Mapping[ColdVerdict, tuple[str, str, str]]] = {
    ColdVerdict.KEPT: ("ok", "·", "kept cold"),
    ColdVerdict.EXCURSION: ("past", "▲", "excursion"),
    ColdVerdict.INCOMPLETE: ("silence", "?", "incomplete"),
    ColdVerdict.NOT_JUDGED: ("none", "·", "not judged"),
}
"""Colour, sign and word."""

SENTENCES: Final[Mapping[ColdVerdict, str]] = {
    ColdVerdict.KEPT: "Kept cold all the way: every limit was kept, and nothing is unknown.",
    ColdVerdict.EXCURSION: "A limit was exceeded for longer than it allows.",
    ColdVerdict.INCOMPLETE: "No limit is known to have been exceeded, but not everything is known.",
    ColdVerdict.NOT_JUDGED: "Not judged: no sensor on the way has a profile that says what is allowed.",
}
SO_FAR: Final = "Kept cold so far: every limit was kept, and nothing is unknown."

WHY_MISSING: Final[Mapping[Cause, str]] = {
    Cause.NO_SENSOR: "no sensor at {where}",
    Cause.NO_DATA: "no data from {sensor}",
    Cause.NOT_SENT: "{sensor} has not sent this yet: its device was silent or announced that more waits",
    Cause.NO_PROFILE: "{sensor} measured, but nobody has said which limits hold for it",
    Cause.NOWHERE: "handed over, and nobody has said to whom",
    Cause.TOO_LONG: "longer at {where} than is judged; probably it was never scanned off",
}


def sentence_of(told: ParcelHistory) -> str:
    """What is known, in one sentence; a key of the catalogue."""
    return SO_FAR if told.running and told.verdict is ColdVerdict.KEPT else SENTENCES[told.verdict]


def held_at(readings: Sequence[Reading], at_ms: int) -> int | None:
    """The temperature at an instant: the last reading before it, or the next if there is none so close."""
    here = bisect_right(readings, at_ms, key=lambda reading: reading[0])
    if here and at_ms - readings[here - 1][0] <= HELD_MS:
        return readings[here - 1][1]
    if here < len(readings) and readings[here][0] - at_ms <= HELD_MS:
        return readings[here][1]
    return None


def chart_of(
    readings: Sequence[Reading], ways: Sequence[Judged], gaps: Sequence[Missing], from_ms: int, to_ms: int
) -> ChartData:
    """What a chart of a way shows."""
    points = thin([ChartPoint(at_ms, value, 0) for at_ms, value in readings], from_ms, to_ms, CHART_POINTS)
    line = [(point.at_ms, point.value) for point in points]
    line += [((gap.from_ms + gap.to_ms) // 2, None) for gap in gaps]
    line.sort(key=lambda point: point[0])
    return ChartData(
        from_s=from_ms / 1000,
        to_s=to_ms / 1000,
        live=False,
        times=[at_ms / 1000 for at_ms, _ in line],
        values=[None if value is None else value / 100 for _, value in line],
        gaps=[(gap.from_ms / 1000, gap.to_ms / 1000) for gap in gaps],
        late=[],
        limits=[line for way in ways for line in _limits(way.profile, way.judgement)],
        bands=[_band(way.profile, way.judgement) for way in ways] if len(ways) == 1 else [],
        excursions=[span for way in ways for span in _spans(way)],
        readings=len(readings),
        allowed=0,
    )


def _limits(profile: Profile, judgement: Judgement) -> Iterator[LimitLine]:
    for limit in profile.limits:
        yield LimitLine(judgement.from_ms / 1000, judgement.to_ms / 1000, limit.name, limit.side, limit.threshold / 100)


def _band(profile: Profile, judgement: Judgement) -> Band:
    low = max((limit.threshold for limit in profile.limits if limit.side is Side.BELOW), default=None)
    high = min((limit.threshold for limit in profile.limits if limit.side is Side.ABOVE), default=None)
    ends = judgement.from_ms / 1000, judgement.to_ms / 1000
    return Band(*ends, None if low is None else low / 100, None if high is None else high / 100)


def _spans(way: Judged) -> Iterator[Span]:
    allowed = {budget.limit: budget.allowed_ms for budget in way.judgement.budgets}
    for found in way.judgement.excursions:
        until_ms = way.judgement.to_ms if found.ended_ms is None else found.ended_ms
        alarm = found.alarm_ms is not None
        yield Span(
            id="",
            from_s=found.started_ms / 1000,
            to_s=until_ms / 1000,
            level="past" if alarm else "ok",
            alarm=alarm,
            used_ms=found.beyond_ms,
            allowed_ms=allowed.get(found.limit),
            extreme=found.extreme / 100,
        )
