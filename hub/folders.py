"""Folders: that one is there, and that names in it survive a power cut.

Flushing a file keeps what is in it, not what it is called.
"""

import os
from pathlib import Path

from hub.errors import Refused


def sync_folder(folder: Path) -> None:
    """Flush the names in a folder.

    Raises:
        OSError: the disk did not take it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, readable by their owner only; the names of those that were missing are flushed.

    Raises:
        OSError: it cannot be made.
    """
    missing = [made for made in (folder, *folder.parents) if not made.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def data_folder(folder: Path) -> Path:
    """A hub's folder that was made before.

    Raises:
        Refused: it is not there.
    """
    if not folder.is_dir():
        raise Refused(f"{folder} is no data folder; `holdfast-hub init --data {folder}` makes one")
    return folder
