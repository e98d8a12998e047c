"""A file of no content whose room is given up when a full disk would not even take the deletes that free it (D8)."""

import os
from pathlib import Path
from typing import Final

from contract.limits import KIB

NAME: Final = "ballast"
BALLAST_BYTES: Final = 512 * KIB


class Ballast:
    """Room held in reserve."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    @property
    def held(self) -> bool:
        """Whether the reserve is whole."""
        try:
            return self._path.stat().st_size == BALLAST_BYTES
        except OSError:
            return False

    def drop(self) -> None:
        """Give the room up."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            # A read-only disk cannot give room; that it is read-only shows elsewhere.
            return

    def restore(self) -> bool:
        """Take the room back; False when the disk has none."""
        if self.held:
            return True
        try:
            with self._path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        except OSError:
            self.drop()
            return False
        return True
