"""What every page asks of excursions is found by an index of few rows, however many there ever were."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from hub.ahead import Ahead
from hub.coldchain.excursions import ExcursionFilters, list_excursions, open_by_sensor
from hub.pages.standing import all_standings
from hub.schema import open_database

Ask = Callable[[Connection], object]


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (open_by_sensor, "ix_excursion_lasting"),
        (lambda tx: list_excursions(tx, ExcursionFilters(needs_person=True, open=False)), "ix_excursion_unseen"),
        (lambda tx: all_standings(tx, Ahead(), [], 0), "ix_excursion_unseen"),
    ],
    ids=["those that last", "those that wait for a person", "sensors with one that waits"],
)
def test_a_page_reads_no_excursion_that_is_over_and_seen(ask: Ask, index: str, tmp_path: Path) -> None:
    database = open_database(tmp_path)
    asked: list[tuple[str, object]] = []
    event.listen(database.readers, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    with database.read() as tx:
        ask(tx)
        about = [(sql, values) for sql, values in asked if "FROM excursion" in sql]
        plans = [str(tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values).all()) for sql, values in about]
    database.close()

    assert index in "".join(plans)
    assert "ix_excursion_started" not in "".join(plans)
    assert all("INDEX" in plan for plan in plans)
