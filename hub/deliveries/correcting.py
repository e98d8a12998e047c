"""Taking a wrong proof back, and letting it count again: decisions of a person, and the proof stays as it came.

What a proof says of its parcels no longer holds either, with the same decision. What happened instead is said by another proof,
or for single parcels by a correction with a step (`hub.tracking.correcting`).
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, select

from contract.event import Decision
from contract.limits import MAX_NOTE_CHARS
from hub.deliveries.state import ProofView
from hub.tracking.correcting import CorrectionUnusable
from hub.tracking.custody import taken_back
from hub.tracking.stated import CORRECT
from hub.tracking.tables import custody_correction
from hub.tracking.undoing import undoing
from hub.voice import HUB_DEVICE

_c: Final = custody_correction.c


class CorrectionView(Struct, frozen=True):
    """What somebody decided about a proof.

    Attributes:
        undoes: the correction that it takes back; None: it takes back the proof.
        parcel: the one parcel that it speaks of; empty: the whole proof.
        stands: nobody took it back.
    """

    fact_id: bytes
    who: str
    why: str
    happened_ms: int
    undoes: bytes | None
    parcel: str
    stands: bool


def take_back(proof: ProofView, known: Sequence[CorrectionView], *, who: str, why: str) -> Decision:
    """The decision that a proof does not count.

    Args:
        proof: as it is now.
        known: all that was decided about it.
        who: the person.
        why: the reason.

    Raises:
        CorrectionUnusable: no reason, or it does not count already.
    """
    reason = _reason(why)
    if proof.corrected_by is not None:
        before = next((one.who for one in known if one.fact_id == proof.corrected_by), "")
        raise CorrectionUnusable("This proof was taken back before, by {who}. Load the page again.", who=before or "?")
    return Decision(CORRECT, (proof.fact_id,), who, reason)


def count_again(proof: ProofView, _known: Sequence[CorrectionView], *, who: str, why: str) -> Decision:
    """The decision that a proof counts after all; as `take_back`.

    Raises:
        CorrectionUnusable: no reason, or nobody took it back.
    """
    reason = _reason(why)
    if proof.corrected_by is None:
        raise CorrectionUnusable("This proof counts already. Load the page again.")
    return Decision(CORRECT, (proof.corrected_by,), who, reason)


def corrections_of(conn: Connection, proof: ProofView) -> list[CorrectionView]:
    """All that was decided about a proof, in order."""
    by = (HUB_DEVICE, proof.device)
    rows = conn.execute(select(custody_correction).where(_c.target == proof.fact_id, _c.device.in_(by))).all()
    first = {row.fact_id for row in rows}
    every = [*rows, *undoing(conn, first)]
    every.sort(key=lambda row: (row.happened_ms, row.device, row.incarnation, row.ord))
    gone = taken_back((row.fact_id, row.target) for row in every)
    return [
        CorrectionView(
            row.fact_id,
            row.who,
            row.why,
            row.happened_ms,
            None if row.target == proof.fact_id else row.target,
            row.parcel,
            row.fact_id not in gone,
        )
        for row in every
    ]


def _reason(why: str) -> str:
    reason = why.strip()
    if not reason:
        raise CorrectionUnusable("Say why: the reason is kept beside the correction.")
    if len(reason) > MAX_NOTE_CHARS:
        raise CorrectionUnusable("A reason has at most {n} characters.", n=MAX_NOTE_CHARS)
    return reason
