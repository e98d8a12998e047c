"""Times as programs read them: RFC 3339 in UTC."""

from datetime import UTC, datetime
from typing import overload


@overload
def utc(at_ms: int) -> datetime: ...
@overload
def utc(at_ms: None) -> None: ...
def utc(at_ms: int | None) -> datetime | None:
    """An epoch ms as a time with its zone; none stays none."""
    return None if at_ms is None else datetime.fromtimestamp(at_ms / 1000, UTC)
