"""Attachments: files in `blobs/`, named by SHA-256 and never changed, and the rows that say what the hub has of them."""

import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from errno import EIO
from hashlib import sha256
from pathlib import Path
from typing import Final

from agent.store.database import not_kept
from agent.store.errors import Cause, NotKept
from agent.store.files import make_folder, sync_folder
from contract.delivery.device_view import PendingBlob
from contract.limits import KIB, MAX_BLOB_BYTES

FOLDER: Final = "blobs"
INCOMING: Final = "incoming"
_DIGEST_CHARS: Final = 64
_READ_BYTES: Final = 256 * KIB


def _digest_of(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.digest()


def _named(name: str) -> bytes:
    """The digest that a file name says; empty for another name."""
    try:
        return bytes.fromhex(name) if len(name) == _DIGEST_CHARS else b""
    except ValueError:
        return b""


class BlobFiles:
    """The folder of attachments."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER
        self.incoming = folder / INCOMING
        self._verified: set[bytes] = set()
        self.broken = False
        """A flush failed: the process must end."""

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            OSError: they cannot be made.
        """
        make_folder(self._folder)
        make_folder(self.incoming)

    def path(self, digest: bytes) -> Path:
        """Where an attachment stands."""
        return self._folder / digest.hex()

    def adopt(self, source: Path) -> bytes:
        """Take a file over: hash, flush, rename, flush the folder. Its SHA-256 is returned.

        Raises:
            NotKept: it is empty, too large, or the disk did not take it.
        """
        try:
            size = source.stat().st_size
            if not 1 <= size <= MAX_BLOB_BYTES:
                raise NotKept(
                    Cause.TOO_LARGE,
                    f"Not kept: the attachment has {size} bytes; 1 to {MAX_BLOB_BYTES} are allowed. Take a smaller picture.",
                )
            with source.open("rb+") as file:
                os.fsync(file.fileno())
            digest = _digest_of(source)
            source.replace(self.path(digest))
            sync_folder(self._folder)
        except OSError as error:
            if error.errno == EIO:
                # Asked again, the disk would say yes to what it has dropped.
                self.broken = True
                raise not_kept(Cause.BROKEN) from error
            raise NotKept(
                Cause.NO_MEANS, f"Not kept: the attachment could not be stored ({error.strerror}). Take it again."
            ) from error
        self._verified.add(digest)
        return digest

    def size(self, digest: bytes) -> int | None:
        """The bytes of an attachment; None where there is no such file."""
        try:
            return self.path(digest).stat().st_size
        except OSError:
            return None

    def chunk(self, digest: bytes, start: int, size: int) -> bytes | None:
        """Part of an attachment; None when it is not what it was."""
        path = self.path(digest)
        try:
            if digest not in self._verified and _digest_of(path) != digest:
                return None
            self._verified.add(digest)
            with path.open("rb") as file:
                file.seek(start)
                return file.read(size)
        except OSError:
            return None

    def remove(self, digests: Sequence[bytes]) -> None:
        """Delete files whose rows are gone."""
        for digest in digests:
            self._verified.discard(digest)
            try:
                self.path(digest).unlink(missing_ok=True)
            except OSError:
                # It stays as a file without a row: room lost, nothing else.
                continue

    def remove_strays(self, noted: Collection[bytes], before_ms: int) -> None:
        """Delete files that no row tells of and that were made before then.

        Raises:
            OSError: the folder cannot be read.
        """
        with os.scandir(self._folder) as entries:
            strays = [
                digest
                for entry in entries
                if (digest := _named(entry.name)) and digest not in noted and entry.stat().st_mtime * 1000 < before_ms
            ]
        self.remove(strays)

    def present(self) -> Iterator[tuple[bytes, int]]:
        """SHA-256 and size of every file whose content is still what its name says."""
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else []:
            try:
                digest = _named(path.name)
                if digest and _digest_of(path) == digest:
                    yield digest, path.stat().st_size
            except OSError:
                continue


def digests(connection: sqlite3.Connection) -> frozenset[bytes]:
    """All attachments that are noted."""
    return frozenset(row[0] for row in connection.execute("SELECT sha256 FROM blob"))


def insert(connection: sqlite3.Connection, digest: bytes, size: int, at_ms: int) -> None:
    """Note an attachment that the hub must get; known ones stay as they are."""
    connection.execute(
        "INSERT OR IGNORE INTO blob (sha256, size, at_ms, state) VALUES (?, ?, ?, 'pending')", (digest, size, at_ms)
    )


def set_stored(connection: sqlite3.Connection, digest: bytes, *, stored: bool) -> None:
    """The hub has it whole, or lost it again."""
    state, was = ("stored", "pending") if stored else ("pending", "stored")
    connection.execute("UPDATE blob SET state = ? WHERE sha256 = ? AND state = ?", (state, digest, was))


def set_refused(connection: sqlite3.Connection, digest: bytes, why: str) -> None:
    """It cannot be sent or will never be taken; the file stays."""
    connection.execute(
        "UPDATE blob SET state = 'refused', why = ? WHERE sha256 = ? AND state = 'pending'", (why, digest)
    )


def delete_stored(connection: sqlite3.Connection, digest: bytes) -> bool:
    """Forget an attachment that the hub holds; False if it is not known as such."""
    cursor = connection.execute("DELETE FROM blob WHERE sha256 = ? AND state = 'stored'", (digest,))
    return cursor.rowcount == 1


def oldest_pending(connection: sqlite3.Connection) -> PendingBlob | None:
    """The next to send."""
    row = connection.execute("SELECT sha256, size FROM blob WHERE state = 'pending' ORDER BY seq LIMIT 1").fetchone()
    return None if row is None else PendingBlob(*row)


def stored_until(connection: sqlite3.Connection, at_ms: int, most: int) -> list[bytes]:
    """Attachments at the hub that were made until then, oldest first."""
    rows = connection.execute(
        "SELECT sha256 FROM blob WHERE state = 'stored' AND at_ms <= ? ORDER BY seq LIMIT ?", (at_ms, most)
    )
    return [row[0] for row in rows]


def stored_after(connection: sqlite3.Connection, cursor: bytes, most: int) -> list[bytes]:
    """Attachments at the hub behind `cursor` in their own order."""
    rows = connection.execute(
        "SELECT sha256 FROM blob WHERE sha256 > ? AND state = 'stored' ORDER BY sha256 LIMIT ?", (cursor, most)
    )
    return [row[0] for row in rows]


def totals(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many attachments wait, and the bytes of all of them."""
    row = connection.execute(
        "SELECT count(*) FILTER (WHERE state = 'pending'), coalesce(sum(size), 0) FROM blob"
    ).fetchone()
    return int(row[0]), int(row[1])
