"""Backups: one file that holds the whole hub, taken while it runs, read back before it counts.

The file is a tar archive: `hub.db` first, then the attachments and the archives of old facts by their digests. Whoever has it
has everything, the keys of all devices included; it is readable by its owner only.
"""

import fcntl
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Select, create_engine, func, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from contract.limits import SAFE_BACKUPS
from hub import tables as t
from hub.archive.store import FOLDER as ARCHIVES
from hub.archive.store import NAME_BYTES, Archives
from hub.archive.tables import archive_file, erased_blob
from hub.blobs import FOLDER, BlobStore
from hub.db import DATABASE_FILE, Database, WriterLock, insert, knows_archives
from hub.errors import Refused
from hub.faultpoint import faultpoint
from hub.folders import make_folder, sync_folder
from hub.timeline import chunks
from hub.verify import verify_ledger

KEEP: Final = 8
"""Two days of backups every six hours; `safe` rests on the newest SAFE_BACKUPS."""
SCHEDULED: Final = "holdfast-"
_COPY_PREFIX: Final = ".copy-of-hub-"
_LOCK: Final = "lock"
_RESTORE_PREFIX: Final = ".restore-"
_BLOB_MEMBER: Final = re.compile(r"blobs/[0-9a-f]{2}/([0-9a-f]{64})")
_ARCHIVE_MEMBER: Final = re.compile(r"archive/([0-9a-f]{16})\.hfa")
_CHUNK: Final = 1024 * 1024
COPIES: Final = 3
"""A copy is begun anew where retention erased a photo meanwhile, which it does once an hour."""
_ONE_AT_A_TIME: Final = threading.Lock()
"""Two that are written to one name would be recorded as two, and there would be one file."""


class _ErasedMeanwhile(Exception):
    """An attachment of the copied database was erased before its file was copied."""


@dataclass(frozen=True, slots=True)
class MadeBackup:
    """A verified backup."""

    path: Path
    facts: int
    blobs: int
    bytes: int


def make_backup(db: Database, blobs: BlobStore, target: Path, now_ms: int) -> MadeBackup:
    """Write a consistent copy of a hub, perhaps running, to `target`; verify it by reading it back; record it.

    Raises:
        Refused: the file exists or cannot be written, or what was copied is not whole.
    """
    with _ONE_AT_A_TIME:
        return _make(db, blobs, target, now_ms)


def _make(db: Database, blobs: BlobStore, target: Path, now_ms: int) -> MadeBackup:
    if target.exists():
        raise Refused(f"{target} exists; choose another name")
    clear_rests(target.parent)
    for _ in range(COPIES - 1):
        # The next copy of the database says itself that it was erased, and when.
        with suppress(_ErasedMeanwhile):
            return _copy_whole(db, blobs, target, now_ms)
    try:
        return _copy_whole(db, blobs, target, now_ms)
    except _ErasedMeanwhile as error:
        raise Refused(f"backup to {target} failed: {error}; make it again when no photos are erased") from error


def _copy_whole(db: Database, blobs: BlobStore, target: Path, now_ms: int) -> MadeBackup:
    try:
        with _workplace(target.parent) as folder:
            copy, fresh = folder / DATABASE_FILE, folder / "backup.tar"
            _copy_database(db.path, copy)
            with _reading(copy, db.archives) as tx:
                _refuse_wrong(tx, target)
                row = _row(tx, target, now_ms)
                digests = list(tx.execute(select(t.blob.c.sha256).order_by(t.blob.c.seq)).scalars())
                archived = list(tx.execute(select(archive_file.c.sha256).order_by(archive_file.c.id)).scalars())
            parts = {_member_of(digest): _Part(blobs.path(digest), digest) for digest in digests}
            for digest in archived:
                path = db.archives.path(digest[:NAME_BYTES])
                parts[f"{ARCHIVES}/{path.name}"] = _Part(path, digest)
            try:
                _write_tar(fresh, copy, parts)
            except FileNotFoundError as error:
                raise _erased_meanwhile(db, blobs, digests) or error from None
            _read_back(fresh, copy, parts)
            faultpoint("hub_backup")
            fresh.rename(target)
            sync_folder(target.parent)
    except (OSError, tarfile.TarError, sqlite3.Error, DBAPIError) as error:
        raise Refused(f"backup to {target} failed: {error}") from error
    size = target.stat().st_size
    c = t.backup.c
    with db.write() as tx:
        # An earlier one by this name is gone, also where this one is as large.
        tx.execute(update(t.backup).where(c.path == row["path"], c.removed_ms.is_(None)).values(removed_ms=now_ms))
        tx.execute(insert(tx, t.backup), {**row, "bytes": size})
    return MadeBackup(target, row["facts"], len(digests), size)


def clear_rests(folder: Path) -> None:
    """Remove what hubs that were killed had begun to write here; each may be as large as a whole copy."""
    for rest in folder.glob(f"{_COPY_PREFIX}*"):
        # Another hub may be at work in the same folder.
        with suppress(OSError), _locked(rest):
            shutil.rmtree(rest, ignore_errors=True)


def scheduled_name(now_ms: int) -> str:
    """The name of a backup of this moment; names sort by time."""
    return f"{SCHEDULED}{now_ms:015}.tar"


def note_missing(db: Database, now_ms: int) -> int:
    """Let backups whose file is gone or was changed count no more; how many."""
    c = t.backup.c
    with db.read() as tx:
        rows = tx.execute(select(c.id, c.path, c.bytes).where(c.removed_ms.is_(None))).all()
    # Not in a transaction of the writer: a network folder may take its time.
    gone = [row.id for row in rows if not _is_there(row.path, row.bytes)]
    if gone:
        with db.write() as tx:
            tx.execute(update(t.backup).where(c.id.in_(gone), c.removed_ms.is_(None)).values(removed_ms=now_ms))
    return len(gone)


def prune(db: Database, folder: Path, now_ms: int, keep: int = KEEP) -> list[Path]:
    """Remove the oldest backups of this folder; those that `safe` rests on always stay, for they are the newest.

    Also those that count no more because their disk was away for a while: nobody else would ever remove them.
    """
    c = t.backup.c
    note_missing(db, now_ms)
    with db.read() as tx:
        rows = tx.execute(select(c.path, c.bytes).order_by(c.removed_ms.is_not(None), c.id.desc())).all()
    mine = dict.fromkeys(Path(r.path) for r in rows if Path(r.path).parent == folder.absolute() and _is_there(*r))
    old = list(mine)[max(keep, SAFE_BACKUPS) :]
    # Files first: whoever is killed in between finds them missing, and not files that nobody remembers.
    for path in old:
        path.unlink(missing_ok=True)
    note_missing(db, now_ms)
    return old


def restore_backup(source: Path, data: Path, now_ms: int) -> Path | None:
    """Put a backup in the place of a stopped hub's database; where the old one was moved to, if there was one.

    Attachments are added to those that are there. Devices notice by themselves: at their next hello they send again what
    this copy lacks.

    Raises:
        Refused: a hub runs in that folder, or the file is no whole backup.
    """
    make_folder(data)
    lock = WriterLock(data)
    try:
        _remove_all(data.glob(f"{_RESTORE_PREFIX}*"))
        with tempfile.TemporaryDirectory(prefix=_RESTORE_PREFIX, dir=data) as folder:
            try:
                _extract(source, Path(folder), BlobStore(data), Archives(data))
            except (OSError, tarfile.TarError) as error:
                raise Refused(f"{source} is no backup of a hub: {error}") from error
            copy = Path(folder) / DATABASE_FILE
            if not copy.exists():
                raise Refused(f"{source} is no backup of a hub: there is no {DATABASE_FILE} in it")
            with _reading(copy, Archives(data)) as tx:
                _refuse_wrong(tx, source)
            return _swap(copy, data, now_ms)
    finally:
        lock.release()


@contextmanager
def _workplace(parent: Path) -> Iterator[Path]:
    """A folder of one's own for what is not finished; locked, so that the rests of a killed hub are told from it."""
    with tempfile.TemporaryDirectory(prefix=_COPY_PREFIX, dir=parent) as folder, _locked(Path(folder)):
        yield Path(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the kernel's lock in a folder, which goes with the process however that ends; BlockingIOError if it is taken."""
    # A file that is open for writing, for a network folder (NFS) locks nothing else.
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


# -- writing -------------------------------------------------------------------------------------------------------


def _copy_database(source: Path, target: Path) -> None:
    target.touch(mode=0o600)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as reader,
        closing(sqlite3.connect(target)) as writer,
    ):
        # In one step: a snapshot, which the running writer neither waits for nor disturbs.
        reader.backup(writer, pages=-1)
        writer.execute("PRAGMA journal_mode=DELETE").close()


def _erased_meanwhile(db: Database, blobs: BlobStore, digests: Sequence[bytes]) -> _ErasedMeanwhile | None:
    """None where a file is not there that should be: then the hub is not whole."""
    gone = {digest for digest in digests if not blobs.path(digest).exists()}
    with db.read() as tx:
        erased = {digest for part in chunks(sorted(gone)) for digest in tx.scalars(_erased_among(part))}
    if not gone or gone - erased:
        return None
    return _ErasedMeanwhile(f"attachment {min(gone).hex()} was erased while it was made")


def _erased_among(digests: Sequence[bytes]) -> Select[tuple[bytes]]:
    return select(erased_blob.c.sha256).where(erased_blob.c.sha256.in_(digests))


class _Part(NamedTuple):
    """A file beside the database that belongs to a backup, and its SHA-256."""

    path: Path
    sha256: bytes


def _write_tar(path: Path, copy: Path, parts: Mapping[str, _Part]) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.add(copy, DATABASE_FILE)
            for name, part in parts.items():
                tar.add(part.path, name)
        file.flush()
        os.fsync(file.fileno())


def _read_back(path: Path, copy: Path, parts: Mapping[str, _Part]) -> None:
    with copy.open("rb") as file:
        expected = {DATABASE_FILE: file_digest(file, "sha256").digest()}
    expected |= {name: part.sha256 for name, part in parts.items()}
    with tarfile.open(path, "r:") as tar:
        found = {member.name: _digest_of(content) for member, content in _members(tar)}
    wrong = [name for name, digest in expected.items() if found.get(name) != digest]
    if wrong:
        raise Refused(f"{wrong[0]} was not written as it is here; check the disk that the backup goes to")


def _member_of(digest: bytes) -> str:
    name = digest.hex()
    return f"{FOLDER}/{name[:2]}/{name}"


def _members(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    for member in tar:
        content = tar.extractfile(member)
        known = (
            member.name == DATABASE_FILE
            or _BLOB_MEMBER.fullmatch(member.name)
            or _ARCHIVE_MEMBER.fullmatch(member.name)
        )
        if content is None or not known:
            raise Refused(f"{member.name!r} does not belong in a backup")
        with content:
            yield member, content


def _digest_of(content: IO[bytes]) -> bytes:
    digest = sha256()
    while chunk := content.read(_CHUNK):
        digest.update(chunk)
    return digest.digest()


def _row(tx: Connection, target: Path, now_ms: int) -> dict[str, Any]:
    return {
        "path": str(target.absolute()),
        "made_ms": now_ms,
        "verified_ms": now_ms,
        "fact_seq": tx.execute(select(func.max(t.fact.c.seq))).scalar() or 0,
        "blob_seq": tx.execute(select(func.max(t.blob.c.seq))).scalar() or 0,
        "facts": tx.execute(select(func.count()).select_from(t.fact)).scalar() or 0,
    }


# -- reading -------------------------------------------------------------------------------------------------------


@contextmanager
def _reading(path: Path, archives: Archives) -> Iterator[Connection]:
    engine: Engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    knows_archives(engine, archives)
    with engine.connect() as connection:
        yield connection


def _refuse_wrong(tx: Connection, name: Path) -> None:
    verified = verify_ledger(tx)
    if verified.wrong:
        more = f" and {len(verified.wrong) - 1} more" if len(verified.wrong) > 1 else ""
        raise Refused(f"{name} would hold a damaged ledger: {verified.wrong[0]}{more}")


def _extract(source: Path, folder: Path, blobs: BlobStore, archives: Archives) -> None:
    with tarfile.open(source, "r:") as tar:
        for member, content in _members(tar):
            fresh = folder / "member"
            with fresh.open("w+b") as file:
                shutil.copyfileobj(content, file, _CHUNK)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                digest = _digest_of(file)
            fresh.chmod(0o600)
            if archive := _ARCHIVE_MEMBER.fullmatch(member.name):
                # As with attachments; whether all are there and right is told by the check of the ledger that points to them.
                if digest[:NAME_BYTES].hex() == archive[1]:
                    archives.take(fresh, digest[:NAME_BYTES])
            elif blob := _BLOB_MEMBER.fullmatch(member.name):
                if digest.hex() != blob[1]:
                    # It must not take the place of a whole one; where there is none, the hub asks devices for it again.
                    continue
                path = blobs.path(digest)
                path.parent.mkdir(exist_ok=True, mode=0o700)
                fresh.rename(path)
                sync_folder(path.parent)
                sync_folder(path.parent.parent)
            else:
                fresh.rename(folder / DATABASE_FILE)


def _swap(copy: Path, data: Path, now_ms: int) -> Path | None:
    """Put the copy in the old database's place in one step, so that whatever ends this leaves the one or the other."""
    current, aside = data / DATABASE_FILE, data / f"{DATABASE_FILE}.before-{now_ms}"
    there = current.exists()
    if there:
        _write_back(current)
    # What is left of its log belongs to a database that cannot be read, and to no other.
    for suffix in ("-wal", "-shm"):
        if (log := Path(f"{current}{suffix}")).exists():
            log.rename(f"{aside}{suffix}")
    if there:
        os.link(current, aside)
    # Before the copy gets the name: a power cut keeps names in no order, and the old log must never stand beside the copy.
    sync_folder(data)
    copy.rename(current)
    sync_folder(data)
    return aside if there else None


def _write_back(path: Path) -> None:
    """Bring what is only in the log into the database; a damaged one stays as it is."""
    # Closing the last connection writes the log back and removes it.
    with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _is_there(path: str, size: int) -> bool:
    try:
        return Path(path).stat().st_size == size
    except OSError:
        return False


def _remove_all(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
