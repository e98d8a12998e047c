"""When a device counts as silent."""

from typing import Final

from contract.limits import HELLO_INTERVAL_MS, HELLO_JITTER, RESEND_FIRST_MS

RESENT_TWICE_MS: Final = RESEND_FIRST_MS + 2 * RESEND_FIRST_MS
"""A hello that nobody answers is sent again after the first wait, and after up to twice that once more."""
SILENT_AFTER_MS: Final = int(HELLO_INTERVAL_MS * (1 + HELLO_JITTER)) + RESENT_TWICE_MS
"""A device that has nothing else to say says hello by then; two lost messages are no silence."""


def is_silent(contact_ms: int | None, now_ms: int) -> bool:
    """Whether nothing was heard for longer than the schedule of hellos allows; a device never heard is silent too."""
    return contact_ms is None or now_ms - contact_ms > SILENT_AFTER_MS
