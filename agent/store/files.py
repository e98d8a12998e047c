"""Files that survive a power cut: written beside, flushed, renamed, and the folder flushed."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder.

    Raises:
        OSError: the disk did not take it.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; the names of those that were missing survive a power cut with what is put in them.

    Raises:
        OSError: it cannot be made.
    """
    missing = [made for made in (folder, *folder.parents) if not made.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def replace_file(path: Path, data: bytes, *, durable: bool) -> None:
    """Put `data` at `path`, whole or not at all; `durable` flushes it before it is renamed.

    Raises:
        OSError: not written; the old file is as before.
    """
    beside = path.with_name(path.name + ".new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    if durable:
        sync_folder(path.parent)
