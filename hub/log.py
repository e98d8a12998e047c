"""Logging: JSON lines on stderr, so that nothing that was scanned or received can begin a line of its own."""

import logging
import os
import sys
from typing import Final

import structlog

VARIABLE: Final = "HOLDFAST_LOG"
"""`debug` in this variable shows what is routine, too."""


def configure_logging() -> None:
    """Send all log lines, the libraries' warnings included, to stderr as JSON."""
    level = logging.DEBUG if os.environ.get(VARIABLE) == "debug" else logging.INFO
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Forward()], force=True)


class _Forward(logging.Handler):
    """Hands the standard library's records to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        log: structlog.stdlib.BoundLogger = structlog.get_logger()
        log.log(record.levelno, record.getMessage(), part=record.name, exc_info=record.exc_info)
