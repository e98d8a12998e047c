"""Thinning under pressure: a routine block gives way to the part of it that tells something, in one transaction.

Works for `agent.outbox`, the only one that writes outbox rows.
"""

import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from agent.clock import Stamp
from agent.room import thin
from agent.store import chain
from agent.store.database import Database
from agent.store.scribe import Draft, Scribe
from contract.errors import ContractError
from contract.event import Lane, Positions, Readings
from contract.fact import decode_core

THIN_AT_ONCE: Final = 16


class Thinner:
    """Goes once through the telemetry of an incarnation, oldest first; what was added meanwhile comes later."""

    def __init__(self, database: Database, scribe: Scribe) -> None:
        self._database = database
        self._scribe = scribe
        self._looked_at_n = 0

    def start_over(self) -> None:
        """A new incarnation has other positions."""
        self._looked_at_n = 0

    def some(
        self, limits: Callable[[str], Sequence[int]], write: Callable[[Callable[[sqlite3.Connection], None]], None]
    ) -> None:
        """Thin the next blocks, each by one `write`.

        Raises:
            NotKept: the disk took no more; the rest is as it was.
        """
        statement = """
            SELECT place & ?, fact_id, core FROM fact
            WHERE place > ? AND place <= ? AND cause IS NULL ORDER BY place LIMIT ?
            """
        stream = self._database.read(lambda c: chain.stream_of(c, Lane.TELEMETRY))
        first, last = chain.place_of(stream, self._looked_at_n), chain.place_of(stream, chain.N_MASK)
        for n, identity, core in self._database.rows(statement, (chain.N_MASK, first, last, THIN_AT_ONCE)):
            draft = _thinned(core, identity, limits)
            if draft is not None:
                write(partial(self._put_in_place, n=n, identity=identity, draft=draft))
            self._looked_at_n = n

    def _put_in_place(self, connection: sqlite3.Connection, *, n: int, identity: bytes, draft: Draft) -> None:
        if chain.bury(connection, Lane.TELEMETRY, n, identity, "thinned"):
            self._scribe.keep(connection, [draft])


def _thinned(core: bytes, identity: bytes, limits: Callable[[str], Sequence[int]]) -> Draft | None:
    try:
        fact = decode_core(core)
        block = fact.event
        if not isinstance(block, Readings | Positions):
            return None
        thinned = thin(block, identity, limits(block.sensor) if isinstance(block, Readings) else ())
    except ContractError:
        # A block that is not whole is found when it is sent (D2).
        return None
    if thinned is None:
        return None
    return Draft(thinned, fact.actor, Stamp(fact.at_ms, fact.mono_ms, fact.clock), fact.boot)
