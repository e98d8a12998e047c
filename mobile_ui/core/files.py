"""Files that are never changed: what an agent may still read must not become another."""

import os
from pathlib import Path


def write_once(path: Path, data: bytes) -> None:
    """Write a file whole and to disk, or not at all; one that is there already is the same.

    Raises:
        OSError: it is not there.
    """
    if path.exists():
        return
    beside = path.with_name(f"_{path.name}")
    with beside.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
