"""Statements that run with every message or group: they go past SQLAlchemy's handling of each statement and row.

They are declared in Core, rendered once, and run by the driver. Nothing is lost by that: our columns hold
integers, text and bytes, which drivers take as they are. The engine must use positional parameters, as SQLite's does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Delete, Dialect, Insert, Select

STATEMENTS: Final = 256
"""Rendered ones that are remembered; the hub has some fifty."""

Row = Mapping[str, Any]


def write(tx: Connection, statement: Insert | Delete, rows: Collection[Row]) -> None:
    """Run a statement over rows that all name the same columns.

    Args:
        tx: a transaction of the writer.
        statement: one that is built once and kept (`hub.ledger.statements`), for it is remembered as it was rendered.
        rows: none is no work.

    Raises:
        ValueError: the rows leave out a column that has a default; here nothing fills it in.
    """
    if rows:
        sql, parameters = _rendered(statement, tx.dialect, tuple(next(iter(rows))))
        tx.exec_driver_sql(sql, [parameters(row) for row in rows])


def read(tx: Connection, statement: Select[*tuple[Any, ...]], **values: object) -> CursorResult[*tuple[Any, ...]]:
    """Run a query that is built once and kept (`hub.ledger.questions`), with a value for each parameter that it names.

    Raises:
        KeyError: a value was left out.
    """
    sql, places, constants = _asked(statement, tx.dialect)
    parameters = {**constants, **values}
    return tx.exec_driver_sql(sql, tuple(parameters[place] for place in places))


def read_among(
    tx: Connection, statement: Select[*tuple[Any, ...]], names: Sequence[str]
) -> CursorResult[*tuple[Any, ...]]:
    """The same for a query whose one open parameter is a list, `bindparam("names", expanding=True)`; one name at least."""
    # Rendered for few lengths; who is named twice is found once.
    length = 1 << (len(names) - 1).bit_length()
    sql, before, after = _listed(statement, tx.dialect, length)
    return tx.exec_driver_sql(sql, (*before, *names, *repeat(names[-1], length - len(names)), *after))


def plain(result: CursorResult[*tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
    """All rows of a result as the driver gives them, without the names of their columns: a quarter sooner."""
    with result:
        return result.cursor.fetchall()


@lru_cache(STATEMENTS)
def _listed(
    statement: Select[*tuple[Any, ...]], dialect: Dialect, length: int
) -> tuple[str, Sequence[object], Sequence[object]]:
    told = statement.compile(dialect=dialect).construct_expanded_state({"names": [""] * length})
    values = [told.parameters[place] for place in told.positiontup or ()]
    first = (told.positiontup or []).index(told.parameter_expansion["names"][0])
    return told.statement, values[:first], values[first + length :]


@lru_cache(STATEMENTS)
def _asked(statement: Select[*tuple[Any, ...]], dialect: Dialect) -> tuple[str, tuple[str, ...], Row]:
    compiled = statement.compile(dialect=dialect)
    # A parameter without a value would otherwise be NULL, which equals nothing: an answer like that to an unknown device.
    constants = {name: bound.value for name, bound in compiled.binds.items() if not bound.required}
    return str(compiled), tuple(compiled.positiontup or ()), constants


@lru_cache(STATEMENTS)
def _rendered(
    statement: Insert | Delete, dialect: Dialect, names: tuple[str, ...]
) -> tuple[str, Callable[[Row], tuple[Any, ...]]]:
    compiled = statement.compile(dialect=dialect, column_keys=list(names))
    left_out = [column.name for column in compiled.insert_prefetch]
    if left_out:
        raise ValueError(f"rows of {statement.table} leave out {', '.join(left_out)}")
    places = compiled.positiontup or []
    of_row: itemgetter[tuple[Any, ...]] = itemgetter(*places[: len(names)])
    constants = tuple(compiled.params[name] for name in places[len(names) :])
    return str(compiled), (lambda row: of_row(row) + constants) if constants else of_row
