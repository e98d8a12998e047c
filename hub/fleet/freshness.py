"""When a device counts as silent."""

from typing import Final

from contract.limits import HELLO_INTERVAL_MS, HELLO_JITTER, UNANSWERED_BEFORE_RECONNECT

SILENT_AFTER_MS: Final = int(UNANSWERED_BEFORE_RECONNECT * HELLO_INTERVAL_MS * (1 + HELLO_JITTER))
"""A device says hello every minute, give or take a fifth; one lost message is no silence, three in a row are."""


def is_silent(contact_ms: int | None, now_ms: int) -> bool:
    """Whether nothing was heard for longer than the schedule of hellos allows; a device never heard is silent too."""
    return contact_ms is None or now_ms - contact_ms > SILENT_AFTER_MS
