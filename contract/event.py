"""The kinds of facts: what a device or a person can state.

Each is a frozen struct, encoded as a MessagePack array that starts with its kind. What all facts have in common (times,
actor, identity) is in `contract.fact.Fact`.
"""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from contract.limits import (
    MAX_BLOBS_PER_FACT,
    MAX_BLOCK_READINGS,
    MAX_CODE_BYTES,
    MAX_CORE_BYTES,
    MAX_DETAIL_CHARS,
    MAX_KEY_CHARS,
    MAX_NOTE_CHARS,
    MAX_PARCELS_PER_PROOF,
    MAX_TEXT_CHARS,
)

Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
Note = Annotated[str, Meta(max_length=MAX_NOTE_CHARS)]
Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_CHARS)]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
EpochMs = Annotated[int, Meta(ge=0, le=253_402_300_799_999)]
"""UTC milliseconds since 1970, up to the end of the year 9999."""
MonoMs = Annotated[int, Meta(ge=0, le=2**53)]
"""Milliseconds since boot, running on in sleep (CLOCK_BOOTTIME)."""
CentiUnits = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
"""Hundredths of a degree Celsius, or of a percent of relative humidity."""


class Lane(StrEnum):
    """The two ordered streams of a device: what must arrive, and what may be thinned."""

    CUSTODY = "custody"
    TELEMETRY = "telemetry"


class Step(StrEnum):
    """Business step of a scan (the sense of GS1 CBV business steps, in a courier's words)."""

    RECEIVED = "received"
    LOADED = "loaded"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    OUT_FOR_DELIVERY = "out_for_delivery"
    DELIVERED = "delivered"
    RETURNED = "returned"
    COUNTED = "counted"
    HANDED_OVER = "handed_over"


class Verdict(StrEnum):
    """How a scan compared with the manifest on the device."""

    EXPECTED = "expected"
    UNEXPECTED = "unexpected"
    DUPLICATE = "duplicate"
    WRONG_ROUTE = "wrong_route"
    UNKNOWN = "unknown"


class Outcome(StrEnum):
    """What came of a stop."""

    DELIVERED = "delivered"
    ATTEMPTED = "attempted"
    REFUSED = "refused"
    RETURNED = "returned"
    PICKED_UP = "picked_up"


class Phase(StrEnum):
    """Where an alarm is in its life; one fact each."""

    RAISED = "raised"
    ENDED = "ended"
    ACKNOWLEDGED = "acknowledged"


class Quantity(StrEnum):
    """What a sensor measures."""

    TEMPERATURE_C = "temperature_c"
    HUMIDITY_RH = "humidity_rh"


class Fix(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A place on earth (WGS 84) with how good and how old it was when used."""

    lat_e7: Annotated[int, Meta(ge=-900_000_000, le=900_000_000)]
    lon_e7: Annotated[int, Meta(ge=-1_800_000_000, le=1_800_000_000)]
    accuracy_m: Annotated[int, Meta(ge=0, le=100_000)] = 0
    age_s: Annotated[int, Meta(ge=0, le=2**31)] = 0


class Scan(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="scan"):
    """A code was read. `code` is what the scanner sent, byte for byte; kind and parcel say how the device understood it."""

    code: Annotated[bytes, Meta(max_length=MAX_CODE_BYTES)]
    aim: Annotated[str, Meta(max_length=3)]
    kind: Text
    parcel: Key
    step: Step
    place: Text
    port: Text
    verdict: Verdict = Verdict.UNKNOWN
    fix: Fix | None = None
    cold_budget_s: int | None = None


class Proof(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="proof"):
    """What happened at a stop, with its evidence; drawings and photos are blobs named by SHA-256."""

    stop: Key
    outcome: Outcome
    delivered: Annotated[tuple[Key, ...], Meta(max_length=MAX_PARCELS_PER_PROOF)] = ()
    refused: Annotated[tuple[Key, ...], Meta(max_length=MAX_PARCELS_PER_PROOF)] = ()
    reason: Text = ""
    recipient: Text = ""
    relation: Text = ""
    notes: Note = ""
    signature: Digest | None = None
    photos: Annotated[tuple[Digest, ...], Meta(max_length=MAX_BLOBS_PER_FACT)] = ()
    fix: Fix | None = None
    cold_verdict: Text = ""
    cold_budget_s: int | None = None


class Alarm(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="alarm"):
    """One phase of an alarm that the device itself raised from its readings."""

    alarm: Key
    phase: Phase
    sensor: Key
    limit: Text
    started_at_ms: EpochMs
    extreme: CentiUnits | None = None
    by: Text = ""
    why: Text = ""


class Booted(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="booted"):
    """The agent started; `reason` says why a new incarnation was begun, if one was."""

    version: Text
    reason: Text = ""


class ClockStep(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="clock_step"):
    """The wall clock moved against the monotonic clock by this much.

    `behind_ms` is by how much at least it is now behind what the device knew in this boot to be right: its clock while that
    was synchronised, or the hub's. It is negative when ahead of it, and None when the device knew no right time.
    """

    by_ms: int
    behind_ms: int | None = None


class ClockFix(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="clock_fix"):
    """At `mono_ms` of this boot the hub's clock read `hub_ms`, give or take `uncertainty_ms` (half the round trip)."""

    boot: Annotated[bytes, Meta(min_length=16, max_length=16)]
    mono_ms: MonoMs
    hub_ms: EpochMs
    uncertainty_ms: Annotated[int, Meta(ge=0, le=2**31)]


class Configured(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="configured"):
    """A document of the hub is now in force on the device."""

    document: Text
    version: Annotated[int, Meta(ge=0, le=2**53)]


class StoragePressure(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="storage"):
    """Storage reached another level: `ok`, `releasing`, `thinning`, `stopped` (telemetry), `refusing`."""

    level: Text
    free_bytes: int


class SensorContact(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sensor"):
    """A driver lost its sensor or scanner, or found it again."""

    driver: Text
    found: bool
    why: Text = ""


class SignedOn(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="sign"):
    """A person took the device (`on`) or left it."""

    on: bool


class Damage(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="damage"):
    """The device found its own storage damaged or set back; `kind` as in the incident list of `docs/protocol.md`."""

    kind: Text
    detail: Text = ""


StatusDetail = Booted | ClockStep | ClockFix | Configured | StoragePressure | SensorContact | SignedOn | Damage


class Status(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="status"):
    """Something about the device itself."""

    detail: StatusDetail


class Readings(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="readings"):
    """A sealed block of one sensor. `columns` is packed by `contract.columns.pack_readings`.

    The first reading was taken at `base_at_ms` (wall) and `base_mono_ms`; within a block both clocks run together, because a
    clock step ends a block. `replaces` names the identity whose content this thinned block stands for.
    """

    sensor: Key
    quantity: Quantity
    base_at_ms: EpochMs
    base_mono_ms: MonoMs
    interval_ms: Annotated[int, Meta(ge=1, le=86_400_000)]
    count: Annotated[int, Meta(ge=1, le=MAX_BLOCK_READINGS)]
    columns: Annotated[bytes, Meta(max_length=MAX_CORE_BYTES)]
    replaces: Digest | None = None


class Positions(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="positions"):
    """A sealed block of one position receiver. `columns` is packed by `contract.columns.pack_positions`."""

    receiver: Key
    base_at_ms: EpochMs
    base_mono_ms: MonoMs
    interval_ms: Annotated[int, Meta(ge=1, le=86_400_000)]
    count: Annotated[int, Meta(ge=1, le=MAX_BLOCK_READINGS)]
    columns: Annotated[bytes, Meta(max_length=MAX_CORE_BYTES)]
    replaces: Digest | None = None


class Decision(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="decision"):
    """What a person decided at the hub about facts; stated by the device `hub` through the same ledger."""

    action: Text
    targets: Annotated[tuple[Digest, ...], Meta(max_length=MAX_PARCELS_PER_PROOF)]
    who: Text
    why: Note
    subject: Text = ""
    detail: Annotated[str, Meta(max_length=MAX_DETAIL_CHARS)] = ""
    """What the decision says beyond its action, as JSON of the shape that belongs to the action."""


class Correction(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="correction"):
    """Whoever scanned takes their scan back: it stays in the chain, and counts no longer."""

    target: Digest
    """Identity of a scan of the same device."""
    why: Note


Event = Scan | Proof | Alarm | Status | Readings | Positions | Decision | Correction

LANE_OF: dict[type[Event], Lane] = {
    Scan: Lane.CUSTODY,
    Proof: Lane.CUSTODY,
    Alarm: Lane.CUSTODY,
    Status: Lane.CUSTODY,
    Decision: Lane.CUSTODY,
    Correction: Lane.CUSTODY,
    Readings: Lane.TELEMETRY,
    Positions: Lane.TELEMETRY,
}
