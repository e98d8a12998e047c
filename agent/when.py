"""Instants and spans of time as people and scripts read them."""

from datetime import UTC, datetime


def rfc3339(at_ms: int | None) -> str | None:
    """A time as RFC 3339 in UTC with milliseconds."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def span(ms: int) -> str:
    """A span of time in its two largest units, rounded down: nobody is told more than is left."""
    left_s = ms // 1000
    parts: list[str] = []
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, left_s = divmod(left_s, unit_s)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
    return " ".join(part for part in parts[:2] if part) or "0 s"
