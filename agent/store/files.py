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
