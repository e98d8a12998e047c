"""What an excursion means to whoever looks at a page: colour, sign and word. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from contract.coldchain.profile import Profile, Side
from hub.coldchain.excursions import ChangeView, ExcursionKind, ExcursionView, Found

Level = Literal["alarm", "attention", "silence", "past", "ok"]

TOLD_FROM_MS: Final = 1_000
"""A better clock fix moves all times of a device by a little; pages tell seconds."""
SIGNS: Final[dict[Level, str]] = {"alarm": "▲", "attention": "◆", "silence": "?", "past": "!", "ok": "·"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an excursion stands.

    Attributes:
        level: its colour.
        sign: the same for who sees no colours.
        word: the same in words; a key of the catalogue.
        acknowledged: somebody acknowledged it as it is now: it keeps its sign and loses its fill.
    """

    level: Level
    sign: str
    word: str
    acknowledged: bool = False


def verdict_of(view: ExcursionView) -> Verdict:
    """How it stands now."""
    found = view.found
    if found.withdrawn:
        return Verdict("ok", "\u2013", "withdrawn: what came later shows that it never was")
    if view.kind is ExcursionKind.NO_DATA:
        if view.lasts:
            return Verdict("silence", "?", "no data", view.covered)
        return _past("there was no data", view.covered)
    side = view.side or Side.ABOVE
    if view.lasts:
        if found.alarm_ms is None:
            return Verdict("attention", "◆", f"{side} the limit, still allowed")
        return Verdict("alarm", "▲" if side is Side.ABOVE else "▼", f"{side} the limit", view.covered)
    if found.alarm_ms is None:
        return Verdict("ok", "·", f"was {side} the limit, allowed")
    return _past(f"was {side} the limit", view.covered)


def _past(word: str, acknowledged: bool) -> Verdict:
    return Verdict("past", "!", word, acknowledged)


def allowed_ms(view: ExcursionView, profile: Profile | None) -> int | None:
    """How long its profile allows this limit to be broken; None where that is not known (any more)."""
    limits = profile.limits if profile is not None else ()
    return next((limit.allowed_s * 1000 for limit in limits if limit.name == view.limit), None)


@dataclass(frozen=True, slots=True)
class Step:
    """What became known of an excursion at one instant. `news`: words of the catalogue with the instant or value they tell."""

    known_ms: int
    news: tuple[tuple[str, int | None], ...]


def steps_of(changes: tuple[ChangeView, ...]) -> tuple[Step, ...]:
    """The history of a verdict: what each change said that was not known before."""
    before: Found | None = None
    steps = []
    for change in changes:
        news = tuple(_news(before, change.found))
        if news:
            steps.append(Step(change.known_ms, news))
        before = change.found
    return tuple(steps)


def _news(before: Found | None, now: Found) -> list[tuple[str, int | None]]:
    if now.withdrawn:
        return [("withdrawn", None)] if before is None or not before.withdrawn else []
    news: list[tuple[str, int | None]] = []
    if before is None:
        news.append(("began", now.started_ms))
    elif before.withdrawn:
        news.append(("found again, began", now.started_ms))
    elif abs(before.started_ms - now.started_ms) >= TOLD_FROM_MS:
        news.append(("begin moved to", now.started_ms))
    was = before if before is not None and not before.withdrawn else None
    if now.alarm_ms != (was and was.alarm_ms):
        news.append(("no alarm any more", None) if now.alarm_ms is None else ("alarm", now.alarm_ms))
    if now.ended_ms != (was and was.ended_ms):
        news.append(("lasts after all", None) if now.ended_ms is None else ("ended", now.ended_ms))
    if was is not None and now.extreme != was.extreme and now.extreme is not None:
        news.append(("extreme", now.extreme))
    return news
