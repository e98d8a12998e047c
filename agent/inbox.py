"""Documents of the hub on the device: routes, manifests, limits. Versioned whole documents; versions only go up."""

import threading
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from contract.errors import Malformed
from contract.limits import DOCUMENT_PART_BYTES, MAX_DOCUMENT_PARTS, MAX_DOCUMENTS
from contract.messages import Document, DocumentVersion

SHELF: Final = "document"
"""The newest of each kind."""
IN_FORCE: Final = "document_in_force"
"""What stays in force while the newest cannot be read."""
MAX_UNFINISHED_BYTES: Final = MAX_DOCUMENT_PARTS * DOCUMENT_PART_BYTES
"""Parts of unfinished documents held in memory: as much as the largest document."""


class Shelf(Protocol):
    """Where small things beside the facts are kept, each durable when `put` returns."""

    def put(self, kind: str, name: str, body: bytes) -> None:
        """Keep it, in the place of what had that name."""

    def get(self, kind: str, name: str) -> bytes | None:
        """Give it back; None where there is none."""

    def drop(self, kind: str, name: str) -> None:
        """Forget it."""

    def names(self, kind: str) -> list[str]:
        """All names of a kind."""


class StoredDocument(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A whole document."""

    version: int
    data: bytes


class _Unfinished(Struct):
    version: int
    parts: int
    received: dict[int, bytes]

    @property
    def size(self) -> int:
        return sum(map(len, self.received.values()))


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(StoredDocument)


class Inbox:
    """Puts parts together and keeps whole documents. A lost part is sent again when the hub hears the old version.

    One that cannot be read is kept, too, so that it is not sent again for ever and a newer agent can read it; the one before
    stays in force, also over a restart.

    Args:
        shelf: gives the shelf in use; after a repair of the database it is another one.
        arrived: called with each document that came, readable or not.
        read: reads a document of a kind; raises Malformed for one that must not come into force.
    """

    def __init__(
        self,
        shelf: Callable[[], Shelf],
        *,
        arrived: Callable[[str, StoredDocument], None] = lambda _kind, _doc: None,
        read: Callable[[str, bytes], None] = lambda _kind, _data: None,
    ) -> None:
        self._shelf = shelf
        self._arrived = arrived
        self._read = read
        self._lock = threading.Lock()
        self._unfinished: dict[str, _Unfinished] = {}
        self._versions: dict[str, int] = {}
        for kind in shelf().names(SHELF):
            if (document := self._stored(SHELF, kind)) is not None:
                self._versions[kind] = document.version
        self._older: frozenset[str] = frozenset(filter(self._is_unreadable, shelf().names(IN_FORCE)))
        """Kinds of which an older one than the newest is in force."""

    def versions(self) -> tuple[DocumentVersion, ...]:
        """What the device has, for a hello."""
        with self._lock:
            return tuple(DocumentVersion(kind, version) for kind, version in sorted(self._versions.items()))

    def get(self, kind: str) -> StoredDocument | None:
        """The document in force; None where none came, or the stored one was damaged (it is then asked for again)."""
        # Whoever asks while a readable one is being taken finds the older one gone already.
        older = self._stored(IN_FORCE, kind) if kind in self._older else None
        return older or self._stored(SHELF, kind)

    def _stored(self, place: str, kind: str) -> StoredDocument | None:
        body = self._shelf().get(place, kind)
        try:
            return None if body is None else _decoder.decode(body)
        except msgspec.DecodeError:
            return None

    def _is_unreadable(self, kind: str) -> bool:
        document = self._stored(SHELF, kind)
        return document is None or not self._reads(kind, document.data)

    def _reads(self, kind: str, data: bytes) -> bool:
        try:
            self._read(kind, data)
        except Malformed:
            return False
        return True

    def take(
        self, part: Document, store: Callable[[DocumentVersion, Callable[[], None]], None] = lambda _done, put: put()
    ) -> DocumentVersion | None:
        """Take a part; the version that the device now has if this part completed it.

        Args:
            part: What came.
            store: Puts the whole document on the shelf by the function it is given, in a transaction of its own choice.

        Raises:
            NotKept: the document is whole but could not be stored; the hub will send it again.
        """
        with self._lock:
            document = self._complete(part)
            if document is None:
                return None
            done = DocumentVersion(part.kind, document.version)
            reads = self._reads(part.kind, document.data)
            before = None if reads else self.get(part.kind)
            store(done, lambda: self._put(part.kind, document, before))
            self._versions[part.kind] = document.version
            self._older = self._older - {part.kind} if before is None else self._older | {part.kind}
        self._arrived(part.kind, document)
        return done

    def _put(self, kind: str, newest: StoredDocument, in_force: StoredDocument | None) -> None:
        shelf = self._shelf()
        shelf.put(SHELF, kind, _encoder.encode(newest))
        if in_force is not None:
            shelf.put(IN_FORCE, kind, _encoder.encode(in_force))
        elif kind in self._older:
            shelf.drop(IN_FORCE, kind)

    def _complete(self, part: Document) -> StoredDocument | None:
        known = part.kind in self._versions
        if part.part >= part.parts or part.version <= self._versions.get(part.kind, -1):
            return None
        if not known and len(self._versions) >= MAX_DOCUMENTS:
            return None
        unfinished = self._unfinished.get(part.kind)
        if unfinished is None or (unfinished.version, unfinished.parts) != (part.version, part.parts):
            if unfinished is not None and unfinished.version > part.version:
                return None
            unfinished = self._unfinished[part.kind] = _Unfinished(part.version, part.parts, {})
        unfinished.received[part.part] = part.data
        if len(unfinished.received) == unfinished.parts:
            del self._unfinished[part.kind]
            data = b"".join(unfinished.received[i] for i in range(unfinished.parts))
            return StoredDocument(unfinished.version, data)
        self._make_room(part.kind)
        return None

    def _make_room(self, keep: str) -> None:
        """Give up other unfinished documents before memory runs short; they are sent again."""
        while sum(u.size for u in self._unfinished.values()) > MAX_UNFINISHED_BYTES:
            other = next((kind for kind in self._unfinished if kind != keep), keep)
            del self._unfinished[other]
