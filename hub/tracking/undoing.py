"""Corrections that people corrected in turn: what they had taken back counts again. Nothing is overwritten."""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Connection, Row, select

from hub.timeline import chunks
from hub.tracking.custody import taken_back
from hub.tracking.tables import custody_correction
from hub.voice import HUB_DEVICE

_c: Final = custody_correction.c


def undoing(conn: Connection, corrections: Collection[bytes]) -> list[Row[Any]]:
    """Rows of what people decided about these corrections, and about that in turn, to the last."""
    found: list[Row[Any]] = []
    known, asked = set(corrections), sorted(corrections)
    while asked:
        rows = [
            row
            for some in chunks(asked)
            for row in conn.execute(
                select(custody_correction).where(_c.target.in_(some), _c.device == HUB_DEVICE).order_by(_c.fact_id)
            )
        ]
        found += rows
        asked = sorted({row.fact_id for row in rows} - known)
        known |= set(asked)
    return found


def undone(conn: Connection, corrections: Collection[bytes]) -> frozenset[bytes]:
    """Which of these corrections take nothing back any more."""
    pairs = [(row.fact_id, row.target) for row in undoing(conn, corrections)]
    return frozenset(corrections) & taken_back(pairs).keys()


def reached(conn: Connection, targets: Iterable[bytes]) -> list[bytes]:
    """These facts, and where one is a correction, what it takes back, down to what was stated."""
    found = asked = list(dict.fromkeys(targets))
    while asked:
        below = [
            target for some in chunks(asked) for target in conn.scalars(select(_c.target).where(_c.fact_id.in_(some)))
        ]
        asked = sorted(set(below) - set(found))
        found = [*found, *asked]
    return found
