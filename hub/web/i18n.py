"""Languages of the pages. English is the key; `hub/locale` holds what other languages say, and English for codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from babel.messages.pofile import read_po

if TYPE_CHECKING:
    # Commands say words, too, and start without the web's half second.
    from fastapi import Request

from hub.said import Said

LANGUAGE_COOKIE: Final = "hf_lang"
LANGUAGES: Final = {"en": "English", "zh": "简体中文"}
LOCALES: Final = {"en": "en", "zh": "zh_Hans"}
"""Folders of the catalogues."""
SCRIPT: Final = ".js"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What one language says.

    Attributes:
        texts: by the key, which is the English sentence or a code.
        ones: the same where the place `{n}` is filled with 1 and the language says that differently.
        browser: keys that scripts say, as the references of the catalogue tell.
    """

    texts: Mapping[str, str]
    ones: Mapping[str, str]
    browser: tuple[str, ...]


@cache
def catalogue(language: str) -> Catalogue:
    """A language's catalogue; one with plural forms has the plural as its key.

    Raises:
        babel.messages.pofile.PoFileError: the file is not well formed.
    """
    texts: dict[str, str] = {}
    ones: dict[str, str] = {}
    browser: list[str] = []
    with (files("hub") / "locale" / LOCALES[language] / "LC_MESSAGES" / "hub.po").open("rb") as file:
        for message in read_po(file, abort_invalid=True):
            match message.id, message.string:
                case str(key), str(said) if key and said and not message.fuzzy:
                    texts[key] = said
                case (_, key), (one, said) if said and not message.fuzzy:
                    texts[key], ones[key] = said, one
                case _:
                    continue
            if any(name.endswith(SCRIPT) for name, _ in message.locations):
                browser.append(key)
    return Catalogue(texts, ones, tuple(browser))


class Words:
    """Says a sentence in one language; what is not translated stays English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogue = catalogue(language)

    def __call__(self, text: str, /, **values: object) -> str:
        """The sentence, with `{name}` filled in; values are put in as they are, but for what is `Said`."""
        if isinstance(text, Said):
            told = {name: self(one) if isinstance(one, Said) else one for name, one in text.values.items()}
            return self(text.key, **told, **values)
        said = self._catalogue.texts.get(text, text)
        if str(values.get("n")) == "1":
            said = self._catalogue.ones.get(text, said)
        return said.format_map(values) if values else said

    def for_browser(self) -> Mapping[str, str | tuple[str, str]]:
        """What scripts say, by its key: a sentence, or the one for 1 and the one for other numbers."""
        told = self._catalogue
        return {key: (told.ones[key], told.texts[key]) if key in told.ones else told.texts[key] for key in told.browser}


def language_of(request: "Request") -> str:
    """What the visitor chose (`?lang=`, then the cookie), else what the browser asks for first."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
