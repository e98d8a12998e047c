"""Brings the catalogues in line with what is said: `scripts/words`. See docs/translating.md."""

import io
import sys
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from hub.web.i18n import LOCALES
from tests.hub.web.sentences import NO_SENTENCES, ROOT, Sentences, sentences

ENGLISH: Final = "en"
"""Says only what is not its own key."""


def path_of(language: str) -> Path:
    """Where the catalogue of a language is kept."""
    return ROOT / "hub" / "locale" / LOCALES[language] / "LC_MESSAGES" / "hub.po"


def read(language: str) -> dict[str, Message]:
    """The entries of a catalogue by their keys."""
    with path_of(language).open("rb") as file:
        return {key_of(message): message for message in read_po(file, abort_invalid=True) if message.id}


def key_of(message: Message) -> str:
    """What the hub asks by: the sentence, and of one with plural forms the plural."""
    return message.id if isinstance(message.id, str) else message.id[1]


def written(language: str, found: Sentences) -> bytes:
    """A catalogue as it should be: each sentence that is said, with the files that say it; others are left out.

    The header stays as it is. A code comes with its English, for whoever translates it.
    """
    entries, english = read(language), read(ENGLISH)
    if language != ENGLISH:
        missing = {*found.said, *english} - set(entries) - NO_SENTENCES
        entries |= {key: Message(key) for key in missing}
    files = {key: sorted(found.files(key)) for key in entries}
    catalog = Catalog(LOCALES[language])
    for key in sorted((key for key in entries if files[key]), key=lambda key: (files[key], key)):
        entry = entries[key]
        told = english[key].string if key in english and language != ENGLISH else None
        catalog.add(
            entry.id,
            entry.string,
            [(file, 0) for file in files[key]],
            entry.flags,
            [f"English: {told}"] if isinstance(told, str) else [],
            entry.user_comments,
        )
    header = path_of(language).read_bytes().partition(b"\n\n")[0]
    body = io.BytesIO()
    write_po(body, catalog, width=0, omit_header=True)
    return header + b"\n\n" + body.getvalue().rstrip() + b"\n"


def main() -> int:
    """Write all catalogues; tell what has come, what is gone and what has no translation: then 1."""
    open_ones = 0
    for language in LOCALES:
        before = set(read(language))
        path_of(language).write_bytes(written(language, sentences()))
        entries = read(language)
        told = [("nobody says it any more", sorted(before - set(entries)))]
        told.append(("not translated", sorted(key for key, entry in entries.items() if not entry.string)))
        for what, keys in told:
            for key in keys:
                print(f"{language}: {what}: {key}")  # noqa: T201 # a command line prints
        open_ones += len(told[-1][1])
    return 1 if open_ones else 0


if __name__ == "__main__":
    sys.exit(main())
