"""What the device keeps for the hub: facts in two chained lanes, attachments, and readings on their way into a block."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import DeviceClock, Stamp
from contract.delivery.device_actions import (
    BlobRefused,
    BlobStored,
    FixClock,
    MarkCorrupt,
    Release,
    ReleaseBlobs,
    SetAcked,
)
from contract.delivery.device_view import LaneEnds, PendingBlob, Report, StoredPosition
from contract.event import Event, Lane, Quantity
from contract.fact import Fact
from contract.limits import HOLD_DEFAULT_MS
from contract.messages import DocumentVersion, LatestReading

WriteAction = SetAcked | Release | ReleaseBlobs | MarkCorrupt | BlobStored | BlobRefused | FixClock
DEFAULT_BUDGET_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """One fact that is on disk. `repeated` says that this request had been kept before."""

    fact_id: bytes
    lane: Lane
    n: int
    ord: int
    at_ms: int
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class SensorReading:
    """One measurement of a sensor; `value` in hundredths, None for a fault of the sensor."""

    sensor: str
    quantity: Quantity
    stamp: Stamp
    value: int | None
    interval_ms: int


@dataclass(frozen=True, slots=True)
class ReceiverPosition:
    """One position of a receiver; degrees in 1e-7, speed in cm/s, heading in hundredths of a degree."""

    receiver: str
    stamp: Stamp
    interval_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int
    speed_cm_s: int
    heading_c: int


@dataclass(frozen=True, slots=True)
class LaneSummary:
    """Counts of one lane in the present incarnation."""

    kept: int
    sent: int
    committed: int
    released: int


@dataclass(frozen=True, slots=True)
class OutboxSummary:
    """What `status` tells of the outbox."""

    incarnation: bytes
    lanes: Mapping[Lane, LaneSummary]
    unsealed: int
    blobs_pending: int
    oldest_unsent_at_ms: int | None
    level: str
    used_bytes: int
    room_bytes: int
    room_s: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One kept fact for a person or a script. `fact` is None where the content is gone, `cause` says why."""

    fact_id: bytes
    lane: Lane
    n: int
    committed: bool
    fact: Fact | None
    cause: str | None


class Outbox:
    """The device's outbox. It is a `DeviceView`, and may be used from any thread."""

    incarnation: bytes
    boot: bytes
    version: str
    documents: Callable[[], tuple[DocumentVersion, ...]]
    """Where `report` gets the versions of documents; the inbox sets it."""
    snapshot: Callable[[], tuple[LatestReading, ...]]
    """Where `report` gets latest values; the agent sets it."""

    @classmethod
    def open(
        cls,
        folder: Path,
        device: str,
        *,
        clock: DeviceClock,
        version: str = "",
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        hold_ms: int = HOLD_DEFAULT_MS,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> "Outbox":
        raise NotImplementedError

    def close(self) -> None: ...

    def append(
        self,
        events: Sequence[Event],
        *,
        actor: str,
        stamp: Stamp,
        request_id: bytes | None = None,
        blobs: Sequence[bytes] = (),
        readings: Sequence[SensorReading] = (),
    ) -> tuple[Kept, ...]:
        raise NotImplementedError

    def add_readings(self, readings: Sequence[SensorReading]) -> None: ...

    def add_positions(self, positions: Sequence[ReceiverPosition]) -> None: ...

    def seal_due(self, stamp: Stamp, *, in_contact: bool) -> int:
        raise NotImplementedError

    def apply(self, actions: Sequence[WriteAction]) -> None: ...

    def reincarnate(self, reason: str) -> None: ...

    def repair(self) -> None: ...

    def maintain(self) -> None: ...

    def adopt_blob(self, path: Path) -> bytes:
        raise NotImplementedError

    def note_sent(self, lane: Lane, n: int) -> None: ...

    def summary(self) -> OutboxSummary:
        raise NotImplementedError

    def listing(self, limit: int, before: int | None = None) -> Sequence[Listed]:
        raise NotImplementedError

    def lane(self, lane: Lane) -> LaneEnds:
        raise NotImplementedError

    def hash_at(self, lane: Lane, n: int) -> bytes | None:
        raise NotImplementedError

    def read(self, lane: Lane, after_n: int, most: int, most_bytes: int) -> Sequence[StoredPosition]:
        raise NotImplementedError

    def release_candidates(self, most: int) -> Sequence[bytes]:
        raise NotImplementedError

    def identities_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        raise NotImplementedError

    def committed_only(self, identities: Sequence[bytes], acked: Mapping[Lane, int]) -> Sequence[bytes]:
        raise NotImplementedError

    def contents(self, identities: Sequence[bytes]) -> Sequence[bytes]:
        raise NotImplementedError

    def pending_blob(self) -> PendingBlob | None:
        raise NotImplementedError

    def blob_chunk(self, sha256: bytes, start: int, size: int) -> bytes | None:
        raise NotImplementedError

    def blob_release_candidates(self, most: int) -> Sequence[bytes]:
        raise NotImplementedError

    def blobs_after(self, cursor: bytes, most: int) -> Sequence[bytes]:
        raise NotImplementedError

    def report(self, at_ms: int) -> Report:
        raise NotImplementedError
