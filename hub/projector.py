"""Projections: tables that follow from the ledger, folded in its order, each with its marker in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection, Table

from contract.fact import Fact


@dataclass(frozen=True, slots=True)
class LedgerFact:
    """A committed fact with its content. `seq` is its place in the ledger's own order."""

    seq: int
    fact_id: bytes
    fact: Fact
    received_ms: int
    """When the hub took it, UTC epoch ms; stored, so that folding reads no clock."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a display may want to show anew: topic `parcel`, `sensor`, `device`, `excursion` or `incident`, and which one."""

    topic: str
    key: str


class Projection(Protocol):
    """How facts change some tables. Pure of clocks and chance; the same rows in any order of arrival."""

    name: str
    """Key of its marker; never change it."""
    tables: Sequence[Table]
    """What `rebuild` empties."""

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold facts, all of them new since the last call, in ledger order.

        Raises:
            ProjectionError: one fact cannot be folded; it goes to quarantine and the rest is folded again without it.
        """
