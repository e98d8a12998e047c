"""What happened, one line per event on stderr: `at=... level=... part=... event=... key=value`.

Values are escaped so that nothing that was scanned or received can begin a line, end a quote or move the cursor.
"""

import os
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Final, TextIO

VARIABLE: Final = "HOLDFAST_LOG"
"""`debug` in this variable shows what is repeated or routine, too."""
MAX_VALUE_CHARS: Final = 400
MAX_FRAMES: Final = 6
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

    def crash(self, event: str, error: BaseException) -> None:
        """A fault of this program, with where it happened."""
        self._write("error", event, {"why": repr(error), "where": _where(error)})

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


def _where(error: BaseException) -> str:
    """The innermost places of a fault, as `file:line function`."""
    import traceback  # noqa: PLC0415 only when something went wrong

    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    return " < ".join(f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in reversed(frames))


def log_crash(crash: threading.ExceptHookArgs) -> None:
    """What `threading.excepthook` should be: a thread that dies is one line, too."""
    if crash.exc_value is not None:
        Log("agent").crash(f"thread_crashed {crash.thread.name if crash.thread else ''}".strip(), crash.exc_value)


def bridge_logging() -> None:
    """Let what libraries and drivers say through `logging` come out as lines of this log."""
    import logging  # noqa: PLC0415 with `paho` and the drivers it is loaded anyway, for other commands it is not

    class Bridge(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            say = Log(record.name.removeprefix("agent."))
            text = record.getMessage()
            if record.exc_info is not None and record.exc_info[1] is not None:
                say.crash(text, record.exc_info[1])
            elif record.levelno >= logging.WARNING:
                say.warning(text)
            elif record.levelno >= logging.INFO:
                say.info(text)
            else:
                say.debug(text)

    logging.basicConfig(
        handlers=[Bridge()], level=logging.DEBUG if os.environ.get(VARIABLE) == "debug" else logging.INFO
    )


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
