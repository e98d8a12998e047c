"""Readings as CSV."""

import csv
from datetime import datetime
from io import StringIO

import pytest

from tests.hub.web.conftest import hub
from tests.hub.web.seeded import EVERY_MS, NOW_MS, SeededHub, Story, add_device

__all__ = ["hub"]

SENSOR = "van-1.rear.temperature_c"
PATH = f"/api/v1/sensors/{SENSOR}/readings.csv"


def test_the_export_holds_every_reading_as_time_and_value(hub: SeededHub) -> None:
    values = [512, -4, None, -1820, 0, 10_000] * 1_000
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        story.readings(SENSOR, values, at_ms=NOW_MS - 123)
        story.tell(tx)
    answer = hub.signed_in().get(PATH)
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{SENSOR}.csv"'
    head, *rows = csv.reader(StringIO(answer.text, newline=""))
    assert head == ["time", "value"]
    first_ms = NOW_MS - 123 - (len(values) - 1) * EVERY_MS
    told = [
        (round(datetime.fromisoformat(at).timestamp() * 1000), None if not value else round(float(value) * 100))
        for at, value in rows
    ]
    assert told == [(first_ms + i * EVERY_MS, value) for i, value in enumerate(values)]


def test_f077_no_cell_of_the_export_can_be_taken_for_a_formula(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1", place='=HYPERLINK("http://x")')
        story = Story()
        story.readings(SENSOR, [-512, None, 3])
        story.tell(tx)
    rows = list(csv.reader(StringIO(hub.signed_in().get(PATH).text, newline="")))[1:]
    for at, value in rows:
        assert at[0].isdigit()
        assert value == "" or float(value) < 100


@pytest.mark.parametrize(
    "query", ["from=0001-01-01&to=9999-12-31", "from=2027-01-01&to=2026-01-01", "from=12026-01-01"]
)
@pytest.mark.parametrize(
    "path", [PATH, PATH.removesuffix(".csv"), f"/temperature/{SENSOR}", f"/temperature/{SENSOR}/chart"]
)
def test_a_range_of_ten_thousand_years_gets_a_clear_answer(hub: SeededHub, path: str, query: str) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        story.readings(SENSOR)
        story.tell(tx)
    answer = hub.signed_in().get(f"{path}?{query}")
    assert answer.status_code in {400, 422}
    assert "from" in answer.json()["detail"]


def test_an_unknown_sensor_has_no_export(hub: SeededHub) -> None:
    assert hub.signed_in().get(PATH).status_code == 404
