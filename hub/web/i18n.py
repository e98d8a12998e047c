"""Languages of the pages. English is the key; `hub/web/chinese.py` holds the other side."""

from typing import Final

from fastapi import Request

from hub.web.chinese import CHINESE, CODES_ENGLISH

LANGUAGE_COOKIE: Final = "hf_lang"
LANGUAGES: Final = {"en": "English", "zh": "简体中文"}
_CATALOGUES: Final[dict[str, dict[str, str]]] = {"en": CODES_ENGLISH, "zh": CHINESE}


class Words:
    """Says a sentence in one language; what is not translated stays English."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._catalogue = _CATALOGUES[language]

    def __call__(self, text: str, /, **values: object) -> str:
        """The sentence, with `{name}` filled in; values are put in as they are."""
        said = self._catalogue.get(text, text)
        return said.format_map(values) if values else said

    def several(self, texts: tuple[str, ...]) -> dict[str, str]:
        """Sentences for the browser, by their English."""
        return {text: self(text) for text in texts}


def language_of(request: Request) -> str:
    """What the visitor chose (`?lang=`, then the cookie), else what the browser asks for first."""
    for chosen in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if chosen in LANGUAGES:
            return chosen
    return "zh" if request.headers.get("accept-language", "").lower().startswith("zh") else "en"
