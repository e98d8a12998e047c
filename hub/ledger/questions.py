"""What the protocol asks the ledger about a device: SELECT statements, built once, their values named."""

from typing import Any, Final

from sqlalchemy import BindParameter, bindparam, func, select

from contract.messages import MARK_HASH_BYTES
from hub import tables as t
from hub.archive.tables import erased_blob
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

ERASED_BLOB: Final = select(erased_blob.c.sha256).where(erased_blob.c.sha256.between(_from, _to))
"""An attachment whose time was over."""

DOCUMENTS: Final = (
    select(t.device_document.c.kind, t.device_document.c.version)
    .where(t.device_document.c.device == _device)
    .order_by(t.device_document.c.kind)
)
"""The versions of the documents that a device should have."""

CLAIMS: Final = (
    select(t.claim.c.head_n, t.claim.c.head_hash).where(t.claim.c.stream_id == _stream).order_by(t.claim.c.head_n)
)
"""The heads that were announced for a stream."""

INCARNATION: Final = select(t.incarnation.c.first_ms).where(
    t.incarnation.c.device == _device, t.incarnation.c.incarnation == _incarnation
)
"""When an incarnation first said hello."""

LAST_HELLO: Final = select(t.device_boot.c.last_mono_ms).where(
    t.device_boot.c.device == _device, t.device_boot.c.boot == bindparam("boot")
)
"""The monotonic time of the latest hello of a boot."""

_came: Final = (
    select(1)
    .where(
        t.position.c.stream_id == t.claim.c.stream_id,
        t.position.c.n == t.claim.c.head_n,
        func.substr(t.position.c.hash, 1, MARK_HASH_BYTES) == t.claim.c.head_hash,
    )
    .exists()
)
_given_up: Final = (
    select(1)
    .where(t.gap.c.stream_id == t.claim.c.stream_id, t.claim.c.head_n.between(t.gap.c.first_n, t.gap.c.last_n))
    .exists()
)

OTHER_CLAIMS: Final = (
    select(
        t.stream.c.device,
        t.stream.c.incarnation,
        t.stream.c.lane,
        func.max(t.claim.c.head_n),
        func.coalesce(select(func.max(t.branch.c.n)).where(t.branch.c.stream_id == t.stream.c.id).scalar_subquery(), 0),
    )
    .join(t.claim, t.claim.c.stream_id == t.stream.c.id)
    .where(
        t.stream.c.device == _device, t.stream.c.incarnation != _incarnation, t.claim.c.head_n > 0, ~_came, ~_given_up
    )
    .group_by(t.stream.c.id, t.stream.c.device, t.stream.c.incarnation, t.stream.c.lane)
    .order_by(t.stream.c.id)
)
"""What was announced of a device's other incarnations and never came, and how far they came."""
