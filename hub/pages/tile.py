"""One sensor as a tile. Written by hand: a page has more than a thousand, and a template takes five times as long. Pure."""

from functools import lru_cache
from typing import Final

from markupsafe import Markup, escape

from contract.escape import escape_id
from hub.coldchain.freshness import Freshness, Seen
from hub.pages.standing import Standing
from hub.web.formats import age, hundredths, in_words
from hub.web.i18n import Words

KEPT_NAMES: Final = 20_000
"""More than all sensors of a large fleet, in two languages."""
NO_VALUE: Final = "\u2013"


def tile(words: Words, cell: Standing, now_ms: int, *, first: bool) -> Markup:
    """A link to the sensor with its figure; `hub/static/fresh.js` goes on from its data. `first`: it begins a pair."""
    seen, judged = cell.seen, cell.judged
    quantity = words("quantity humidity_rh" if cell.unit == "%" else "quantity temperature_c")
    link, sensor, name = _names(cell.id, cell.device, cell.name, quantity)
    title = sensor if seen.kept else escape(words("{id}, on its way to the hub", id=cell.id))
    trouble = "" if judged.level == "ok" else f' data-judged="{judged.level}" data-sign="{judged.sign}"'
    return Markup(  # noqa: S704 all of it is escaped, or of our own making
        f'<a class="cell" href="/temperature/{link}" title="{title}" data-sensor="{sensor}" data-name="{name}"'
        f' data-unit="{cell.unit}" data-state="{cell.freshness or "lost"}"{trouble}{" data-first" if first else ""}'
        f' data-aged="{escape(age(words, seen.at_ms, now_ms)) if seen.at_ms else ""}"{_data(seen)}>'
        f"{cell.word.sign + ' ' if cell.word.level != 'ok' else ''}{_value(words, cell)}\n{name}</a>"
    )


@lru_cache(KEPT_NAMES)
def _names(sensor: str, device: str, name: str, quantity: str) -> tuple[str, Markup, Markup]:
    """The last part of its address; its id and its name beside its device's, as HTML."""
    own = name[len(device) + 1 :] if name.startswith(f"{in_words(device)} ") else name
    return escape_id(sensor), escape(sensor), escape(f"{own} {quantity}")


def _value(words: Words, cell: Standing) -> Markup | str:
    if cell.freshness is Freshness.FAULT:
        return escape(words("fault"))
    return NO_VALUE if cell.seen.value is None else f"{hundredths(cell.seen.value)}\u00a0{cell.unit}"


def _data(seen: Seen) -> str:
    """As the macro `figure` of the templates writes it."""
    if not seen.at_ms:
        return ""
    value = "" if seen.value is None else seen.value
    return (
        f' data-at="{seen.at_ms}" data-known="{seen.known_ms}" data-every="{seen.every_ms or 0}"'
        f' data-value="{value}" data-kept="{"yes" if seen.kept else "no"}"'
    )
