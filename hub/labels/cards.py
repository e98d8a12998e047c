"""Control cards: what a courier or a dock scans to say which step, person or place the following scans are of."""

from collections.abc import Sequence
from typing import Final

from contract.event import Step
from contract.identity.control import parse_card
from hub.errors import Refused
from hub.labels.codes import Symbology, draw, linear
from hub.labels.printing import MARGIN_MM, Label, Sheet
from hub.pages.route_words import CARDS
from hub.web.i18n import Words

CARD_COLUMNS: Final = 2
CARD_MM: Final = 91
"""Of A4 between margins of 12 mm, with 4 mm between the columns."""


def cards(steps: Sequence[str], actors: Sequence[str], places: Sequence[str], language: str) -> Sheet:
    """Cards for these; without any, one for each step.

    Raises:
        Refused: a name that no card can carry.
    """
    chosen = list(steps) or ([] if actors or places else [step.value for step in Step])
    words = Words(language)
    texts = [
        *(f"HF:STEP:{step}" for step in chosen),
        *(f"HF:ACTOR:{actor}" for actor in actors),
        *(f"HF:PLACE:{place}" for place in places),
    ]
    return Sheet(tuple(_card(text, words) for text in texts), columns=CARD_COLUMNS)


def _card(text: str, words: Words) -> Label:
    read = parse_card(text)
    if read is None:
        expected = "a step, or 1 to 64 letters, digits and . _ @ - that begin with a letter or digit"
        raise Refused(f"{text.partition(':')[2]!r} cannot be a card; expected {expected}")
    kind, value = read
    title = words(f"step {value}") if kind == "HF:STEP" else value
    symbols = (draw(text, Symbology.QR), *linear(text, CARD_MM - 2 * MARGIN_MM))
    return Label(title=title, lines=(words(CARDS[kind]),), symbols=symbols)
