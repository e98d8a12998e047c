"""A model of a disk that loses power: what was flushed stays, any part of what came later may be there or not.

The real files go on beside it. The model holds what a strict reading of POSIX promises of them and nothing more: flushing a
file keeps its bytes, not its name; flushing a folder keeps the names in it; a rename happens whole or not at all. Of writes
that were not flushed any subset survives, torn at sectors; of names likewise, in no order.
"""

import os
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

SECTOR_BYTES: Final = 512
"""What a disk writes whole."""
UNTRACKED: Final = ("ballast",)
"""Room without content: nothing is read from it, and it may be missing at any start."""
SHARED_MEMORY: Final = "-shm"
"""Mapped into memory and never flushed; SQLite makes it anew."""


@dataclass(slots=True)
class Write:
    """Bytes that were not flushed yet; without data, the file's new length."""

    at: int
    offset: int
    data: bytes | None

    def apply(self, content: bytearray) -> None:
        if self.data is None:
            del content[self.offset :]
            content.extend(bytes(self.offset - len(content)))
            return
        if len(content) < self.offset:
            content.extend(bytes(self.offset - len(content)))
        content[self.offset : self.offset + len(self.data)] = self.data

    def sectors(self) -> list["Write"]:
        """The parts that the disk writes one by one."""
        if self.data is None:
            return [self]
        edges = [self.offset, *range(_next_sector(self.offset), self.offset + len(self.data), SECTOR_BYTES)]
        ends = [*edges[1:], self.offset + len(self.data)]
        return [
            Write(self.at, a, self.data[a - self.offset : b - self.offset]) for a, b in zip(edges, ends, strict=True)
        ]


def _next_sector(offset: int) -> int:
    return (offset // SECTOR_BYTES + 1) * SECTOR_BYTES


@dataclass(slots=True, eq=False)
class File:
    """A file by itself, whatever its names are."""

    flushed: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)
    recorded: bool = False
    """Each write is told; of other files only what they hold is looked at."""


@dataclass(slots=True, eq=False)
class Folder:
    """A folder by itself; `kept` are the names that survive."""

    kept: dict[str, "File | Folder"] = field(default_factory=dict)
    now: dict[str, "File | Folder"] = field(default_factory=dict)


@dataclass(slots=True)
class Naming:
    """Names that were not flushed yet: one that is taken away, one that is given, or both at once in a rename."""

    at: int
    node: File | Folder | None
    taken: tuple[Folder, str] | None = None
    given: tuple[Folder, str] | None = None

    def is_of(self, folder: Folder) -> bool:
        """Whether flushing this folder keeps it: a rename goes with the folder of its new name."""
        place = self.given or self.taken
        return place is not None and place[0] is folder

    def apply(self, names: "Names") -> None:
        if self.taken is not None:
            there = names[self.taken[0]].get(self.taken[1])
            if self.node is None or there is self.node:
                names[self.taken[0]].pop(self.taken[1], None)
        if self.given is not None and self.node is not None:
            names[self.given[0]][self.given[1]] = self.node


class Names(dict[Folder, dict[str, File | Folder]]):
    """The names in each folder, which begin as those that survive."""

    def __missing__(self, folder: Folder) -> dict[str, File | Folder]:
        self[folder] = dict(folder.kept)
        return self[folder]


@dataclass(frozen=True, slots=True)
class Image:
    """What is on the disk after a cut: bytes by relative path, None for folders."""

    entries: dict[str, bytes | None]

    def write(self, folder: Path) -> None:
        """Put it into an empty folder."""
        for name, content in self.entries.items():
            path = folder / name
            if content is None:
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(content)


class Disk:
    """The model of everything under one folder. What is there at the start counts as flushed."""

    def __init__(self, base: Path) -> None:
        self.base = base.resolve()
        self._lock = threading.RLock()
        self._count = 0
        self._root = Folder()
        self._by_inode: dict[int, File | Folder] = {}
        self._namings: list[Naming] = []
        self._look(self._root, self.base)
        for folder in self._folders():
            folder.kept = dict(folder.now)
        self._namings.clear()
        for path, node in self._walk(self._root, ""):
            if isinstance(node, File):
                node.flushed = bytearray((self.base / path).read_bytes())

    # -- what happens --------------------------------------------------------------------------------------------------

    def holds(self, path: str | Path) -> bool:
        """Whether a path is on this disk."""
        return Path(path).is_relative_to(self.base)

    def record(self, path: str) -> File:
        """From now on every write to this file is told."""
        with self._lock:
            self._look(self._root, self.base)
            node = self._at(Path(path))
            assert isinstance(node, File)
            if not node.recorded:
                self._note_content(node, Path(path))
                node.recorded = True
            return node

    def write(self, file: File, offset: int, data: bytes | None) -> None:
        """A write, or without data a new length."""
        with self._lock:
            file.pending.append(Write(self._next(), offset, data))

    def flush(self, file: File) -> None:
        """All writes so far survive."""
        with self._lock:
            for write in file.pending:
                write.apply(file.flushed)
            file.pending.clear()

    def flush_path(self, path: Path) -> None:
        """A file or folder was flushed."""
        with self._lock:
            self._look(self._root, self.base)
            node = self._at(path)
            if isinstance(node, Folder):
                self._flush_names(node)
            elif node is not None:
                self._note_content(node, path)
                self.flush(node)

    def _flush_names(self, folder: Folder) -> None:
        mine = [naming for naming in self._namings if naming.is_of(folder)]
        self._namings = [naming for naming in self._namings if not naming.is_of(folder)]
        names = Names()
        for naming in mine:
            naming.apply(names)
        for changed, kept in names.items():
            changed.kept = kept

    def going(self, path: Path) -> None:
        """A name is about to be taken away or given to something else: remember what it stood for."""
        with self._lock:
            self._look(self._root, self.base)
            node = self._at(path)
            if isinstance(node, File):
                self._note_content(node, path)

    def gone(self, path: Path) -> None:
        """A name was taken away."""
        with self._lock:
            folder, name = self._parent(path), path.name
            node = folder.now.pop(name, None)
            if node is not None:
                self._namings.append(Naming(self._next(), node, taken=(folder, name)))
                self._forget(node)

    def renamed(self, source: Path, target: Path) -> None:
        """A name was exchanged for another."""
        with self._lock:
            old, new = self._parent(source), self._parent(target)
            node = old.now.pop(source.name, None)
            if node is None:
                return
            replaced = new.now.get(target.name)
            new.now[target.name] = node
            self._namings.append(Naming(self._next(), node, (old, source.name), (new, target.name)))
            if replaced is not None and replaced is not node:
                self._forget(replaced)

    def _next(self) -> int:
        self._count += 1
        return self._count

    # -- what is there -------------------------------------------------------------------------------------------------

    def _forget(self, node: File | Folder) -> None:
        if not any(node in folder.now.values() for folder in self._folders()):
            self._by_inode = {number: other for number, other in self._by_inode.items() if other is not node}

    def _folders(self) -> list[Folder]:
        found, waiting = [], [self._root, *(n for n in self._by_inode.values() if isinstance(n, Folder))]
        for folder in waiting:
            if folder not in found:
                found.append(folder)
        for naming in self._namings:
            if isinstance(naming.node, Folder) and naming.node not in found:
                found.append(naming.node)
        return found

    def _walk(self, folder: Folder, prefix: str) -> list[tuple[str, File | Folder]]:
        found: list[tuple[str, File | Folder]] = []
        for name, node in sorted(folder.now.items()):
            found.append((prefix + name, node))
            if isinstance(node, Folder):
                found += self._walk(node, f"{prefix}{name}/")
        return found

    def _parent(self, path: Path) -> Folder:
        node = self._at(path.parent)
        assert isinstance(node, Folder)
        return node

    def _at(self, path: Path) -> File | Folder | None:
        node: File | Folder | None = self._root
        for part in path.relative_to(self.base).parts:
            node = node.now.get(part) if isinstance(node, Folder) else None
        return node

    def _look(self, folder: Folder, path: Path) -> None:
        """Notice names that came and went without being told."""
        found: dict[str, os.DirEntry[str]] = {}
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name not in UNTRACKED and SHARED_MEMORY not in entry.name:
                    found[entry.name] = entry
        for name in [name for name in folder.now if name not in found]:
            node = folder.now.pop(name)
            self._namings.append(Naming(self._next(), node, taken=(folder, name)))
            self._forget(node)
        for name, entry in found.items():
            inode = entry.inode()
            node = self._by_inode.get(inode) or (Folder() if entry.is_dir() else File())
            self._by_inode[inode] = node
            if folder.now.get(name) is not node:
                folder.now[name] = node
                self._namings.append(Naming(self._next(), node, given=(folder, name)))
            if isinstance(node, Folder):
                self._look(node, path / name)

    def _note_content(self, file: File, path: Path) -> None:
        """What a file holds that nobody told of, as writes."""
        if file.recorded:
            return
        content = path.read_bytes()
        then = bytearray(file.flushed)
        for write in file.pending:
            write.apply(then)
        if content != then:
            file.pending += [Write(self._next(), len(content), None), Write(self._next(), 0, content)]

    # -- the cut -------------------------------------------------------------------------------------------------------

    def cut(self, rng: random.Random, *, unflushed: float | None = None) -> Image:
        """What is left when the power goes now, by chance; `unflushed` is the share of what came after the last flushes."""
        with self._lock:
            self._look(self._root, self.base)
            files: dict[File, Path] = {}
            for name, node in self._walk(self._root, ""):
                if isinstance(node, File):
                    files[node] = self.base / name
                    self._note_content(node, self.base / name)
            known = {*files, *(n.node for n in self._namings if isinstance(n.node, File))}
            known |= {node for folder in self._folders() for node in folder.kept.values() if isinstance(node, File)}
            survives = self._chance(rng, known) if unflushed is None else Survival(rng, unflushed)
            names = Names()
            for naming in self._namings:
                if survives(naming):
                    naming.apply(names)
            entries: dict[str, bytes | None] = {}
            self._collect(survives, names, self._root, "", entries)
            self._leave_shared_memory(rng, entries)
            return Image(entries)

    def _chance(self, rng: random.Random, files: set[File]) -> "Survival":
        """How this cut treats what was not flushed: nothing, all, all up to a moment, or anything."""
        manner = rng.random()
        if manner < 0.15:
            return Survival(rng, share=0.0)
        if manner < 0.25:
            return Survival(rng, share=1.0)
        if manner < 0.5:
            times = [n.at for n in self._namings] + [write.at for file in files for write in file.pending]
            return Survival(rng, share=1.0, until=rng.choice(times) if times else 0, torn=True)
        return Survival(rng, share=rng.choice((0.1, 0.5, 0.9)), torn=True, garbage=rng.random() < 0.2)

    def _collect(
        self,
        survives: "Survival",
        names: Names,
        folder: Folder,
        prefix: str,
        entries: dict[str, bytes | None],
    ) -> None:
        for name, node in names[folder].items():
            if isinstance(node, Folder):
                entries[prefix + name] = None
                self._collect(survives, names, node, f"{prefix}{name}/", entries)
                continue
            content = bytearray(node.flushed)
            for write in node.pending:
                for part in survives.parts(write):
                    part.apply(content)
            entries[prefix + name] = bytes(content)

    def _leave_shared_memory(self, rng: random.Random, entries: dict[str, bytes | None]) -> None:
        """Now and then the last run's shared memory is still there, whatever it says."""
        for name in list(entries):
            beside = self.base / f"{name}{SHARED_MEMORY}"
            if beside.exists() and rng.random() < 0.25:
                entries[f"{name}{SHARED_MEMORY}"] = beside.read_bytes()


@dataclass(slots=True)
class Survival:
    """Which of the things that were not flushed are on the disk all the same."""

    rng: random.Random
    share: float
    until: int | None = None
    torn: bool = False
    garbage: bool = False

    def __call__(self, naming: Naming) -> bool:
        return self._is_within(naming.at) and self.rng.random() < self.share

    def _is_within(self, at: int) -> bool:
        return self.until is None or at <= self.until

    def parts(self, write: Write) -> list[Write]:
        """What of a write is there."""
        if self.until is None:
            if self.rng.random() >= self.share:
                return self._spoilt(write)
            return self._torn(write) if self.torn and self.rng.random() < 0.5 else [write]
        if write.at > self.until:
            return []
        return self._torn(write) if write.at == self.until else [write]

    def _torn(self, write: Write) -> list[Write]:
        return [sector for sector in write.sectors() if self.rng.random() < 0.5]

    def _spoilt(self, write: Write) -> list[Write]:
        """At most one sector that was being written when the power went holds neither the old nor the new."""
        if not self.garbage or not write.data:
            return []
        self.garbage = False
        sector = self.rng.choice(write.sectors())
        return [Write(write.at, sector.offset, self.rng.randbytes(len(sector.data or b"")))]
