"""What a report says. These structs, as JSON, are exactly what is sealed, printed and verified.

Times are UTC epoch ms in corrected time (`hub.timeline`), values are hundredths. Digests are lower-case hex, so that people can
compare them by eye.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from contract.coldchain.findings import DurationMs, Judgement
from contract.coldchain.mkt import Mkt
from contract.coldchain.profile import Profile
from contract.event import CentiUnits, EpochMs, Key, Lane, Note, Quantity, Text
from hub.trips.history import Cause

FORMAT: Final = 1
"""Of the JSON form. A reader refuses what it does not know instead of guessing."""

HexDigest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
DeviceName = Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,64}\Z")]
Counted = Annotated[int, Meta(ge=0, le=2**53)]

ReadingPair = tuple[EpochMs, CentiUnits | None]
"""When, and what; None for a fault of the sensor."""


class SubjectKind(StrEnum):
    """What a report is about."""

    TRIP = "trip"
    PARCEL = "parcel"


class FindingKind(StrEnum):
    """What was found."""

    EXCURSION = "excursion"
    NO_DATA = "no_data"


class Acknowledgement(Struct, frozen=True, forbid_unknown_fields=True):
    """Who took note of a finding, when and why; `covers` is False where it has grown beyond what they saw."""

    who: Text
    at_ms: EpochMs
    why: Note
    covers: bool


class Finding(Struct, frozen=True, forbid_unknown_fields=True):
    """One excursion, or one stretch without data, with the times at which it happened and at which the hub knew.

    Attributes:
        id: as in `GET excursions`.
        limit: the name of its limit; empty for no data.
        extreme: the value furthest beyond; None for no data.
        beyond_ms: time beyond, or without data.
        known_ms, alarm_known_ms, ended_known_ms: when the hub first could say so.
        withdrawn: readings that came later showed that it was none.
    """

    id: Text
    kind: FindingKind
    started_ms: EpochMs
    known_ms: EpochMs
    limit: Text = ""
    extreme: CentiUnits | None = None
    beyond_ms: DurationMs = 0
    alarm_ms: EpochMs | None = None
    alarm_known_ms: EpochMs | None = None
    ended_ms: EpochMs | None = None
    ended_known_ms: EpochMs | None = None
    withdrawn: bool = False
    acknowledgement: Acknowledgement | None = None


class MeanKinetic(Struct, frozen=True, forbid_unknown_fields=True):
    """A mean kinetic temperature over one window, such as `24h`: information beside the verdict, never the verdict."""

    window: Text
    result: Mkt


class Late(Struct, frozen=True, forbid_unknown_fields=True):
    """Readings from one instant to another of which the hub knew late, at last at `known_ms`."""

    from_ms: EpochMs
    to_ms: EpochMs
    known_ms: EpochMs


class SensorPart(Struct, frozen=True, forbid_unknown_fields=True):
    """What one sensor measured in one stretch of the report, and how that was judged.

    Attributes:
        id: the sensor. name, place: as people call it.
        from_ms, to_ms: the stretch, both ends included.
        calibration_due_ms: None where nobody has said.
        clock_offset_ms: its device's clock minus the hub's at the latest contact; None: never compared.
        readings: all of them, in order of time, behind the last one before `from_ms`, whose value may still hold then.
        late: those that became known late.
        judgement: by `profile`, of exactly these readings.
        findings: what the hub has on record, with both times and acknowledgements.
    """

    id: Key
    device: DeviceName
    name: Text
    place: Text
    quantity: Quantity
    profile: Profile
    from_ms: EpochMs
    to_ms: EpochMs
    readings: tuple[ReadingPair, ...]
    judgement: Judgement
    late: tuple[Late, ...] = ()
    mkt: tuple[MeanKinetic, ...] = ()
    findings: tuple[Finding, ...] = ()
    calibration_due_ms: EpochMs | None = None
    clock_offset_ms: int | None = None


class WayPart(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole way of a parcel as one profile judges it: budgets run on from stay to stay.

    Attributes:
        readings: of several sensors at once those of the worst; each is stated by a fact of some sensor, or is at a stay's
            begin the value that held there since the reading before.
        judgement: by `profile`, of exactly these readings.
    """

    profile: Profile
    from_ms: EpochMs
    to_ms: EpochMs
    readings: tuple[ReadingPair, ...]
    judgement: Judgement
    mkt: tuple[MeanKinetic, ...] = ()


class StayPart(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a parcel was, by its scans. `to_ms` None: it is still there. `sensors`: those that watched it."""

    where: Text
    from_ms: EpochMs
    to_ms: EpochMs | None = None
    sensors: tuple[Key, ...] = ()


class MissingPart(Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch of which something is not known, and why. `where`: device or place; `sensor` empty where there is none."""

    cause: Cause
    where: Text
    from_ms: EpochMs
    to_ms: EpochMs
    sensor: Text = ""


class ParcelPart(Struct, frozen=True, forbid_unknown_fields=True):
    """A parcel and its stays in the period."""

    id: Key
    stays: tuple[StayPart, ...] = ()
    alarmed: bool = False
    complete: bool = True


class LedgerGap(Struct, frozen=True, forbid_unknown_fields=True):
    """Positions of a device's stream whose contents are gone, and the cause that was stated."""

    device: DeviceName
    lane: Lane
    first_n: Counted
    last_n: Counted
    cause: Text
    stated_ms: EpochMs


class ChainRun(Struct, frozen=True, forbid_unknown_fields=True):
    """Consecutive positions of one stream, up to a head that can be compared with the hub's or the device's own.

    Build it with `hub.reports.evidence.pack_run`; `links` are its positions, deflated.

    Attributes:
        previous: the hash before `first_n`.
        head: the hash at `last_n`.
    """

    device: DeviceName
    incarnation: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    lane: Lane
    first_n: Counted
    last_n: Counted
    previous: HexDigest
    head: HexDigest
    links: bytes


class TrailEnd(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the hub's audit trail ended: the number of its last row, and the hash of all rows up to it."""

    number: Counted
    hash: HexDigest


class ReportInput(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole content of a report.

    Attributes:
        hub: what the hub calls itself. made_ms, made_by: when and by whom the report was asked for.
        incomplete: what is not known, and why.
        ways: of a parcel's report, one for each profile on its way.
        runs: the facts that the report rests on (readings, scans, acknowledgements), with their exact cores in their chain.
        trail: as a fact of the hub among these states it; None where the hub never stated one.
    """

    hub: Text
    kind: SubjectKind
    subject: Key
    title: Text
    from_ms: EpochMs
    to_ms: EpochMs
    made_ms: EpochMs
    made_by: Text
    parcels: tuple[ParcelPart, ...]
    sensors: tuple[SensorPart, ...]
    ways: tuple[WayPart, ...] = ()
    gaps: tuple[LedgerGap, ...] = ()
    incomplete: tuple[MissingPart, ...] = ()
    runs: tuple[ChainRun, ...] = ()
    trail: TrailEnd | None = None

    @property
    def alarms(self) -> int:
        """How often a limit was exceeded for longer than it allows: on the parcel's way, else by all sensors."""
        return sum(len(part.judgement.alarmed) for part in self.ways or self.sensors)

    @property
    def complete(self) -> bool:
        """Whether its record is, and that of each of its parcels (`hub.trips.history.is_complete`)."""
        judged = bool(self.ways or self.sensors)
        return judged and not self.incomplete and all(parcel.complete for parcel in self.parcels)
