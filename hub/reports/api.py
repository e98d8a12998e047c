"""Reports of trips and parcels, for whoever must prove what happened."""

from asyncio import Semaphore, timeout
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from hub.accounts.anchors import anchor_trail
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext, Reader
from hub.problems import PROBLEM_RESPONSES, NotFound, Problem
from hub.reports.content import ReportInput
from hub.reports.printing import print_report
from hub.reports.record import made_reports, record_report
from hub.reports.seal import pdf_seal, seal_json
from hub.web.i18n import LANGUAGES, language_of
from hub.web.times import utc

BuildReport = Callable[[Connection, str, int, str], ReportInput | None]
"""(a snapshot, the id, now in epoch ms, who asks) gives the content of a report; None: there is no such thing."""

MADE_AT_ONCE: Final = 2
"""In either form: a report of a year holds some hundred megabytes while it is made."""
PATIENCE_S: Final = 20.0
RETRY_AFTER_S: Final = 30

Language = Annotated[str | None, Query(alias="lang", description=f"One of {', '.join(LANGUAGES)}.")]
CallerHere = Annotated[Caller, Depends(require(Role.VIEWER))]
PDF: Final = "application/pdf"
JSON: Final = "application/json"
_BUSY: Final[dict[int | str, dict[str, Any]]] = {429: {"description": "Other reports are being made; ask again later"}}
_A_PDF: Final = {200: {"description": "The report", "content": {PDF: {}}}, **_BUSY}
_A_JSON: Final[dict[int | str, dict[str, Any]]] = {200: {"description": "The report", "content": {JSON: {}}}, **_BUSY}


class MadeItem(BaseModel):
    """One time that this report was given to somebody."""

    made_at: datetime
    made_by: str
    kind: str = Field(description="`trip` or `parcel`.")
    subject: str
    pdf_seal: str = Field(description="SHA-256 over the print; empty for JSON.")


class MadeList(BaseModel):
    """All times that a report with this seal was given to somebody, the first first."""

    items: list[MadeItem]
    next_cursor: None = None


def reports_router(trip: BuildReport, parcel: BuildReport) -> APIRouter:
    """The routes, over those who know trips and parcels."""
    router = APIRouter(prefix="/api/v1", responses=PROBLEM_RESPONSES, tags=["reports"])
    places = Semaphore(MADE_AT_ONCE)

    async def place() -> AsyncIterator[None]:
        """Waits on the event loop, before anything is read: whoever waits holds neither a thread nor a snapshot."""
        try:
            async with timeout(PATIENCE_S):
                await places.acquire()
        except TimeoutError as error:
            later = {"Retry-After": str(RETRY_AFTER_S)}
            raise Problem(429, "Busy", "Other reports are being made; ask again later.", later) from error
        try:
            yield
        finally:
            places.release()

    guarded = [Depends(place, scope="function")]

    @router.get(
        "/trips/{trip_id}/report.pdf",
        summary="Report of a trip, printed",
        response_class=Response,
        responses=_A_PDF,
        dependencies=guarded,
    )
    def get_trip_pdf(
        *, request: Request, hub: Hub, caller: CallerHere, trip_id: str, lang: Language = None
    ) -> Response:
        """With the JSON report attached; `holdfast-hub verify-report FILE` finds any changed byte."""
        return _pdf(hub, _built(hub, caller, trip, "trip", trip_id), lang or language_of(request))

    @router.get(
        "/trips/{trip_id}/report.json",
        summary="Report of a trip, for programs",
        response_class=Response,
        responses=_A_JSON,
        dependencies=guarded,
    )
    def get_trip_json(hub: Hub, caller: CallerHere, trip_id: str) -> Response:
        """Sealed; `holdfast-hub verify-report FILE` finds any changed byte."""
        return _json(hub, _built(hub, caller, trip, "trip", trip_id))

    @router.get(
        "/parcels/{parcel_id}/report.pdf",
        summary="Report of a parcel, printed",
        response_class=Response,
        responses=_A_PDF,
        dependencies=guarded,
    )
    def get_parcel_pdf(
        *, request: Request, hub: Hub, caller: CallerHere, parcel_id: str, lang: Language = None
    ) -> Response:
        """With the JSON report attached; `holdfast-hub verify-report FILE` finds any changed byte."""
        return _pdf(hub, _built(hub, caller, parcel, "parcel", parcel_id), lang or language_of(request))

    @router.get(
        "/parcels/{parcel_id}/report.json",
        summary="Report of a parcel, for programs",
        response_class=Response,
        responses=_A_JSON,
        dependencies=guarded,
    )
    def get_parcel_json(hub: Hub, caller: CallerHere, parcel_id: str) -> Response:
        """Sealed; `holdfast-hub verify-report FILE` finds any changed byte."""
        return _json(hub, _built(hub, caller, parcel, "parcel", parcel_id))

    @router.get("/reports/{seal}", summary="Whether this hub made a report")
    def get_report(
        reader: Reader,
        _: CallerHere,
        seal: Annotated[str, Path(pattern="^[0-9a-f]{64}$", description="Of the content.")],
    ) -> MadeList:
        """By the seal of its content; a report that somebody else made up is not known here."""
        made = made_reports(reader, seal)
        if not made:
            raise NotFound("report with the seal", seal)
        return MadeList(
            items=[
                MadeItem(made_at=utc(m.at_ms), made_by=m.who, kind=m.kind, subject=m.subject, pdf_seal=m.pdf)
                for m in made
            ]
        )

    return router


def _built(hub: HubContext, caller: Caller, build: BuildReport, what: str, name: str) -> ReportInput:
    """The content of a report, with where the audit trail ended just before."""
    anchor_trail(hub.database, hub.decide)
    with hub.database.read() as reader:
        report = build(reader, name, hub.now_ms(), caller.name)
    if report is None:
        raise NotFound(what, name)
    return report


def _json(hub: HubContext, report: ReportInput) -> Response:
    seal, data = seal_json(report)
    with hub.database.write() as tx:
        record_report(tx, report, seal)
    return _file(data, JSON, report, seal, "json")


def _pdf(hub: HubContext, report: ReportInput, language: str) -> Response:
    seal, data = print_report(report, language if language in LANGUAGES else "en")
    with hub.database.write() as tx:
        record_report(tx, report, seal, pdf_seal(data))
    return _file(data, PDF, report, seal, "pdf")


def _file(data: bytes, media_type: str, report: ReportInput, seal: str, ending: str) -> Response:
    # The subject may hold any characters; the seal names the file as well, and safely.
    name = f"{report.kind}-report-{seal[:16]}.{ending}"
    return Response(data, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
