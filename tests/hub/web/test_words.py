"""What the hub says is there in both languages, and the catalogues hold nothing else."""

import re
import string

import pytest
from babel.messages.catalog import Message

from contract.delivery.hub_actions import IncidentKind
from contract.event import Lane, Quantity
from hub.coldchain.freshness import Freshness
from hub.tracking.custody import Deed, ParcelStatus
from hub.web.i18n import LANGUAGES, LOCALES, Words, catalogue
from hub.web.incident_words import INCIDENT_WORDS, UNKNOWN_INCIDENT
from hub.web.render import PAGES
from tests.hub.web.catalogues import ENGLISH, path_of, read, written
from tests.hub.web.sentences import NO_SENTENCES, sentences

TRANSLATED = sorted(set(LANGUAGES) - {ENGLISH})
CODES = (
    *(f"state {status}" for status in ParcelStatus),
    *(f"step {deed}" for deed in Deed),
    *(f"reading {state}" for state in Freshness),
    *(f"lane {lane}" for lane in Lane),
    *(f"quantity {quantity}" for quantity in Quantity),
)
# Not `{n} h {m} min`: units stay as they are.
COUNTED = re.compile(r"\{n\} (?!min\b)\w{3,}.*")
SAME_FOR_ONE = frozenset({"{n} silent"})


@pytest.mark.parametrize("language", TRANSLATED)
def test_everything_that_is_said_is_translated(language: str) -> None:
    assert set(sentences().said) - NO_SENTENCES - set(catalogue(language).texts) == set()


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_english_says_otherwise_than_its_key_is_translated(language: str) -> None:
    assert set(catalogue(ENGLISH).texts) - set(catalogue(language).texts) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_is_as_scripts_words_writes_it(language: str) -> None:
    assert path_of(language).read_bytes() == written(language, sentences()), "run scripts/words"


def test_what_is_said_is_found_in_templates_scripts_and_python() -> None:
    said = sentences()
    # As it stands, one of two, in a script, one of several, and by way of a value.
    assert "hub/templates/tracking.html" in said.said["Where is everything?"]
    assert "hub/templates/home.html" in said.said["hub in trouble"]
    assert "hub/static/map.js" in said.said["Zoom in"]
    assert said.said["not live: sign in again"] == {"hub/static/live.js"}
    assert said.said["Make room on the hub's disk, or replace it"] == {"hub/pages/home.py"}
    # Put together.
    assert "hub/static/live.js" in said.files("state in_transit")
    assert said.files("was above the limit, allowed") == {"hub/pages/verdicts.py"}
    assert said.files("is said by nobody") == set()


@pytest.mark.parametrize("code", CODES)
def test_every_code_of_the_records_has_a_word(code: str) -> None:
    for language in LANGUAGES:
        assert code in catalogue(language).texts


def test_every_incident_and_every_page_has_a_name_in_chinese() -> None:
    assert set(INCIDENT_WORDS) == set(IncidentKind)
    told = {text for words in (*INCIDENT_WORDS.values(), UNKNOWN_INCIDENT) for text in (words.what, words.todo)}
    assert (told | {name for _, name, _ in PAGES}) - set(catalogue("zh").texts) == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_translation_has_the_same_places_to_fill(language: str) -> None:
    for key, entry in read(language).items():
        for said in _forms(entry):
            assert _places(said) == _places(key), key


def test_english_says_one_thing_in_the_singular() -> None:
    counted = {key for key in catalogue("zh").texts if COUNTED.fullmatch(key)}
    assert len(counted) > 10
    assert counted - set(catalogue(ENGLISH).ones) == SAME_FOR_ONE
    assert Words("en")("{n} parcels", n=1) == Words("en")("{n} parcels", n="1") == "1 parcel"
    assert Words("en")("{n} parcels", n=21) == "21 parcels"
    assert Words("zh")("{n} parcels", n=1) == "1 件包裹"


def test_scripts_are_handed_what_they_say_and_nothing_else() -> None:
    handed = Words("zh").for_browser()
    said = {key for key, files in sentences().said.items() if any(file.endswith(".js") for file in files)}
    assert said - set(handed) == set()
    assert handed["reading silent"] == "设备失联"
    assert "Password" not in handed
    assert Words("en").for_browser()["{n} excursions"] == ("{n} excursion", "{n} excursions")


def test_no_translation_is_in_doubt() -> None:
    assert all(not entry.fuzzy for language in LOCALES for entry in read(language).values())


def test_values_are_put_in_as_they_are() -> None:
    assert Words("zh")("{n} min", n="{n}") == "{n} 分钟"


def _forms(entry: Message) -> tuple[str, ...]:
    return (entry.string,) if isinstance(entry.string, str) else tuple(entry.string or ())


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
