"""What the hub planned for this device, by which scans are judged: its documents `manifest` and `route`."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from agent.inbox import StoredDocument
from agent.log import Log
from contract.errors import Malformed
from contract.event import Step, Verdict
from contract.route import (
    LEAVES_WITH_A_VEHICLE,
    MANIFEST_DOCUMENT,
    ROUTE_DOCUMENT,
    Manifest,
    Route,
    ScanCheck,
    check_scan,
    decode_manifest,
    decode_route,
    vehicles_by_parcel,
)

log = Log("manifest")

DOCUMENTS: Final = (MANIFEST_DOCUMENT, ROUTE_DOCUMENT)


class Plan(Protocol):
    """What was planned for parcels; may be asked from any thread."""

    def check(self, parcel: str, step: Step) -> ScanCheck:
        """How a scan compares with what was planned."""


class NoPlan:
    """The device has no plan, so it does not judge."""

    def check(self, parcel: str, step: Step) -> ScanCheck:  # noqa: ARG002 it does not judge
        """Unknown, always."""
        return ScanCheck(Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Known:
    """Both documents as they are now; replaced whole, because every driver's thread reads it."""

    manifest: Manifest | None = None
    vehicles: dict[str, int] = field(default_factory=dict)
    route: Route | None = None
    on_route: frozenset[str] = frozenset()


def read_plan(kind: str, data: bytes) -> Manifest | Route | None:
    """One of the two documents; None where there is no such plan any more.

    Raises:
        Malformed: it is none.
    """
    return decode_manifest(data) if kind == MANIFEST_DOCUMENT else decode_route(data)


class DocumentPlan:
    """Judges by the documents in force; a new one takes effect with the next scan.

    Args:
        refused: states that a document could not be read; the one before stays in force.
    """

    def __init__(self, refused: Callable[[str], None] = lambda _why: None) -> None:
        self._refused = refused
        self._known = _Known()

    def resume(self, get: Callable[[str], StoredDocument | None]) -> None:
        """Go on with the documents that were in force; what was wrong with one was stated when it came."""
        for kind in DOCUMENTS:
            if (document := get(kind)) is not None:
                self._take(kind, document)

    def arrived(self, kind: str, document: StoredDocument) -> None:
        """A document came into force; others than the two are none of its business."""
        if kind in DOCUMENTS and (error := self._take(kind, document)) is not None:
            self._refused(f"{kind} {document.version}: {error}")

    def _take(self, kind: str, document: StoredDocument) -> Malformed | None:
        try:
            if kind == MANIFEST_DOCUMENT:
                manifest = decode_manifest(document.data)
                vehicles = {} if manifest is None else vehicles_by_parcel(manifest)
                self._known = replace(self._known, manifest=manifest, vehicles=vehicles)
            else:
                route = decode_route(document.data)
                self._known = replace(self._known, route=route, on_route=_parcels_of(route))
        except Malformed as error:
            log.warning("document_refused", kind=kind, version=document.version, why=error, say="The one before stays.")
            return error
        return None

    def check(self, parcel: str, step: Step) -> ScanCheck:
        """How a scan compares: what the route has is expected in this van, whatever an older manifest says of it."""
        known = self._known
        if known.route is not None and step in LEAVES_WITH_A_VEHICLE and parcel in known.on_route:
            return ScanCheck(Verdict.EXPECTED, known.route.vehicle)
        if known.manifest is not None:
            return check_scan(known.manifest, known.vehicles, parcel, step)
        judges = known.route is not None and step in LEAVES_WITH_A_VEHICLE
        return ScanCheck(Verdict.UNEXPECTED if judges else Verdict.UNKNOWN)


def _parcels_of(route: Route | None) -> frozenset[str]:
    """What is to be given away or fetched; nobody goes to a cancelled stop."""
    stops = () if route is None else [stop for stop in route.stops if not stop.cancelled]
    given = {one.parcel for stop in stops for one in stop.parcels}
    return frozenset(given | {task.parcel for stop in stops for task in stop.tasks if task.parcel})
