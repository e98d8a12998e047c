"""Scans that only say again what the one before them said, as a person does who heard no answer. Pure.

A device may keep a scan and die before it beeps. The person scans again, and both are facts: nothing is merged, but whoever
reads the chain of custody is told which of them repeats.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from hub.timeline import TimeSource
from hub.tracking.custody import CustodyEvent, Deed, EventKind

RESCAN_MS: Final = 10 * 60_000
"""A device that died is back within minutes, also when it is switched on anew or repairs its database; to do the same step with
a parcel once more in earnest takes another step in between, or longer."""

KINDS_OF_GOODS: Final = frozenset({"gtin", "gs1"})
"""These codes name an article or a lot, so the next scan of one may be of the next box."""


def rescans(ordered: Sequence[CustodyEvent]) -> Mapping[bytes, bytes]:
    """The scans that only repeat, each with the scan right before it that it repeats.

    Both are of one device and person, say the same step at the same place, are at most RESCAN_MS apart, and nothing else was
    stated or corrected of the parcel between them. Which scanner or label was used does not matter. `counted` is never a
    repeat: counting means every scan.

    Args:
        ordered: all events of one parcel, in the order of `hub.tracking.custody.in_order`.
    """
    return {event.fact_id: before.fact_id for before, event in pairwise(ordered) if _repeats(before, event)}


def _repeats(before: CustodyEvent, event: CustodyEvent) -> bool:
    return (
        _said(event) == _said(before)
        and event.kind is EventKind.SCAN
        and event.deed is not Deed.COUNTED
        and event.code_kind not in KINDS_OF_GOODS
        # What only its receipt dates may have happened long before.
        and TimeSource.RECEIVED not in (before.time_source, event.time_source)
        and event.happened_ms - before.happened_ms <= RESCAN_MS
    )


def _said(event: CustodyEvent) -> tuple[EventKind, Deed | None, str, str, str]:
    return event.kind, event.deed, event.device, event.actor, event.place
