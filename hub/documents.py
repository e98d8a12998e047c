"""Versioned documents for devices: configuration, routes, manifests, limits. Versions only go up."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select

from contract.limits import DOCUMENT_PART_BYTES, MAX_DOCUMENT_PARTS
from contract.messages import Document, DocumentVersion
from hub import tables as t
from hub.errors import Refused
from hub.ledger import statements


def put_document(tx: Connection, device: str, kind: str, data: bytes, *, now_ms: int) -> int:
    """Make `data` the newest version of a device's document; its version. Equal data keeps its version.

    The device gets it with the answer to its next hello; `parts` makes messages for sending it at once.

    Raises:
        Refused: larger than a document may be.
    """
    if len(data) > DOCUMENT_PART_BYTES * MAX_DOCUMENT_PARTS:
        raise Refused(f"document {kind!r} of {len(data)} bytes; at most {DOCUMENT_PART_BYTES * MAX_DOCUMENT_PARTS} fit")
    c = t.device_document.c
    known = tx.execute(select(c.version, c.data).where(c.device == device, c.kind == kind)).first()
    if known is not None and known.data == data:
        return int(known.version)
    version = 1 if known is None else int(known.version) + 1
    row = {"device": device, "kind": kind, "version": version, "data": data, "made_ms": now_ms}
    tx.execute(statements.latest(tx.dialect.name, t.device_document), row)
    return version


def parts(kind: str, version: int, data: bytes) -> list[Document]:
    """The messages that carry a document; an empty one is one empty part."""
    pieces = [data[at : at + DOCUMENT_PART_BYTES] for at in range(0, len(data), DOCUMENT_PART_BYTES)] or [b""]
    return [Document(kind, version, part, len(pieces), piece) for part, piece in enumerate(pieces)]


PART_PACE_MS: Final = 2_000
"""A part on a slow link (32 kB/s); a document that may still be on its way is not sent again."""


class DocumentPacer:
    """Sends newer documents with the answer to a hello, and again only when they should have arrived."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], tuple[int, int]] = {}

    def due(self, tx: Connection, device: str, held: Iterable[DocumentVersion], now_ms: int) -> list[Document]:
        """All parts of the documents of which the device holds an older version, or none."""
        versions = {d.kind: d.version for d in held}
        c = t.device_document.c
        due: list[Document] = []
        for kind, version in tx.execute(select(c.kind, c.version).where(c.device == device).order_by(c.kind)).all():
            sent, not_before_ms = self._sent.get((device, kind), (-1, 0))
            if version <= versions.get(kind, -1) or (sent == version and now_ms < not_before_ms):
                continue
            data = tx.execute(select(c.data).where(c.device == device, c.kind == kind)).scalar_one()
            pieces = parts(kind, version, data)
            self._sent[device, kind] = (version, now_ms + PART_PACE_MS * (len(pieces) - 1))
            due += pieces
        return due
