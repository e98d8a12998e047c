"""The journal: what a simulated device really did, for a checker outside the system under test.

One JSON object a line. A scanner writes each code before its first byte goes out, and syncs the line
to the disk, so that no code can reach the other side without a record, whatever is killed when. Probes
and receivers write one line per poll or fix without syncing each: their lines are evidence for people
and charts, and losing the last ones at a power cut proves nothing wrong.
"""

import json
import os
from pathlib import Path
from typing import Protocol

from firmware_sim.errors import JournalError

JsonValue = str | int | float | bool | list[int] | list[str] | None


class Journal(Protocol):
    """Takes one record after another."""

    def write(self, t_ms: int, /, **fields: JsonValue) -> None:
        """Keep one record that happened at ``t_ms`` (epoch milliseconds)."""
        ...


class FileJournal:
    """A journal appended to a file."""

    def __init__(self, path: Path, *, sync: bool) -> None:
        """Open the file for appending.

        Args:
            path: The file; made if it is missing.
            sync: Whether each line is on the disk before ``write`` returns.

        Raises:
            JournalError: The file cannot be opened.
        """
        self._path = path
        self._sync = sync
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError as error:
            raise JournalError(f"cannot open the journal {path}: {error.strerror}") from error

    def write(self, t_ms: int, /, **fields: JsonValue) -> None:
        """Append one line.

        Raises:
            JournalError: The line could not be written whole.
        """
        line = json.dumps({"t_ms": t_ms, **fields}, separators=(",", ":")).encode() + b"\n"
        try:
            written = os.write(self._fd, line)
            if self._sync:
                os.fsync(self._fd)
        except OSError as error:
            raise JournalError(f"cannot write the journal {self._path}: {error.strerror}") from error
        if written != len(line):
            raise JournalError(f"cannot write the journal {self._path}: the disk is full")

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


class NoJournal:
    """A journal nobody asked for."""

    def write(self, t_ms: int, /, **fields: JsonValue) -> None:
        """Keep nothing."""
