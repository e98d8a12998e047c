from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, bindparam, select

from hub import tables as t
from hub.ledger import questions, statements
from hub.rows import plain, read, read_among, write
from tests.hub.folding import engine

ROW = {
    "key": "k",
    "kind": "gap",
    "device": "van-1",
    "detail": "one",
    "first_ms": 1,
    "last_ms": 1,
    "count": 2,
    "closed_by": "",
}


@pytest.fixture
def tx() -> Iterator[Connection]:
    made = engine()
    with made.begin() as connection:
        yield connection
    made.dispose()


def test_rows_are_written_by_their_names_whatever_their_order(tx: Connection) -> None:
    write(tx, statements.incident("sqlite"), [dict(reversed(ROW.items()))])
    write(tx, statements.incident("sqlite"), [ROW | {"detail": "two", "last_ms": 5}])

    (row,) = tx.execute(select(t.incident)).mappings()
    assert row == ROW | {"detail": "two", "last_ms": 5, "count": 4, "closed_ms": None}


def test_a_question_that_is_asked_without_a_value_is_refused(tx: Connection) -> None:
    assert read(tx, questions.INCARNATION, device="van-1", incarnation=b"i").all() == []

    with pytest.raises(KeyError, match="incarnation"):
        read(tx, questions.INCARNATION, device="van-1", incarnatoin=b"i")


def test_no_rows_are_no_work(tx: Connection) -> None:
    write(tx, statements.incident("sqlite"), {}.values())

    assert tx.execute(select(t.incident)).all() == []


def test_a_row_that_leaves_a_default_to_others_is_refused(tx: Connection) -> None:
    short = {name: value for name, value in ROW.items() if name != "count"}

    with pytest.raises(ValueError, match="rows of incident leave out count"):
        write(tx, statements.incident("sqlite"), [short])


@pytest.mark.parametrize("many", [1, 3, 4, 1_000])
def test_a_question_about_a_list_finds_each_of_it_once_and_nothing_else(tx: Connection, many: int) -> None:
    keys = [f"k{n:04}" for n in range(many)]
    write(tx, statements.incident("sqlite"), [ROW | {"key": key} for key in [*keys, "other"]])
    c = t.incident.c
    about = select(c.key, c.count).where(c.kind == "gap", c.key.in_(bindparam("names", expanding=True)), c.count == 2)

    assert sorted(plain(read_among(tx, about.order_by(c.key), keys))) == [(key, 2) for key in keys]
