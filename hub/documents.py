"""Versioned documents for devices: configuration, routes, manifests, limits. Versions only go up.

A device takes only what is newer than what it has. A hub that was restored from a backup has forgotten the versions that it
gave since, so a version is no count but an instant: what a restored hub decides is newer than all that it forgot. What it
only remembers is given anew to a device that has a later version.
"""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, select, update

from contract.limits import DOCUMENT_PART_BYTES, MAX_DOCUMENT_PARTS
from contract.messages import Document, DocumentVersion
from contract.route import ROUTE_DOCUMENT
from hub import tables as t
from hub.errors import Refused
from hub.ledger import statements
from hub.routes.tables import route


def put_document(tx: Connection, device: str, kind: str, data: bytes, *, now_ms: int) -> int:
    """Make `data` the newest version of a device's document, and return that version. Equal data keeps its version.

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
    version = _version_after(-1 if known is None else int(known.version), now_ms)
    row = {"device": device, "kind": kind, "version": version, "data": data, "made_ms": now_ms}
    tx.execute(statements.latest(tx.dialect.name, t.device_document), row)
    return version


def _version_after(version: int, now_ms: int) -> int:
    """The next version; the same again where messages carry no higher one."""
    return min(max(version + 1, now_ms), MAX_VERSION)


def parts(kind: str, version: int, data: bytes) -> list[Document]:
    """The messages that carry a document; an empty one is one empty part."""
    pieces = [data[at : at + DOCUMENT_PART_BYTES] for at in range(0, len(data), DOCUMENT_PART_BYTES)] or [b""]
    return [Document(kind, version, part, len(pieces), piece) for part, piece in enumerate(pieces)]


MAX_VERSION: Final = 2**53
"""The highest number of a message (`contract.messages.N`)."""
PART_PACE_MS: Final = 2_000
"""A part on a slow link (32 kB/s); a document that may still be on its way is not sent again."""


class DocumentPacer:
    """Sends newer documents with the answer to a hello, and again only when they should have arrived."""

    def __init__(self) -> None:
        self._sent: dict[tuple[str, str], tuple[int, int]] = {}

    def due(self, tx: Connection, device: str, held: Iterable[DocumentVersion], now_ms: int) -> list[Document]:
        """All parts of the documents of which the device holds another version, or none."""
        versions = {d.kind: d.version for d in held}
        c = t.device_document.c
        due: list[Document] = []
        for kind, known in tx.execute(select(c.kind, c.version).where(c.device == device).order_by(c.kind)).all():
            version, held_version = known, versions.get(kind, -1)
            if version < held_version:
                version = _version_after(held_version, now_ms)
                row = (c.device == device, c.kind == kind)
                tx.execute(update(t.device_document).where(*row).values(version=version))
                if kind == ROUTE_DOCUMENT:
                    # Its route says which version the device has.
                    of = (route.c.device == device, route.c.version == known)
                    tx.execute(update(route).where(*of).values(version=version))
            sent, not_before_ms = self._sent.get((device, kind), (-1, 0))
            if version <= held_version or (sent == version and now_ms < not_before_ms):
                continue
            data = tx.execute(select(c.data).where(c.device == device, c.kind == kind)).scalar_one()
            pieces = parts(kind, version, data)
            self._sent[device, kind] = (version, now_ms + PART_PACE_MS * (len(pieces) - 1))
            due += pieces
        return due
