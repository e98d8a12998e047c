"""The form with a sensor's record."""

from typing import Any

import msgspec
import pytest

from hub.coldchain.decisions import Assigned, Described
from hub.coldchain.excursions import SensorRecord
from hub.pages.record import RecordForm, RecordUnusable, decisions
from hub.web.i18n import catalogue
from tests.hub.web.seeded import NOW_MS

RECORD = SensorRecord("van-1.rear", "van-1", "Rear box", "dock-4", "pharma-2-8", 5, 1_801_353_600_000, "")


def decided(**fields: Any) -> list[Any]:
    form = msgspec.structs.replace(RecordForm.of(RECORD), **fields)
    return decisions(form, RECORD, who="w.chen", now_ms=NOW_MS, profiles={"pharma-2-8", "frozen-18"}, sensors={"b.c"})


def test_a_form_that_is_saved_as_it_was_decides_nothing() -> None:
    assert RecordForm.of(RECORD).calibration_due == "2027-01-31"
    assert decided(why="no change") == []


def test_what_changed_is_decided_with_who_and_why() -> None:
    described, assigned = decided(name=" Cold box ", replaced_by="b.c", profile="frozen-18", why=" moved ")
    assert (described.action, described.subject, described.who, described.why) == (
        "sensor.describe",
        "van-1.rear",
        "w.chen",
        "moved",
    )
    told = msgspec.json.decode(described.detail, type=Described)
    assert told == Described("Cold box", "dock-4", 1_801_353_600_000, "b.c")
    assert assigned.action == "sensor.assign"
    assert msgspec.json.decode(assigned.detail, type=Assigned) == Assigned("frozen-18", NOW_MS)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x" * 101},
        {"place": "two\nlines"},
        {"calibration_due": "31.01.2027"},
        {"calibration_due": "9" * 50},
        {"replaced_by": "nobody.knows"},
        {"replaced_by": "van-1.rear"},
        {"profile": "warm"},
    ],
)
def test_what_cannot_be_used_is_told_in_both_languages_and_decides_nothing(fields: dict[str, str]) -> None:
    with pytest.raises(RecordUnusable) as refused:
        decided(**fields)
    assert refused.value.key in catalogue("zh").texts
    assert refused.value.key.format_map(refused.value.values) == str(refused.value)
