"""Attachments: chunks into a temporary file, checked whole, then named by their SHA-256 for ever.

The file is the truth: what is missing is told from it, and a row without its file is no attachment. So a database and a
folder restored from different times ask the devices again for what is gone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EIO
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, delete, func, select

from contract.delivery.hub_actions import IncidentKind, Report
from contract.limits import MAX_BLOB_RANGES
from contract.messages import Blob, BlobState
from hub import tables as t
from hub.archive.tables import erased_blob
from hub.db import insert
from hub.errors import CommitFailed
from hub.faultpoint import faultpoint
from hub.folders import make_folder, sync_folder
from hub.pictures import media_type_of

FOLDER: Final = "blobs"
DEVICE_QUOTA_BYTES: Final = 4 * 1024**3
"""About 8,000 photos of one device; beyond it a person must look."""
OPEN_PARTS_PER_DEVICE: Final = 8
"""Uploads that one device may have begun, the latest of them; it sends them one after the other anyway."""
_RANGE_BYTES: Final = 16
MAX_JOURNAL_BYTES: Final = 4096 * _RANGE_BYTES
"""The largest attachment has 512 chunks. A journal grows beyond this only when they come again and again, or in crumbs."""

Ranges = list[tuple[int, int]]


def place_of(data: Path, digest: bytes) -> Path:
    """Where an attachment lies. The name comes from the digest alone, so no name of anybody else's can lead elsewhere."""
    name = digest.hex()
    return data / FOLDER / name[:2] / name


class BlobStore:
    """The attachments of one hub, in a folder of the data folder. Used by the one writer; `path` from any thread."""

    def __init__(self, data: Path, quota_bytes: int = DEVICE_QUOTA_BYTES) -> None:
        self.folder = data / FOLDER
        self._incoming = self.folder / "incoming"
        make_folder(self._incoming)
        self._quota_bytes = quota_bytes

    def path(self, digest: bytes) -> Path:
        """Where an attachment lies."""
        return place_of(self.folder.parent, digest)

    def reconcile(self, tx: Connection) -> list[Report]:
        """Forget rows whose file is gone, so that devices send it again."""
        c = t.blob.c
        gone = [row.sha256 for row in tx.execute(select(c.sha256, c.size)) if not self._has(row.sha256, row.size)]
        for digest in gone:
            tx.execute(delete(t.blob).where(c.sha256 == digest))
        if not gone:
            return []
        return [
            Report(
                IncidentKind.HUB_REGRESSED,
                "",
                "hub_regressed:blobs",
                f"{len(gone)} attachments have no file here any more; devices are asked for them again",
            )
        ]

    def take(self, tx: Connection, device: str, blob: Blob, now_ms: int) -> tuple[BlobState, list[Report]]:
        """Keep one chunk; what is still missing, to be answered after the commit."""
        if self._has(blob.sha256, blob.size):
            self._keep_row(tx, device, blob.sha256, now_ms)
            return BlobState(blob.sha256, ()), []
        if tx.execute(select(erased_blob.c.size).where(erased_blob.c.sha256 == blob.sha256)).first() is not None:
            # Its time was over. Done, so that the device lets it go.
            return BlobState(blob.sha256, ()), []
        part = _Part(self._incoming, device, blob.sha256, blob.size)
        if not part.exists() and (why := self._refusal(tx, device, blob)):
            key = f"blob_refused:{device}"
            return BlobState(blob.sha256, (), refused=why), [Report(IncidentKind.BLOB_REFUSED, device, key, why)]
        if blob.data and sha256(blob.data).digest() == blob.chunk_hash and blob.offset + len(blob.data) <= blob.size:
            part.write(blob.offset, blob.data)
        missing = part.missing()
        if missing:
            return BlobState(blob.sha256, tuple(missing[:MAX_BLOB_RANGES])), []
        if not part.is_whole():
            part.discard()
            detail = f"attachment {blob.sha256.hex()} does not hash to its name; it is asked for again"
            report = Report(IncidentKind.BLOB_REFUSED, device, f"blob_refused:{device}", detail)
            return BlobState(blob.sha256, ((0, blob.size),)), [report]
        part.move_to(self.path(blob.sha256))
        self._keep_row(tx, device, blob.sha256, now_ms)
        return BlobState(blob.sha256, ()), []

    def _has(self, digest: bytes, size: int) -> bool:
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def _refusal(self, tx: Connection, device: str, blob: Blob) -> str:
        begun = sorted(self._incoming.glob(f"{device}.*.part"), key=lambda p: p.stat().st_mtime_ns)
        # What a device began and lost is never finished; and a refusal is for good, so it would meet what is whole.
        for oldest in begun[: max(0, len(begun) + 1 - OPEN_PARTS_PER_DEVICE)]:
            oldest.with_suffix(".ranges").unlink(missing_ok=True)
            oldest.unlink()
        parts = [p.stat().st_size for p in begun if p.exists()]
        kept = tx.execute(select(func.coalesce(func.sum(t.blob.c.size), 0)).where(t.blob.c.device == device)).scalar()
        if (kept or 0) + sum(parts) + blob.size > self._quota_bytes:
            return f"attachments of {device} would take more than {self._quota_bytes} bytes"
        return ""

    def _keep_row(self, tx: Connection, device: str, digest: bytes, now_ms: int) -> None:
        c = t.blob.c
        if tx.execute(select(c.seq).where(c.sha256 == digest)).first() is not None:
            return
        path = self.path(digest)
        _flush_names(path)
        row = {
            "seq": _next_seq(tx),
            "sha256": digest,
            "size": path.stat().st_size,
            "media_type": media_type_of(path),
            "device": device,
            "kept_ms": now_ms,
        }
        tx.execute(insert(tx, t.blob).on_conflict_do_nothing(), row)


def _flush_names(path: Path) -> None:
    """A row says that the file is there for good, also when a process before this one had only begun to name it."""
    with _believed_once():
        for folder in (path.parent, path.parent.parent):
            sync_folder(folder)


@contextmanager
def _believed_once() -> Iterator[None]:
    """A flush that failed is not asked for again: the disk would say yes to what it has dropped. The process ends instead."""
    try:
        yield
    except OSError as error:
        if error.errno != EIO:
            raise
        raise CommitFailed(f"the disk did not take an attachment: {error}; the hub ends, devices send again") from error


def _next_seq(tx: Connection) -> int:
    # Rows whose files were lost are gone, and what takes their number would pass for backed up.
    given = [tx.execute(select(func.max(c))).scalar() or 0 for c in (t.blob.c.seq, t.backup.c.blob_seq)]
    return max(given) + 1


def _packed(start: int, end: int) -> bytes:
    return start.to_bytes(_RANGE_BYTES // 2, "big") + end.to_bytes(_RANGE_BYTES // 2, "big")


class _Part:
    """An upload in progress: the bytes so far, and beside them a journal of the ranges that came."""

    def __init__(self, folder: Path, device: str, digest: bytes, size: int) -> None:
        self._digest = digest
        self._size = size
        self._data = folder / f"{device}.{digest.hex()}.{size}.part"
        self._journal = self._data.with_suffix(".ranges")

    def exists(self) -> bool:
        return self._journal.exists()

    def write(self, offset: int, data: bytes) -> None:
        with os.fdopen(os.open(self._data, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
            file.seek(offset)
            file.write(data)
        # After the data: a journal that is ahead of the data would only cost the check of the whole and a new start.
        with self._journal.open("ab") as journal:
            journal.write(_packed(offset, offset + len(data)))
            grown = journal.tell() > MAX_JOURNAL_BYTES
        if grown:
            self._shorten()

    def _shorten(self) -> None:
        """Write the journal anew with ranges that touch joined; an upload in crumbs begins anew."""
        joined: Ranges = []
        for start, end in sorted(self._came()):
            if joined and start <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((start, end))
        if len(joined) * _RANGE_BYTES > MAX_JOURNAL_BYTES // 2:
            self.discard()
            return
        fresh = self._journal.with_suffix(".new")
        fresh.write_bytes(b"".join(_packed(*one) for one in joined))
        fresh.rename(self._journal)

    def missing(self) -> Ranges:
        """Ranges that did not come yet, in order."""
        at, gaps = 0, []
        for start, end in sorted(self._came()):
            if start > at:
                gaps.append((at, start))
            at = max(at, end)
        if at < self._size:
            gaps.append((at, self._size))
        return gaps

    def _came(self) -> Iterator[tuple[int, int]]:
        journal = self._journal.read_bytes() if self._journal.exists() else b""
        for at in range(0, len(journal) - _RANGE_BYTES + 1, _RANGE_BYTES):
            yield int.from_bytes(journal[at : at + 8], "big"), int.from_bytes(journal[at + 8 : at + 16], "big")

    def is_whole(self) -> bool:
        with self._data.open("rb") as file:
            return self._data.stat().st_size == self._size and file_digest(file, "sha256").digest() == self._digest

    def move_to(self, path: Path) -> None:
        """Give the file its name for ever, its content on disk before that."""
        path.parent.mkdir(exist_ok=True, mode=0o700)
        try:
            with self._data.open("rb+") as file, _believed_once():
                os.fsync(file.fileno())
        except (OSError, CommitFailed):
            # What the disk dropped still reads well, and the next flush would say yes.
            with suppress(OSError):
                self.discard()
            raise
        faultpoint("hub_blob_rename")
        self._data.rename(path)
        self._journal.unlink(missing_ok=True)

    def discard(self) -> None:
        self._data.unlink(missing_ok=True)
        self._journal.unlink(missing_ok=True)


def came_so_far(data: Path, digest: bytes, device: str) -> tuple[int, int] | None:
    """Of an attachment on its way: how many of its bytes came, and how many it has; None where nobody began to send it.

    Args:
        data: the hub's data folder.
        digest: names the attachment.
        device: whose upload counts where several send it; what others say of its size may be anything.
    """
    incoming = data / FOLDER / "incoming"
    parts = [path.name.removesuffix(".part").split(".") for path in incoming.glob(f"*.{digest.hex()}.*.part")]
    for whose, _name, size in sorted(parts, key=lambda part: part[0] != device):
        # Written by another thread: what is gone between the two looks has come, or begins anew.
        with suppress(OSError):
            missing = _Part(incoming, whose, digest, int(size)).missing()
            return int(size) - sum(end - start for start, end in missing), int(size)
    return None
