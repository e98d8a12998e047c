"""The day's work of a device: its route with stops, and the manifest that scans are judged by. Both are documents of the hub.

Times are UTC epoch ms, places WGS 84 in 1e-7 degrees. A whole document comes or none does, and a newer one takes its place.
"""

from bisect import bisect_left
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from contract.errors import Malformed
from contract.event import EpochMs, Key, Note, Step, Text, Verdict
from contract.limits import MAX_PARCELS_PER_PROOF

ROUTE_DOCUMENT: Final = "route"
MANIFEST_DOCUMENT: Final = "manifest"
MAX_STOPS: Final = 2_000
"""A van cannot make more in a day; more is a mistake of whoever planned it."""
MAX_PARCELS_PER_STOP: Final = MAX_PARCELS_PER_PROOF
"""So that one proof can say of all of them that nobody was there."""
MAX_MANIFEST: Final = 100_000

LatE7 = Annotated[int, Meta(ge=-900_000_000, le=900_000_000)]
LonE7 = Annotated[int, Meta(ge=-1_800_000_000, le=1_800_000_000)]


class Check(StrEnum):
    """What must be done before a parcel is given away."""

    SIGNATURE = "signature"
    PHOTO = "photo"
    AGE = "age"
    """The courier looks at a document and says so; it is never recorded itself."""
    COLD = "cold"
    """Hand-over of cold goods: verdict and remaining budget are shown and stated."""


class TaskKind(StrEnum):
    """What is to be done at a stop beside handing over parcels."""

    COLLECT = "collect"
    """Take a return with you."""
    HAND_OUT = "hand_out"
    """Leave a sample."""
    TAKE_BACK = "take_back"
    """Take the old goods away."""


class Window(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """When the consignee is there."""

    from_ms: EpochMs
    to_ms: EpochMs


class StopParcel(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A parcel for a stop."""

    parcel: Key
    what: Text = ""
    """What a person reads of it, such as "Insulin, 2-8 °C"."""
    checks: tuple[Check, ...] = ()


class Task(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Something to be done at a stop."""

    task: Key
    kind: TaskKind
    what: Text = ""
    parcel: Text = ""
    """The code of what is taken, where it is known before."""


class Stop(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One address on a route."""

    stop: Key
    name: Text
    address: Text
    lat_e7: LatE7 | None = None
    lon_e7: LonE7 | None = None
    window: Window | None = None
    eta_ms: EpochMs | None = None
    """When the plan has the van there."""
    service_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    parcels: Annotated[tuple[StopParcel, ...], Meta(max_length=MAX_PARCELS_PER_STOP)] = ()
    tasks: tuple[Task, ...] = ()
    notes: Note = ""
    phone: Text = ""
    cancelled: bool = False
    """Nobody is to go there any more; its parcels stay in the van."""

    @property
    def checks(self) -> frozenset[Check]:
        """All that any of its parcels asks for."""
        return frozenset(check for parcel in self.parcels for check in parcel.checks)


class Route(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What one device is to do on one day, in this order."""

    route: Key
    name: Text
    day: Text
    """ISO 8601 date in the place where it is driven."""
    vehicle: Text = ""
    depot: Text = ""
    depot_lat_e7: LatE7 | None = None
    depot_lon_e7: LonE7 | None = None
    start_ms: EpochMs | None = None
    stops: Annotated[tuple[Stop, ...], Meta(max_length=MAX_STOPS)] = ()


class ManifestEntry(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Which vehicle a parcel is for: a number in `Manifest.vehicles`."""

    parcel: Key
    vehicle: Annotated[int, Meta(ge=0)]


class Manifest(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """All parcels that are to leave a place on a day, so that one for another van is known without network."""

    day: Text
    vehicles: tuple[Text, ...]
    """As people call them: "van 12"."""
    mine: int | None
    """Which of them this device rides in; None for a device of the dock, which serves all."""
    entries: Annotated[tuple[ManifestEntry, ...], Meta(max_length=MAX_MANIFEST)] = ()


class ScanCheck(Struct, frozen=True):
    """What the manifest says of a scan: the verdict, and the vehicle that the parcel is for, as people call it."""

    verdict: Verdict
    vehicle: str = ""


LEAVES_WITH_A_VEHICLE: Final = frozenset({Step.LOADED, Step.DEPARTED, Step.OUT_FOR_DELIVERY, Step.DELIVERED})
_JUDGED_AT_THE_DOCK: Final = frozenset({Step.RECEIVED, Step.ARRIVED, Step.COUNTED})


def check_scan(manifest: Manifest, vehicles: dict[str, int], parcel: str, step: Step) -> ScanCheck:
    """How a scan of a parcel stands to the manifest.

    Args:
        manifest: what is to leave today.
        vehicles: `vehicles_by_parcel(manifest)`, made once.
        parcel: its key.
        step: the business step of the scan.
    """
    number = vehicles.get(parcel)
    name = "" if number is None else manifest.vehicles[number]
    if step not in LEAVES_WITH_A_VEHICLE and step not in _JUDGED_AT_THE_DOCK:
        return ScanCheck(Verdict.UNKNOWN, name)
    if number is None:
        return ScanCheck(Verdict.UNEXPECTED)
    if step in LEAVES_WITH_A_VEHICLE and manifest.mine is not None and number != manifest.mine:
        return ScanCheck(Verdict.WRONG_ROUTE, name)
    return ScanCheck(Verdict.EXPECTED, name)


def vehicles_by_parcel(manifest: Manifest) -> dict[str, int]:
    """For `check_scan`."""
    return {entry.parcel: entry.vehicle for entry in manifest.entries}


_encoder: Final = msgspec.msgpack.Encoder()
_routes: Final = msgspec.msgpack.Decoder(Route)
_manifests: Final = msgspec.msgpack.Decoder(Manifest)
_UNREADABLE: Final = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
"""Texts that are none are no error of msgspec's own."""


def encode_route(route: Route) -> bytes:
    """The body of the document `route`."""
    return _encoder.encode(route)


def decode_route(data: bytes) -> Route | None:
    """The route of a document; None when the device has none any more (an empty document).

    Raises:
        Malformed: not a route.
    """
    if not data:
        return None
    try:
        return _routes.decode(data)
    except _UNREADABLE as error:
        raise Malformed(f"not a route: {error}") from error


def encode_manifest(manifest: Manifest) -> bytes:
    """The body of the document `manifest`."""
    return _encoder.encode(manifest)


def decode_manifest(data: bytes) -> Manifest | None:
    """The manifest of a document; None when there is none any more (an empty document).

    Raises:
        Malformed: not a manifest, or an entry names no vehicle of it.
    """
    if not data:
        return None
    try:
        manifest = _manifests.decode(data)
    except _UNREADABLE as error:
        raise Malformed(f"not a manifest: {error}") from error
    known = len(manifest.vehicles)
    if any(entry.vehicle >= known for entry in manifest.entries) or (manifest.mine or 0) >= max(known, 1):
        raise Malformed(f"manifest names a vehicle beyond its {known}")
    return manifest


class StopChange(StrEnum):
    """How a stop differs from the route before."""

    ADDED = "added"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    MOVED = "moved"
    """Comes before or after other stops than it did."""
    CHANGED = "changed"
    """Address, window, parcels, tasks or notes."""


def route_changes(before: Route, after: Route) -> dict[str, StopChange]:
    """What a newer route changed, by stop; planned times alone (`eta_ms`) are no change worth a courier's look."""
    old = {stop.stop: stop for stop in before.stops}
    new = {stop.stop: stop for stop in after.stops}
    found = {stop: StopChange.REMOVED for stop in old if stop not in new}
    moved = _moved([s for s in old if s in new], [s for s in new if s in old])
    for name, stop in new.items():
        if name not in old:
            found[name] = StopChange.ADDED
        elif stop.cancelled and not old[name].cancelled:
            found[name] = StopChange.CANCELLED
        elif msgspec.structs.replace(stop, eta_ms=None) != msgspec.structs.replace(old[name], eta_ms=None):
            found[name] = StopChange.CHANGED
        elif name in moved:
            found[name] = StopChange.MOVED
    return found


def _moved(before: list[str], after: list[str]) -> set[str]:
    """The fewest that must be moved to come from one order to the other: all outside a longest common run in order."""
    rank = {name: i for i, name in enumerate(before)}
    tails: list[int] = []
    tail_names: list[str] = []
    previous: dict[str, str | None] = {}
    for name in after:
        at = bisect_left(tails, rank[name])
        previous[name] = tail_names[at - 1] if at else None
        if at == len(tails):
            tails.append(rank[name])
            tail_names.append(name)
        else:
            tails[at], tail_names[at] = rank[name], name
    kept: set[str] = set()
    name_or_none = tail_names[-1] if tail_names else None
    while name_or_none is not None:
        kept.add(name_or_none)
        name_or_none = previous[name_or_none]
    return set(after) - kept
