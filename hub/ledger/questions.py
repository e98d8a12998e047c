"""What the protocol asks the ledger about a device: SELECT statements, built once, their values named."""

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, func, select

from hub import tables as t
from hub.ledger.statements import ERASED

_device: BindParameter[str] = bindparam("device")
_incarnation: BindParameter[bytes] = bindparam("incarnation")
_stream: BindParameter[int] = bindparam("stream")
_from: BindParameter[Any] = bindparam("from")
_to: BindParameter[Any] = bindparam("to")

STREAM: Final = select(t.stream.c.id).where(
    t.stream.c.device == _device, t.stream.c.incarnation == _incarnation, t.stream.c.lane == bindparam("lane")
)
"""The number of a stream by its name."""

BRANCHES: Final = (
    select(t.branch.c.branch, t.branch.c.n, t.branch.c.hash)
    .where(t.branch.c.stream_id == _stream)
    .order_by(t.branch.c.branch)
)
"""Where the branches of a stream end."""

HASHES: Final = (
    select(t.position.c.n, t.position.c.hash)
    .where(t.position.c.stream_id == _stream, t.position.c.n.between(_from, _to))
    .order_by(t.position.c.n, t.position.c.branch)
)
"""Whole hashes of all branches of a stream, from one position to another."""

FACT: Final = select(
    t.fact.c.fact_id, t.fact.c.core.is_not(None) | (t.fact.c.cause == ERASED), t.fact.c.seq, t.fact.c.received_ms
).where(t.fact.c.fact_id.between(_from, _to), t.fact.c.device == _device)
"""A fact of a device, by a range of identities: whether its content is here or erased for good, and since when."""

BLOB: Final = select(t.blob.c.sha256, t.blob.c.seq, t.blob.c.kept_ms).where(t.blob.c.sha256.between(_from, _to))
"""The same of an attachment."""

DOCUMENTS: Final = (
    select(t.device_document.c.kind, t.device_document.c.version)
    .where(t.device_document.c.device == _device)
    .order_by(t.device_document.c.kind)
)
"""The versions of the documents that a device should have."""

CLAIMED: Final = select(t.claim.c.head_n).where(t.claim.c.stream_id == _stream)
"""The furthest position that was ever announced for a stream."""

INCARNATION: Final = select(t.incarnation.c.first_ms).where(
    t.incarnation.c.device == _device, t.incarnation.c.incarnation == _incarnation
)
"""When an incarnation first said hello."""

LAST_HELLO: Final = select(t.device_boot.c.last_mono_ms).where(
    t.device_boot.c.device == _device, t.device_boot.c.boot == bindparam("boot")
)
"""The monotonic time of the latest hello of a boot."""

OTHER_CLAIMS: Final = (
    select(
        t.stream.c.device,
        t.stream.c.incarnation,
        t.stream.c.lane,
        t.claim.c.head_n,
        func.coalesce(select(func.max(t.branch.c.n)).where(t.branch.c.stream_id == t.stream.c.id).scalar_subquery(), 0),
    )
    .join(t.claim, t.claim.c.stream_id == t.stream.c.id)
    .where(t.stream.c.device == _device, t.stream.c.incarnation != _incarnation)
    .order_by(t.stream.c.id)
)
"""What was announced of a device's other incarnations, and how much of it came."""
