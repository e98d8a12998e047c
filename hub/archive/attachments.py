"""Which facts name which attachments."""

from collections.abc import Sequence

from sqlalchemy import Connection, Table

from contract.event import Proof
from contract.fact import Fact
from hub.archive.tables import attachment
from hub.ledger import statements
from hub.projector import Change, LedgerFact
from hub.rows import write


class AttachmentProjection:
    """One row for each attachment that a fact names."""

    name = "attachments"
    tables: Sequence[Table] = (attachment,)

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Note what these facts name."""
        rows = [
            {"sha256": digest, "fact_id": known.fact_id} for known in facts for digest in sorted(_named(known.fact))
        ]
        write(tx, statements.new(tx.dialect.name, attachment), rows)
        return []


def _named(fact: Fact) -> set[bytes]:
    named = set(fact.blobs)
    if isinstance(proof := fact.event, Proof):
        named |= {*proof.photos, *([proof.signature] if proof.signature else [])}
    return named
