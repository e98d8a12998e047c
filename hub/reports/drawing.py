"""The chart of a report: one sensor's line with its limits, as SVG. Pure.

It must also be read in grey: limits are dashed, excursions are bars with numbers, no data is hatched, and what became known
late is a thinner, lighter line.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final
from xml.sax.saxutils import escape

from contract.coldchain.profile import Profile
from hub.coldchain.chart import ChartPoint, thin
from hub.reports.content import Finding, FindingKind, Late, SensorPart, WayPart

POINTS: Final = 2_000
"""More than a printer's dots across the page, with every extreme kept."""
WIDTH: Final = 1_000
HEIGHT: Final = 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 992, 26, 268
_MOST_TICKS: Final = 9
_MOST_MARKS: Final = 99
"""Excursions drawn; more would be one black bar."""
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000
_STEPS_MS: Final = (
    *(n * _MINUTE_MS for n in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(n * _DAY_MS for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000)),
)
_STEPS_VALUE: Final = tuple(step * 10**power for power in range(10) for step in (10, 20, 50))
"""Tenths of a degree and coarser, in hundredths."""
_MARGIN_VALUE: Final = 100
"""Around the outermost value or limit."""


class _Scale:
    """From instants and values to places on the page."""

    def __init__(self, part: SensorPart | WayPart) -> None:
        values = [value for _, value in part.readings if value is not None]
        values += [limit.threshold for limit in part.profile.limits]
        self.low = min(values, default=0) - _MARGIN_VALUE
        self.high = max(values, default=0) + _MARGIN_VALUE
        self.from_ms, self.to_ms = part.from_ms, max(part.to_ms, part.from_ms + 1)

    def x(self, at_ms: int) -> float:
        inside_ms = min(max(at_ms, self.from_ms), self.to_ms)
        return round(_LEFT + (inside_ms - self.from_ms) * (_RIGHT - _LEFT) / (self.to_ms - self.from_ms), 1)

    def y(self, value: int) -> float:
        return round(_BOTTOM - (value - self.low) * (_BOTTOM - _TOP) / (self.high - self.low), 1)


def draw(part: SensorPart | WayPart) -> str:
    """The chart of a sensor or a way. Times on it are UTC; findings carry their numbers as in the table beside it."""
    findings, late = (part.findings, part.late) if isinstance(part, SensorPart) else ((), ())
    scale = _Scale(part)
    marks = [
        *_frame(scale),
        *_no_data(part, scale),
        *_limits(part.profile, scale),
        *_line(part, late, scale),
        *_excursions(findings, scale, part.to_ms),
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="DejaVu Sans Mono" font-size="13" fill="none">'
        '<defs><pattern id="hatch" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<path d="M0 0V7" stroke="#777" stroke-width="1.6"/></pattern></defs>'
        f"{''.join(marks)}</svg>"
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", weight: str = "normal") -> str:
    said = escape(text)
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}" fill="#000">{said}</text>'


def _frame(scale: _Scale) -> Iterator[str]:
    step_ms = _step(scale.to_ms - scale.from_ms, _STEPS_MS)
    for at_ms in range(-(-scale.from_ms // step_ms) * step_ms, scale.to_ms + 1, step_ms):
        x = scale.x(at_ms)
        moment = datetime.fromtimestamp(at_ms / 1000, UTC)
        label = moment.strftime("%m-%d" if at_ms % _DAY_MS == 0 else "%H:%M")
        yield f'<path d="M{x} {_TOP}V{_BOTTOM}" stroke="#ddd"/>{_text(x, _BOTTOM + 20, label)}'
    step = _step(scale.high - scale.low, _STEPS_VALUE)
    for value in range(-(-scale.low // step) * step, scale.high + 1, step):
        y = scale.y(value)
        yield f'<path d="M{_LEFT} {y}H{_RIGHT}" stroke="#ddd"/>{_text(_LEFT - 8, y + 4, f"{value / 100:g}", "end")}'
    yield f'<path d="M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}" stroke="#000"/>'


def _step(length: int, steps: Sequence[int]) -> int:
    return next((step for step in steps if length // step < _MOST_TICKS), max(length // _MOST_TICKS, steps[-1]))


def _limits(profile: Profile, scale: _Scale) -> Iterator[str]:
    for limit in profile.limits:
        y = scale.y(limit.threshold)
        yield f'<path d="M{_LEFT} {y}H{_RIGHT}" stroke="#b00020" stroke-width="1.4" stroke-dasharray="9 4"/>'
        yield _text(_RIGHT - 4, y - 4, limit.name, "end")


def _no_data(part: SensorPart | WayPart, scale: _Scale) -> Iterator[str]:
    for stretch in part.judgement.no_data:
        x = scale.x(stretch.from_ms)
        width = scale.x(part.to_ms if stretch.to_ms is None else stretch.to_ms) - x
        yield (
            f'<rect x="{x}" y="{_TOP}" width="{max(width, 1):.1f}" height="{_BOTTOM - _TOP}" '
            'fill="url(#hatch)" stroke="#777"/>'
        )


def _line(part: SensorPart | WayPart, late: Sequence[Late], scale: _Scale) -> Iterator[str]:
    told = [ChartPoint(at_ms, value, 0) for at_ms, value in part.readings]
    # Stretches may overlap; each end counts from its begin on.
    in_order = sorted((stretch.from_ms, stretch.to_ms) for stretch in late)
    begins, ends = [from_ms for from_ms, _ in in_order], list(accumulate((to_ms for _, to_ms in in_order), max))
    silent = sorted(stretch.from_ms for stretch in part.judgement.no_data)
    pieces: list[tuple[bool, list[ChartPoint]]] = []
    before: ChartPoint | None = None
    for point in thin(told, part.from_ms, part.to_ms, POINTS):
        if point.value is None:
            before = None
            continue
        nr = bisect_right(begins, point.at_ms) - 1
        was_late = nr >= 0 and point.at_ms <= ends[nr]
        # Thinned points are far apart; what was found without data says where the line breaks.
        if before is None or bisect_left(silent, point.at_ms) > bisect_left(silent, before.at_ms):
            pieces.append((was_late, [point]))
        elif pieces[-1][0] is was_late:
            pieces[-1][1].append(point)
        else:
            pieces.append((was_late, [before, point]))
        before = point
    for was_late, points in pieces:
        # The cap draws a reading that stands alone.
        places = [f"{scale.x(point.at_ms)} {scale.y(point.value)}" for point in points if point.value is not None]
        path = f"M{places[0]}L{' '.join(places[1:] or places)}"
        look = 'stroke="#8a8a8a" stroke-width="1.2"' if was_late else 'stroke="#0b3d91" stroke-width="1.8"'
        yield f'<path d="{path}" {look} stroke-linecap="round" stroke-linejoin="round"/>'


def _excursions(findings: Sequence[Finding], scale: _Scale, to_ms: int) -> Iterator[str]:
    for number, finding in enumerate(findings[:_MOST_MARKS], 1):
        if finding.kind is not FindingKind.EXCURSION or finding.withdrawn:
            continue
        x = scale.x(finding.started_ms)
        width = max(scale.x(to_ms if finding.ended_ms is None else finding.ended_ms) - x, 2)
        dark = "#000" if finding.alarm_ms is not None else "#999"
        yield (
            f'<rect x="{x}" y="{_TOP}" width="{width:.1f}" height="{_BOTTOM - _TOP}" fill="#b00020" fill-opacity="0.10"/>'
            f'<rect x="{x}" y="{_TOP - 7}" width="{width:.1f}" height="6" fill="{dark}"/>'
            f"{_text(x + width / 2, _TOP - 10, str(number), weight='bold')}"
        )
