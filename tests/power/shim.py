"""Stands between the product and its files: SQLite's through a VFS, all others through `os`. Nothing is really flushed.

While `installed`, `sqlite3.connect` opens connections of `tests.power.sqlite`, and every operation that changes the disk passes
a gate first, where a test may cut the power, fail the operation or let time pass.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from unittest import mock

import apsw

from tests.power.disk import Disk, File
from tests.power.sqlite import VFS_NAME, Connection

_TRACKED: Final = apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_LOGS: Final = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that is about to change the disk, and which number it has."""

    kind: str
    """write, truncate, sync or delete of SQLite; flush, rename or unlink of others."""
    path: str
    number: int


@dataclass(frozen=True, slots=True)
class Failure:
    """What becomes of an operation instead: SQLite's result code, and whether it was done before it is said to have failed."""

    code: int
    done: bool = False


Gate = Callable[[Operation], Failure | None]


class Power:
    """The shim over one disk. `gate` decides about each operation before it happens."""

    def __init__(self, disk: Disk, gate: Gate = lambda _operation: None) -> None:
        self.disk = disk
        self.gate = gate
        self.operations = 0

    def pass_gate(self, kind: str, path: str) -> Failure | None:
        self.operations += 1
        return self.gate(Operation(kind, path, self.operations))

    def run(self, kind: str, path: str, deed: Callable[[], None]) -> None:
        """Do it, or fail as SQLite's file system does."""
        failure = self.pass_gate(kind, path)
        if failure is None or failure.done:
            deed()
        if failure is not None:
            raise apsw.exception_for(failure.code)


class _Vfs(apsw.VFS):
    def __init__(self, power: Power) -> None:
        self._power = power
        super().__init__(VFS_NAME, "")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 SQLite's name
        opened = _VfsFile("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path and flags[0] & _TRACKED and self._power.disk.holds(path):
            opened.watch(self._power, path, log=bool(flags[0] & _LOGS and flags[0] & apsw.SQLITE_OPEN_CREATE))
        return opened

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802 SQLite's name
        disk, path = self._power.disk, Path(filename)
        if not disk.holds(path):
            super().xDelete(filename, syncdir)
            return

        def deed() -> None:
            disk.going(path)
            super(_Vfs, self).xDelete(filename, False)
            disk.gone(path)
            if syncdir:
                disk.flush_path(path.parent)

        self._power.run("delete", filename, deed)


class _VfsFile(apsw.VFSFile):
    _power: Power | None = None

    def watch(self, power: Power, path: str, *, log: bool) -> None:
        self._power = power
        self._path = path
        self._file: File = power.disk.record(path)
        self._new_log = log

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802 SQLite's name
        if self._power is None:
            super().xWrite(data, offset)
            return
        disk = self._power.disk

        def deed() -> None:
            super(_VfsFile, self).xWrite(data, offset)
            disk.write(self._file, offset, bytes(data))

        self._power.run("write", self._path, deed)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802 SQLite's name
        if self._power is None:
            super().xTruncate(newsize)
            return
        disk = self._power.disk

        def deed() -> None:
            super(_VfsFile, self).xTruncate(newsize)
            disk.write(self._file, newsize, None)

        self._power.run("truncate", self._path, deed)

    def xSync(self, flags: int) -> None:  # noqa: N802 SQLite's name
        if self._power is None:
            return
        disk = self._power.disk

        def deed() -> None:
            disk.flush(self._file)
            if self._new_log:
                # SQLite's own file system flushes the folder with the first flush of a new log.
                disk.flush_path(Path(self._path).parent)
                self._new_log = False

        self._power.run("sync", self._path, deed)


@contextmanager
def installed(power: Power) -> Iterator[Power]:
    """Let the product work on this disk."""
    vfs = _Vfs(power)
    try:
        with (
            mock.patch.object(sqlite3, "connect", Connection),
            mock.patch.multiple(os, **_functions(power)),
            mock.patch.object(sys, "unraisablehook", _tell_unless_told(sys.unraisablehook)),
        ):
            yield power
    finally:
        vfs.unregister()


def _tell_unless_told(tell: Callable[[Any], object]) -> Callable[[Any], object]:
    """SQLite gets over some errors of its files without a word; apsw tells of each that it could not raise."""
    return lambda unraisable: None if isinstance(unraisable.exc_value, apsw.Error) else tell(unraisable)


def _functions(power: Power) -> dict[str, Any]:
    """The functions of `os` that flush, rename and delete, watched."""
    disk = power.disk
    fsync, replace, rename, unlink = os.fsync, os.replace, os.rename, os.unlink

    def watched_fsync(fd: int) -> None:
        path = str(Path(f"/proc/self/fd/{fd}").readlink())
        if not disk.holds(path):
            fsync(fd)
            return
        _run(power, "flush", path, lambda: disk.flush_path(Path(path)))

    def moving(move: Callable[..., None]) -> Callable[..., None]:
        def watched(source: Any, target: Any, **more: Any) -> None:
            if more or not disk.holds(source) or not disk.holds(target):
                move(source, target, **more)
                return

            def deed() -> None:
                disk.going(Path(source))
                if Path(target).exists():
                    disk.going(Path(target))
                move(source, target)
                if Path(source).exists():
                    # Two names of one file: nothing happens.
                    return
                disk.renamed(Path(source), Path(target))

            _run(power, "rename", str(target), deed)

        return watched

    def watched_unlink(path: Any, **more: Any) -> None:
        if more.get("dir_fd") is not None or not disk.holds(path) or not os.path.lexists(path):
            unlink(path, **more)
            return

        def deed() -> None:
            disk.going(Path(path))
            unlink(path)
            disk.gone(Path(path))

        _run(power, "unlink", str(path), deed)

    return {"fsync": watched_fsync, "replace": moving(replace), "rename": moving(rename), "unlink": watched_unlink}


def _run(power: Power, kind: str, path: str, deed: Callable[[], None]) -> None:
    """Do it, or fail as the kernel does; the code is an errno."""
    failure = power.pass_gate(kind, path)
    if failure is None or failure.done:
        deed()
    if failure is not None:
        raise OSError(failure.code, os.strerror(failure.code), path)
