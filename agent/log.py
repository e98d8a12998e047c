"""What happened, one line per event on stderr: `at=... level=... part=... event=... key=value`.

Values are escaped so that nothing that was scanned or received can begin a line, end a quote or move the cursor.
"""

import os
import re
import sys
import threading
from datetime import UTC, datetime
from typing import Final, TextIO

VARIABLE: Final = "HOLDFAST_LOG"
"""`debug` in this variable shows what is repeated or routine, too."""
MAX_VALUE_CHARS: Final = 400
_BARE = re.compile(r"[A-Za-z0-9_.:/@+%-]+")
_lock = threading.Lock()


class Log:
    """Writes the events of one part of the agent. Never raises: a full or closed stderr stops no work."""

    def __init__(self, part: str, stream: TextIO | None = None) -> None:
        self._part = part
        self._stream = stream
        self._verbose = os.environ.get(VARIABLE, "") == "debug"

    def debug(self, event: str, **fields: object) -> None:
        """Routine, or said before in the same outage."""
        if self._verbose:
            self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Worth a line in normal service."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Something to look at; the agent goes on."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Something was not done."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        head = {"at": at, "level": level, "part": self._part, "event": event}
        line = " ".join(f"{key}={escape(value)}" for key, value in (head | fields).items())
        stream = self._stream or sys.stderr
        try:
            with _lock:
                stream.write(line + "\n")
                stream.flush()
        except (OSError, ValueError):
            # ValueError: the stream is closed. There is nowhere left to say so.
            return


def escape(value: object) -> str:
    """A value as one word, or in quotes as printable ASCII."""
    # Only plain bytes: a subclass may be a secret that hides itself in `str`.
    text = value.hex() if type(value) is bytes else str(value)
    if len(text) > MAX_VALUE_CHARS:
        text = text[:MAX_VALUE_CHARS] + "..."
    if _BARE.fullmatch(text):
        return text
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
