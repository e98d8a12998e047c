"""What pages and the interface read about parcels."""

from collections.abc import Mapping

from msgspec import Struct
from sqlalchemy import Connection

from hub.timeline import TimeSource
from hub.tracking.custody import ParcelStatus

MAX_PAGE = 500


class When(Struct, frozen=True):
    """When something happened, when the hub knew, and how sure the first is (`uncertainty_ms` None: nothing bounds it)."""

    at_ms: int
    known_ms: int
    source: TimeSource
    uncertainty_ms: int | None


class ParcelFilters(Struct, frozen=True):
    """Which parcels; empty means any. `since_ms`: the hub learnt something about it then or later."""

    q: str = ""
    status: ParcelStatus | None = None
    step: str = ""
    place: str = ""
    route: str = ""
    since_ms: int | None = None


class ParcelView(Struct, frozen=True):
    """A parcel as it is now.

    Attributes:
        step: the deed that holds now, empty where none does; `stepped` and `step_*` belong to it.
        seen: its latest event of any kind, counts included; `seen_*` and the position belong to it.
        contact_ms: last contact of the device that saw it last; None where it never said hello.
        after_delivery: events later than the delivery that could not undo it.
    """

    key: str
    kind: str
    step: str
    status: ParcelStatus
    stepped: When | None
    step_device: str
    step_actor: str
    step_place: str
    seen: When
    seen_device: str
    seen_place: str
    contact_ms: int | None
    known_ms: int
    lat_e7: int | None
    lon_e7: int | None
    verdict: str
    cold_verdict: str
    cold_budget_s: int | None
    route: str
    recipient: str
    events: int
    corrections: int
    after_delivery: int


class ParcelPage(Struct, frozen=True):
    """Latest seen first."""

    items: tuple[ParcelView, ...]
    next_cursor: str | None


class EventView(Struct, frozen=True):
    """One link of the chain of custody.

    Attributes:
        kind: `scan`, `proof` or `correction`.
        step: what it did; of a correction, what holds instead (may be empty).
        raw_at_ms: what the device's clock said.
        code: what the scanner sent, byte for byte; show it with `contract.identity.display`.
        corrected_by: identity of the correction because of which it no longer counts.
        ignored: later than a delivery that it could not undo.
        targets: the events that a correction corrects.
    """

    fact_id: bytes
    kind: str
    step: str
    happened: When
    raw_at_ms: int
    mono_ms: int
    clock: str
    boot: bytes
    device: str
    incarnation: bytes
    ord: int
    actor: str
    place: str
    lat_e7: int | None
    lon_e7: int | None
    accuracy_m: int | None
    verdict: str
    cold_verdict: str
    cold_budget_s: int | None
    code: bytes | None
    aim: str
    code_kind: str
    port: str
    reason: str
    recipient: str
    corrected_by: bytes | None
    ignored: bool
    targets: tuple[bytes, ...]


def parcels_page(conn: Connection, filters: ParcelFilters, cursor: str | None = None, limit: int = 100) -> ParcelPage:
    """One page of parcels, latest seen first.

    Raises:
        BadCursor: the cursor is not one that this function gave.
    """
    raise NotImplementedError


def parcel(conn: Connection, key: str) -> ParcelView | None:
    """One parcel by its key."""
    raise NotImplementedError


def parcel_events(conn: Connection, key: str) -> tuple[EventView, ...]:
    """The whole chain of custody in order."""
    raise NotImplementedError


def parcel_counts(conn: Connection) -> Mapping[ParcelStatus, int]:
    """How many parcels are in each status; all statuses are there."""
    raise NotImplementedError
