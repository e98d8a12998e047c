"""Every sentence of the pages is there in both languages."""

import re
from importlib.resources import files

import pytest

from contract.delivery.hub_actions import IncidentKind
from contract.event import Lane, Quantity
from hub.coldchain.freshness import Freshness
from hub.tracking.custody import Deed, ParcelStatus
from hub.web.chinese import BROWSER_WORDS, CHINESE, CODES_ENGLISH
from hub.web.i18n import Words
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT
from hub.web.render import PAGES

SAID = re.compile(r"""\bt\(\s*(["'])((?:(?!\1).)+)\1\s*[,)]""")


def sentences(folder: str, ending: str) -> set[str]:
    found: set[str] = set()
    for item in (files("hub") / folder).iterdir():
        if item.name.endswith(ending):
            found |= {match[1] for match in SAID.findall(item.read_text(encoding="utf-8"))}
    return {text for text in found if not text.endswith(" ")}


def test_every_sentence_of_the_templates_is_translated() -> None:
    assert sentences("templates", ".html") - set(CHINESE) == set()


def test_every_sentence_of_the_scripts_is_translated_and_sent_along() -> None:
    said = sentences("static", ".js")
    assert len(said) > 8
    assert said - set(BROWSER_WORDS) == set()


def test_every_code_of_the_records_has_a_word() -> None:
    codes = [
        *(f"state {status}" for status in ParcelStatus),
        *(f"step {deed}" for deed in Deed),
        *(f"reading {state}" for state in Freshness),
        *(f"lane {lane}" for lane in Lane),
        *(f"quantity {quantity}" for quantity in Quantity),
    ]
    for code in codes:
        assert code in CODES_ENGLISH
        assert code in CHINESE


def test_every_incident_is_told_in_both_languages() -> None:
    assert set(INCIDENT_WORDS) == set(IncidentKind)
    for words in (*INCIDENT_WORDS.values(), UNKNOWN_INCIDENT):
        assert words.what in CHINESE
        assert words.todo in CHINESE


def test_every_page_of_the_navigation_has_a_name_in_chinese() -> None:
    assert {name for _, name, _ in PAGES} - set(CHINESE) == set()


@pytest.mark.parametrize("english", sorted(CHINESE))
def test_a_translation_has_the_same_places_to_fill(english: str) -> None:
    assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", CHINESE[english]))


def test_values_are_put_in_as_they_are() -> None:
    assert Words("zh")("{n} min", n="{n}") == "{n} 分钟"
