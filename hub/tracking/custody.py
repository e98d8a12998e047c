"""The chain of custody of one parcel, folded into where it is now."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

from msgspec import Struct

from contract.event import Outcome, Step
from hub.timeline import TimeSource


class Deed(StrEnum):
    """What one event did with a parcel: the steps of scans, and what proofs add to them."""

    RECEIVED = "received"
    LOADED = "loaded"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    RETURNED = "returned"
    COUNTED = "counted"
    HANDED_OVER = "handed_over"
    ATTEMPTED = "attempted"
    REFUSED = "refused"
    PICKED_UP = "picked_up"


class ParcelStatus(StrEnum):
    """What people ask first; the step says it more exactly."""

    KNOWN = "known"
    """Seen, but only counted or corrected away."""
    IN_STORE = "in_store"
    IN_TRANSIT = "in_transit"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    EXCEPTION = "exception"
    """Attempted or refused: somebody must decide."""
    RETURNED = "returned"
