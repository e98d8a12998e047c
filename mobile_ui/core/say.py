"""Sentences before they are put into a language: the key is the English, with places for values."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sentence:
    """What to say; `values` fill the places of the key. A value that is a sentence itself is put into the language, too."""

    key: str
    values: dict[str, Any] = field(default_factory=dict)


def say(key: str, **values: object) -> Sentence:
    """A sentence. Every key stands in the catalogues of `mobile_ui/locale`."""
    return Sentence(key, values)


NOTHING = Sentence("")
