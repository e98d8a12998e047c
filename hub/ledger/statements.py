"""The ledger's INSERT statements, each with what happens when the row is there already. Built once per dialect."""

from functools import cache
from typing import Any

from sqlalchemy import Delete, Insert, Table, bindparam, case, delete, func, insert

from hub import tables as t
from hub.db import upsert

ERASED = "erased"
"""The one cause that content never comes back from, whoever still has it."""


@cache
def new(dialect: str, table: Table) -> Insert:
    """Add a row; an equal key stays as it is."""
    statement: Insert = upsert(dialect, table).on_conflict_do_nothing()
    return statement


@cache
def sole(table: Table) -> Insert:
    """Add a row; an equal key is a fault of ours and raises."""
    return insert(table)


@cache
def latest(dialect: str, table: Table, *stays: str) -> Insert:
    """Add a row, or replace all that is not its key; but columns named by `stays` keep what they hold."""
    statement = upsert(dialect, table)
    keys = [c.name for c in table.primary_key]
    values = {c.name: statement.excluded[c.name] for c in table.columns if c.name not in {*keys, *stays}}
    done: Insert = statement.on_conflict_do_update(index_elements=keys, set_=values)
    return done


@cache
def moved_branch(dialect: str) -> Insert:
    """Where a branch ends now; where it began stays."""
    statement = upsert(dialect, t.branch)
    done: Insert = statement.on_conflict_do_update(
        index_elements=["stream_id", "branch"], set_={"n": statement.excluded.n, "hash": statement.excluded.hash}
    )
    return done


@cache
def fact(dialect: str) -> Insert:
    """Add a fact. Content takes the place of a tombstone and gets a new number; a first place fills an empty one.

    What a device states itself takes the place of what another device said for it: that can never be folded, and the owner
    would be asked for it for ever.
    """
    statement = upsert(dialect, t.fact)
    old, given = t.fact.c, statement.excluded
    fills = old.core.is_(None) & given.core.is_not(None) & (old.cause != ERASED)
    owns = old.problem.is_not(None) & (old.device != given.device) & given.problem.is_(None) & given.core.is_not(None)
    fills |= owns
    values: dict[str, Any] = {
        name: case((fills, given[name]), else_=old[name])
        for name in ("seq", "device", "core", "received_ms", "problem")
    }
    values["cause"] = case((fills, None), else_=old.cause)
    values |= {name: func.coalesce(old[name], given[name]) for name in ("stream_id", "n", "branch")}
    places = old.stream_id.is_(None) & given.stream_id.is_not(None)
    done: Insert = statement.on_conflict_do_update(index_elements=["fact_id"], set_=values, where=fills | places)
    return done


@cache
def forgotten_claim() -> Delete:
    """Take an announced head out."""
    row = t.claim.c
    named = (row[name] == bindparam(name) for name in ("stream_id", "head_n", "head_hash"))
    return delete(t.claim).where(*named)


@cache
def incident(dialect: str) -> Insert:
    """Open an incident, or count it again; one that was closed is open again."""
    statement = upsert(dialect, t.incident)
    given = statement.excluded
    done: Insert = statement.on_conflict_do_update(
        index_elements=["key"],
        set_={
            "count": t.incident.c.count + given.count,
            "detail": given.detail,
            "last_ms": given.last_ms,
            "closed_ms": None,
        },
    )
    return done
