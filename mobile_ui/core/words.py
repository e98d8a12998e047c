"""The app's languages: English is the key, gettext catalogues in `mobile_ui/locale` hold what the others say.

The catalogues are read as text: a handheld has neither a compiler for them nor a library that reads them.
"""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from mobile_ui.core.say import Sentence

LOCALE: Final = Path(__file__).parent.parent / "locale"
LANGUAGES: Final = {"en": "English", "zh": "简体中文"}
FOLDERS: Final = {"zh": "zh_Hans"}


def read_po(text: str) -> dict[str, str]:
    """The translated entries of a catalogue (GNU gettext manual, "The Format of PO Files"); no plurals, no contexts."""
    entries: dict[str, str] = {}
    key = said = ""
    into = ""
    for line in [*text.splitlines(), 'msgid ""']:
        word, _, rest = line.strip().partition(" ")
        if word == "msgid":
            if key and said:
                entries[key] = said
            key, said, into = ast.literal_eval(rest), "", "key"
        elif word == "msgstr":
            said, into = ast.literal_eval(rest), "said"
        elif line.startswith('"') and into == "key":
            key += ast.literal_eval(line.strip())
        elif line.startswith('"') and into == "said":
            said += ast.literal_eval(line.strip())
    return entries


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """What a language says, by the English; empty for English."""
    if language not in FOLDERS:
        return {}
    return read_po((LOCALE / FOLDERS[language] / "LC_MESSAGES" / "courier.po").read_text(encoding="utf-8"))


class Words:
    """Says sentences in one language; what is not translated stays English."""

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._texts = catalogue(self.language)

    def __call__(self, sentence: Sentence | str) -> str:
        """The sentence in this language. A plain text is somebody's own words, or the agent's, and stays as it is."""
        if isinstance(sentence, str):
            return sentence
        values = {name: self(v) if isinstance(v, Sentence) else v for name, v in sentence.values.items()}
        text = self._texts.get(sentence.key, sentence.key)
        return text.format_map(values) if values else text
