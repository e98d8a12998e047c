"""What pages, planning and the interface read about deliveries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, select

from contract.event import Outcome
from hub.archive.redaction import fields_in
from hub.deliveries.state import UNVISITED, ProofView, StopOutcome, fold_stop
from hub.deliveries.tables import delivery
from hub.timeline import chunks
from hub.tracking.tables import custody_correction
from hub.tracking.undoing import undone
from hub.voice import HUB_DEVICE

MAX_PAGE: Final = 1_000
DIGEST_BYTES: Final = 32
_d, _c = delivery.c, custody_correction.c
_keys = msgspec.json.Decoder(tuple[str, ...])
_PLAIN: Final = tuple(
    name
    for name in ProofView.__struct_fields__
    if name not in {"outcome", "delivered", "refused", "photos", "corrected_by", "withheld"}
)


def find_proof(conn: Connection, fact_id: bytes) -> ProofView | None:
    """One proof by its identity."""
    row = conn.execute(select(delivery).where(_d.fact_id == fact_id)).first()
    return None if row is None else _proofs(conn, [row])[0]


def list_proofs(
    conn: Connection, *, stop: str = "", before: tuple[int, bytes] | None = None, limit: int = 100
) -> list[ProofView]:
    """Proofs, those that happened last first; `before` is time and identity of the last one already seen."""
    query = select(delivery).order_by(_d.happened_ms.desc(), _d.fact_id.desc()).limit(limit)
    if stop:
        query = query.where(_d.stop == stop)
    if before is not None:
        at_ms, fact_id = before
        query = query.where((_d.happened_ms < at_ms) | ((_d.happened_ms == at_ms) & (_d.fact_id < fact_id)))
    return _proofs(conn, conn.execute(query).all())


def outcomes_of(
    conn: Connection, stops: Iterable[str], cancelled: frozenset[str] = frozenset()
) -> Mapping[str, StopOutcome]:
    """What these stops have come to; those that nobody went to are among them."""
    names = list(dict.fromkeys(stops))
    proofs: defaultdict[str, list[ProofView]] = defaultdict(list)
    for some in chunks(names):
        for proof in _proofs(conn, conn.execute(select(delivery).where(_d.stop.in_(some))).all()):
            proofs[proof.stop].append(proof)
    return {
        name: fold_stop(proofs.get(name, ()), cancelled=name in cancelled)
        if name in proofs or name in cancelled
        else UNVISITED
        for name in names
    }


def _proofs(conn: Connection, rows: Sequence[Row[Any]]) -> list[ProofView]:
    whole, parts = _corrections(conn, [row.fact_id for row in rows])
    return [_proof(row, whole.get(row.fact_id), parts.get(row.fact_id, frozenset())) for row in rows]


def _corrections(
    conn: Connection, identities: Sequence[bytes]
) -> tuple[dict[bytes, bytes], dict[bytes, frozenset[str]]]:
    """Proofs that were taken back, each with the decision; and parcels of proofs that were."""
    # A device takes back what it stated itself.
    of_whom = _c.device.in_([HUB_DEVICE, _d.device])
    query = select(_c.fact_id, _c.target, _c.parcel).join(delivery, _d.fact_id == _c.target).where(of_whom)
    rows = [row for some in chunks(identities) for row in conn.execute(query.where(_c.target.in_(some)))]
    gone = undone(conn, {row.fact_id for row in rows})
    whole: dict[bytes, bytes] = {}
    parts: dict[bytes, frozenset[str]] = {}
    for row in rows:
        if row.fact_id in gone:
            continue
        if row.parcel:
            parts[row.target] = parts.get(row.target, frozenset()) | {row.parcel}
        else:
            whole[row.target] = min(row.fact_id, whole.get(row.target, row.fact_id))
    return whole, parts


def _proof(row: Row[Any], corrected_by: bytes | None, without: frozenset[str]) -> ProofView:
    digests = (row.photos[at : at + DIGEST_BYTES] for at in range(0, len(row.photos), DIGEST_BYTES))
    return ProofView(
        **{name: getattr(row, name) for name in _PLAIN},
        outcome=Outcome(row.outcome),
        delivered=tuple(key for key in _keys.decode(row.delivered) if key not in without),
        refused=tuple(key for key in _keys.decode(row.refused) if key not in without),
        photos=tuple(digests),
        corrected_by=corrected_by,
        withheld=fields_in(row.withheld),
    )
