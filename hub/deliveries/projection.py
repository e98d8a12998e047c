"""How proofs become deliveries, and figures follow from them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, bindparam, update

from contract.event import Correction, Decision, Event, Proof
from hub.archive.redaction import listed
from hub.deliveries.figures import routes_of_proofs, work_out
from hub.deliveries.tables import delivery
from hub.ledger import statements
from hub.projector import Change, LedgerFact
from hub.rows import write
from hub.timeline import date_rows, note_fixes, redate, stamp_columns
from hub.tracking.stated import CORRECT
from hub.tracking.undoing import reached

TOPIC = "delivery"
CORRECTED = "delivery corrected"
PERSONAL: Final = (
    "reason", "recipient", "relation", "notes", "lat_e7", "lon_e7", "accuracy_m", "fix_age_s", "withheld",
)  # fmt: skip
"""What changes of a row when personal data of its proof is withheld."""
_ANEW: Final = (
    update(delivery)
    .where(delivery.c.fact_id == bindparam("the_fact"))
    .values({name: bindparam(f"new_{name}") for name in PERSONAL})
)


class DeliveryProjection:
    """One row for each proof; what a stop has come to is folded from them where it is asked for."""

    name = "deliveries"
    tables: Sequence[Table] = (delivery,)

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        """Fold proofs and clock fixes."""
        boots = note_fixes(tx, facts)
        rows = [_row(known, known.fact.event) for known in facts if isinstance(known.fact.event, Proof)]
        if rows:
            boots |= date_rows(tx, rows)
            write(tx, statements.new(tx.dialect.name, delivery), rows)
        touched = [bytes(row["fact_id"]) for row in rows]
        touched += [moved.row["fact_id"] for moved in redate(tx, delivery, boots)]
        changes = [Change(TOPIC, identity.hex()) for identity in dict.fromkeys(touched)]
        # A correction may be undone, and then its targets change, too. Tracking has noted all of them before.
        targets = reached(tx, (target for known in facts for target in _taken_back_by(known.fact.event)))
        changes += [Change(CORRECTED, target.hex()) for target in targets]
        return changes

    def act(self, tx: Connection, changes: Sequence[Change], now_ms: int) -> None:
        """Work out the figures of the routes of these stops anew."""
        named = {bytes.fromhex(change.key) for change in changes if change.topic in {TOPIC, CORRECTED}}
        corrected = {bytes.fromhex(change.key) for change in changes if change.topic == CORRECTED}
        for (day, route), cause in routes_of_proofs(tx, named, corrected).items():
            work_out(tx, day, route, now_ms, cause)

    def act_at_start(self, tx: Connection, now_ms: int) -> None:
        """Facts of a hub that ended between fold and figures are in the same transaction; nothing can be left."""


def _taken_back_by(event: Event) -> tuple[bytes, ...]:
    if isinstance(event, Correction):
        return (event.target,)
    return event.targets if isinstance(event, Decision) and event.action == CORRECT else ()


def tell_deliveries_anew(tx: Connection, facts: Sequence[LedgerFact]) -> None:
    """Take out of the rows what these facts do not tell any more; the rows are as a rebuild would give them."""
    rows = [_row(known, known.fact.event) for known in facts if isinstance(known.fact.event, Proof)]
    if rows:
        tx.execute(_ANEW, [{"the_fact": row["fact_id"], **{f"new_{n}": row[n] for n in PERSONAL}} for row in rows])


def _row(known: LedgerFact, proof: Proof) -> dict[str, Any]:
    fact, fix = known.fact, proof.fix
    return {
        **stamp_columns(known),
        "fact_id": known.fact_id,
        "stop": proof.stop,
        "incarnation": fact.incarnation,
        "ord": fact.ord,
        "actor": fact.actor,
        "outcome": proof.outcome.value,
        "delivered": msgspec.json.encode(proof.delivered).decode(),
        "refused": msgspec.json.encode(proof.refused).decode(),
        "reason": proof.reason,
        "recipient": proof.recipient,
        "relation": proof.relation,
        "notes": proof.notes,
        "lat_e7": fix.lat_e7 if fix else None,
        "lon_e7": fix.lon_e7 if fix else None,
        "accuracy_m": fix.accuracy_m if fix else None,
        "fix_age_s": fix.age_s if fix else None,
        "cold_verdict": proof.cold_verdict,
        "cold_budget_s": proof.cold_budget_s,
        "signature": proof.signature,
        "photos": b"".join(proof.photos),
        "withheld": listed(known.withheld),
    }
