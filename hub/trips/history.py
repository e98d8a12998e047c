"""The temperature history of a parcel: what is told of it. Times are UTC epoch ms, values hundredths."""

from collections.abc import Sequence
from enum import StrEnum

from msgspec import Struct

from contract.coldchain.findings import Judgement
from contract.coldchain.profile import Profile

Reading = tuple[int, int | None]
"""Time and value; None for a fault of the sensor."""


class ColdVerdict(StrEnum):
    """What may be said of a load's temperature."""

    KEPT = "kept_cold"
    EXCURSION = "excursion"
    """A limit was exceeded for longer than it allows, whatever else is not known."""
    INCOMPLETE = "incomplete"
    """Nothing is known to have been exceeded, and not everything is known."""
    NOT_JUDGED = "not_judged"
    """No sensor on its way has a profile."""


class Cause(StrEnum):
    """Why something is not known."""

    NO_SENSOR = "no_sensor"
    """No sensor is where the parcel was."""
    NO_DATA = "no_data"
    """Its device was heard since, and has no readings for this stretch."""
    NOT_SENT = "not_sent"
    """Its device has not been heard since, or has announced facts that wait there: it may come."""
    NO_PROFILE = "no_profile"
    """It was measured, and nobody has said which limits hold."""
    NOWHERE = "nowhere"
    """It was handed over, and nobody has said to whom."""
    TOO_LONG = "too_long"
    """It stayed longer than is judged at once."""


def is_complete(missing: Sequence["Missing"], *, judged: bool) -> bool:
    """Whether a record of a trip or a parcel is complete: a profile judges it, and none of its moments is uncovered.

    The one rule for both (`contract.coldchain.coverage`); that a limit was exceeded does not make a record less complete.
    """
    return judged and not missing


class Missing(Struct, frozen=True):
    """A stretch of the way of which something is not known. `where`: device or place; `sensor` empty where there is none."""

    cause: Cause
    where: str
    from_ms: int
    to_ms: int
    sensor: str = ""


class WatchedBy(Struct, frozen=True):
    """One sensor over one stay.

    Attributes:
        sensor: its id. name, place: as people call it.
        profile: in force at the stay's begin; None: nobody has said.
        readings: how many; low, high: the extremes, None without a value.
        worst: the parcel is judged by its readings: of several sensors of one profile the worst counts.
    """

    sensor: str
    device: str
    name: str
    place: str
    profile: str | None
    readings: int
    low: int | None
    high: int | None
    worst: bool


class StayHistory(Struct, frozen=True):
    """One stay with its sensors. `to_ms` None: it is still there. `trip`: of the vehicle that carried it, or empty."""

    where: str
    device: str
    place: str
    aboard: bool
    from_ms: int
    to_ms: int | None
    known_ms: int
    opened_by: bytes
    opened_step: str
    closed_by: bytes | None
    closed_step: str
    closed_known_ms: int | None
    sensors: tuple[WatchedBy, ...]
    trip: str


class Judged(Struct, frozen=True):
    """The way as one profile judges it, budgets running on from stay to stay; `readings`: those that it judges."""

    profile: Profile
    judgement: Judgement
    readings: tuple[Reading, ...]


class ParcelHistory(Struct, frozen=True):
    """The whole way of a parcel.

    Attributes:
        from_ms, to_ms: from the first stay to the end of the last, or now.
        judged: one for each profile on its way; mostly one.
        readings: those by which it is judged, in order of time: of several sensors at once the worst one's.
        missing: what is not known.
        running: whether it is still on its way.
    """

    parcel: str
    from_ms: int
    to_ms: int
    running: bool
    stays: tuple[StayHistory, ...]
    judged: tuple[Judged, ...]
    readings: tuple[Reading, ...]
    missing: tuple[Missing, ...]
    verdict: ColdVerdict

    @property
    def complete(self) -> bool:
        """Whether its record is."""
        return is_complete(self.missing, judged=bool(self.judged))
