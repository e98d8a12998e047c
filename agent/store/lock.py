"""`writer.lock`: one process writes in a folder. The file also remembers whether the last writer closed in order."""

import fcntl
import os
from pathlib import Path
from typing import Final

from agent.store.errors import FolderInUse

NAME: Final = "writer.lock"
_CLEAN: Final = b"closed"


class WriterLock:
    """The folder's lock, held until `release` or the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises:
            FolderInUse: another process has it.
            OSError: the file cannot be made; the folder is read-only or its disk full.
        """
        self._fd = os.open(folder / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace") or "unknown"
            os.close(self._fd)
            raise FolderInUse(
                f"Another Holdfast agent (process {holder}) works in {folder}. Stop it first, or give this one another "
                "folder; nothing was changed."
            ) from error
        self.was_clean = os.pread(self._fd, 32, 0) in (b"", _CLEAN)
        self._say(str(os.getpid()).encode())

    def _say(self, text: bytes) -> None:
        try:
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, text, 0)
        except OSError:
            # On a full disk the word is lost and the next start checks once more than needed.
            return

    def release(self, *, clean: bool = True) -> None:
        """Let another process write; `clean` when the database was closed in order."""
        if clean:
            self._say(_CLEAN)
        os.close(self._fd)
