"""Deliveries with their evidence, pictures and figures, for programs."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter, Depends, Query
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, Field, StringConstraints
from sqlalchemy import Connection, select

from contract.event import Decision, Outcome
from contract.limits import MAX_NOTE_CHARS
from hub import tables as t
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.archive.redaction import Personal
from hub.context import Hub, HubContext, Reader
from hub.deliveries.correcting import CorrectionView, corrections_of, count_again, take_back
from hub.deliveries.evidence import Finding, Picture, PictureState, blob_path, pictures_of, verify_proof
from hub.deliveries.figures import FigureChange, Figures, FigureView, figure_changes, figures_of
from hub.deliveries.queries import MAX_PAGE, find_proof, list_proofs, outcomes_of
from hub.deliveries.state import ProofView, StopStatus
from hub.pictures import SIGNATURE_TYPE
from hub.problems import PROBLEM_RESPONSES, BadRequest, NotFound, Problem
from hub.routes.days import asked_day
from hub.routes.queries import StopView, cancelled_of, find_stops
from hub.timeline import TimeSource
from hub.tracking.correcting import CorrectionUnusable
from hub.web.times import utc

router = APIRouter(
    prefix="/api/v1", responses=PROBLEM_RESPONSES, dependencies=[Depends(require(Role.VIEWER))], tags=["deliveries"]
)

DIGEST_BYTES: Final = 32
MAX_DIGITS: Final = 18
"""Of an instant in milliseconds, and what a database can compare with."""
CONFLICT: Final[dict[int | str, dict[str, Any]]] = {409: {"description": "It is so already"}}
Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]


class PictureItem(BaseModel):
    """A picture that the proof names by its SHA-256; the address of those here is `/api/v1/blobs/{sha256}`."""

    sha256: str
    signature: bool
    state: PictureState
    media_type: str
    percent: int = Field(description="How much of it came.")
    why: str = Field(description="Why it was refused; empty: it was not.")

    @classmethod
    def of(cls, picture: Picture) -> Self:
        """From the query."""
        same = ("signature", "state", "media_type", "percent", "why")
        return cls(sha256=picture.sha256.hex(), **{name: getattr(picture, name) for name in same})


class DeliveryItem(BaseModel):
    """One proof: one attempt at a stop."""

    id: str
    stop: str
    outcome: Outcome
    delivered: list[str]
    refused: list[str]
    reason: str
    recipient: str
    relation: str
    notes: str
    happened_at: datetime = Field(description="Corrected time.")
    source: TimeSource = Field(description="Where the corrected time comes from.")
    known_at: datetime = Field(description="When the hub took it.")
    actor: str
    device: str
    latitude: float | None
    longitude: float | None
    accuracy_m: int | None
    fix_age_s: int | None
    cold_verdict: str
    cold_budget_s: int | None
    corrected_by: str = Field(description="The decision that took it back; empty: it counts.")
    withheld: list[Personal] = Field(description="Fields that were told once and are empty now: their time is over.")

    @classmethod
    def fields_of(cls, proof: ProofView) -> dict[str, object]:
        """From the query."""
        same = ("id", "stop", "outcome", "reason", "recipient", "relation", "notes", "actor", "device", "accuracy_m")
        return {
            **{name: getattr(proof, name) for name in (*same, "fix_age_s", "cold_verdict", "cold_budget_s")},
            "delivered": list(proof.delivered),
            "refused": list(proof.refused),
            "happened_at": utc(proof.happened_ms),
            "source": proof.time_source,
            "known_at": utc(proof.known_ms),
            "latitude": None if proof.lat_e7 is None else proof.lat_e7 / 1e7,
            "longitude": None if proof.lon_e7 is None else proof.lon_e7 / 1e7,
            "corrected_by": "" if proof.corrected_by is None else proof.corrected_by.hex(),
            "withheld": list(proof.withheld),
        }


class DeliveryList(BaseModel):
    """Some proofs, those that happened last first."""

    items: list[DeliveryItem]
    next_cursor: str | None
    now: datetime


class CorrectionItem(BaseModel):
    """What a person decided about a proof."""

    fact_id: str = Field(description="Identity of the decision, which is a fact itself, hex.")
    who: str
    reason: str
    at: datetime
    undoes: str = Field(description="The correction that it takes back, hex; empty: it takes back the proof.")
    parcel: str = Field(description="The one parcel that it speaks of; empty: the whole proof.")
    stands: bool = Field(description="Nobody took it back.")

    @classmethod
    def of(cls, view: CorrectionView) -> Self:
        """From the query."""
        return cls(
            fact_id=view.fact_id.hex(),
            who=view.who,
            reason=view.why,
            at=utc(view.happened_ms),
            undoes="" if view.undoes is None else view.undoes.hex(),
            parcel=view.parcel,
            stands=view.stands,
        )


class CorrectionReason(BaseModel):
    """Why a proof does not count, or counts after all."""

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_NOTE_CHARS)]


class DeliveryDetail(DeliveryItem):
    """A proof with its pictures and its stop."""

    corrections: list[CorrectionItem] = Field(description="All that was decided about it, in order.")
    pictures: list[PictureItem]
    name: str = Field(description="Of the consignee, as planned; empty: no stop of this hub has that key.")
    address: str
    route: str
    stop_status: StopStatus = Field(description="What the stop has come to by all proofs.")
    conflict: bool = Field(description="Devices say different things about the stop; all proofs are kept.")
    cancelled: bool = Field(description="The stop was cancelled; the proof is kept and counts all the same.")
    others: list[str] = Field(description="Further proofs of the stop, in order.")
    now: datetime


class FindingItem(BaseModel):
    """One thing that was checked; `ok` null: it cannot be checked yet, or any more."""

    what: str
    ok: bool | None
    detail: str
    withheld: list[Personal] = Field(
        description="Fields whose time is over: what is left cannot be held against the identity."
    )

    @classmethod
    def of(cls, found: Finding) -> Self:
        """From the check."""
        return cls(what=found.what, ok=found.ok, detail=found.detail, withheld=list(found.withheld))


class Verification(BaseModel):
    """Whether a proof and its pictures are what the device stated."""

    ok: bool = Field(description="Nothing is wrong; what cannot be checked yet does not count.")
    items: list[FindingItem]
    next_cursor: None = None


class FigureCounts(BaseModel):
    """Counts of stops, and the two shares that people ask for."""

    stops: int
    done: int
    attempted: int
    refused: int
    open: int
    windowed: int
    on_time: int
    visited: int
    first_attempt: int
    on_time_share: float | None = Field(description="Of the visited stops with a window; null: there are none.")
    first_attempt_share: float | None

    @classmethod
    def of(cls, figures: Figures) -> Self:
        """From the projection."""
        return cls(
            **{name: getattr(figures, name) for name in Figures.__struct_fields__},
            on_time_share=figures.on_time / figures.windowed if figures.windowed else None,
            first_attempt_share=figures.first_attempt / figures.visited if figures.visited else None,
        )


class FigureItem(BaseModel):
    """Figures of a scope."""

    scope: str = Field(description="`day`, `route` or `area`.")
    name: str
    worked_at: datetime
    figures: FigureCounts

    @classmethod
    def of(cls, view: FigureView) -> Self:
        """From the query."""
        return cls(
            scope=view.scope, name=view.name, worked_at=utc(view.worked_ms), figures=FigureCounts.of(view.figures)
        )


class ChangeItem(BaseModel):
    """What a late proof changed of figures that people may have read."""

    at: datetime
    scope: str
    name: str
    before: FigureCounts
    after: FigureCounts
    cause: str

    @classmethod
    def of(cls, change: FigureChange) -> Self:
        """From the log."""
        return cls(
            at=utc(change.at_ms),
            scope=change.scope,
            name=change.name,
            before=FigureCounts.of(change.before),
            after=FigureCounts.of(change.after),
            cause=change.cause.hex(),
        )


class FigureList(BaseModel):
    """The figures of a day."""

    day: str
    items: list[FigureItem]
    changes: list[ChangeItem]
    next_cursor: None = None
    now: datetime


@router.get("/deliveries", summary="Proofs, those that happened last first")
def get_deliveries(
    *,
    reader: Reader,
    hub: Hub,
    stop: Annotated[str, Query(max_length=256, description="Only of this stop.")] = "",
    cursor: Annotated[str, Query(max_length=128, description="`next_cursor` of the page before.")] = "",
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
) -> DeliveryList:
    """Attempts are rows of their own."""
    proofs = list_proofs(reader, stop=stop, before=delivery_cursor(cursor), limit=limit)
    more = f"{proofs[-1].happened_ms}.{proofs[-1].id}" if len(proofs) == limit else None
    items = [DeliveryItem.model_validate(DeliveryItem.fields_of(proof)) for proof in proofs]
    return DeliveryList(items=items, next_cursor=more, now=utc(hub.now_ms()))


@router.get("/deliveries/{delivery_id}", summary="One proof with its pictures")
def get_delivery(reader: Reader, hub: Hub, delivery_id: str) -> DeliveryDetail:
    """With what its stop has come to, also where the stop was cancelled meanwhile or another device says something else."""
    proof = proof_of(reader, delivery_id)
    stop = find_stops(reader, [proof.stop]).get(proof.stop)
    outcome = outcomes_of(reader, [proof.stop], _cancelled(stop))[proof.stop]
    return DeliveryDetail.model_validate(
        {
            **DeliveryDetail.fields_of(proof),
            "corrections": [CorrectionItem.of(one) for one in corrections_of(reader, proof)],
            "pictures": [PictureItem.of(one) for one in pictures_of(reader, hub.database.folder, proof)],
            "name": stop.name if stop else "",
            "address": stop.address if stop else "",
            "route": stop.route if stop else "",
            "stop_status": outcome.status,
            "conflict": outcome.conflict,
            "cancelled": bool(_cancelled(stop)),
            "others": [other.id for other in outcome.proofs if other.fact_id != proof.fact_id],
            "now": utc(hub.now_ms()),
        }
    )


@router.post("/deliveries/{delivery_id}/corrections", summary="Take a wrong proof back", responses=CONFLICT)
def post_correction(hub: Hub, delivery_id: str, body: CorrectionReason, caller: Dispatcher) -> DeliveryDetail:
    """It stays as it came, with who took it back and why, and counts no more, neither for its stop nor for its parcels."""
    return _decide(hub, delivery_id, body, caller, take_back)


@router.post("/deliveries/{delivery_id}/restore", summary="Let a proof count again", responses=CONFLICT)
def post_restore(hub: Hub, delivery_id: str, body: CorrectionReason, caller: Dispatcher) -> DeliveryDetail:
    """Undoes the correction that took it back."""
    return _decide(hub, delivery_id, body, caller, count_again)


def _decide(
    hub: HubContext,
    delivery_id: str,
    body: CorrectionReason,
    caller: Caller,
    decision: Callable[..., Decision],
) -> DeliveryDetail:
    try:
        correct_proof(hub, delivery_id, decision, who=caller.name, why=body.reason)
    except CorrectionUnusable as error:
        raise Problem(409, "Cannot be corrected", str(error)) from error
    with hub.database.read() as conn:
        return get_delivery(conn, hub, delivery_id)


@router.get("/deliveries/{delivery_id}/verify", summary="Whether a proof is as the device stated it")
def get_verification(reader: Reader, hub: Hub, delivery_id: str) -> Verification:
    """Works out all hashes anew: of the fact, of its place in the device's chain, and of each picture."""
    found = verify_proof(reader, hub.database.folder, proof_of(reader, delivery_id))
    return Verification(ok=all(one.ok is not False for one in found), items=[FindingItem.of(one) for one in found])


@router.get("/figures", summary="Figures of a day, its routes and areas")
def get_figures(reader: Reader, hub: Hub, day: Annotated[str, Query(min_length=1, max_length=10)]) -> FigureList:
    """By when things happened; worked out anew when late proofs come, and what these changed."""
    day = asked_day(day)
    return FigureList(
        day=day,
        items=[FigureItem.of(view) for view in figures_of(reader, day)],
        changes=[ChangeItem.of(change) for change in figure_changes(reader, day)],
        now=utc(hub.now_ms()),
    )


@router.get("/blobs/{sha256}", summary="An attachment", response_class=Response)
def get_blob(reader: Reader, hub: Hub, sha256: str) -> Response:
    """Photos as such; the strokes of a signature, and anything else, as a file that no browser opens."""
    digest = _digest("attachment", sha256)
    b = t.blob.c
    row = reader.execute(select(b.media_type).where(b.sha256 == digest)).first()
    path = blob_path(hub.database.folder, digest)
    if row is None or not path.is_file():
        raise NotFound("attachment here", sha256)
    # Each time anew: it can be erased.
    headers = {"Cache-Control": "private,no-cache"}
    if row.media_type in {"", SIGNATURE_TYPE}:
        headers["Content-Disposition"] = f'attachment; filename="{sha256[:16]}.bin"'
    return FileResponse(path, media_type=row.media_type or "application/octet-stream", headers=headers)


def delivery_cursor(cursor: str) -> tuple[int, bytes] | None:
    """Time and identity in a `next_cursor`.

    Raises:
        BadRequest: it is none.
    """
    if not cursor:
        return None
    at_ms, _, identity = cursor.partition(".")
    if not (at_ms.isascii() and at_ms.isdecimal() and len(at_ms) <= MAX_DIGITS):
        raise BadRequest(f"The cursor {cursor!r} is not a `next_cursor` of this list.")
    return int(at_ms), _digest("delivery", identity)


def proof_of(reader: Connection, delivery_id: str) -> ProofView:
    """The proof with this identity.

    Raises:
        NotFound: there is none.
    """
    proof = find_proof(reader, _digest("delivery", delivery_id))
    if proof is None:
        raise NotFound("delivery", delivery_id)
    return proof


def correct_proof(hub: HubContext, delivery_id: str, decision: Callable[..., Decision], *, who: str, why: str) -> None:
    """Decide about a proof as it is now: `take_back` it, or `count_again`; one person after the other.

    Raises:
        NotFound: there is no such proof.
        CorrectionUnusable: no reason, or it is so already.
    """
    with hub.correcting:
        with hub.database.read() as conn:
            proof = proof_of(conn, delivery_id)
            known = corrections_of(conn, proof)
        hub.decide(decision(proof, known, who=who, why=why))


def _digest(what: str, text: str) -> bytes:
    if len(text) == 2 * DIGEST_BYTES and text.isascii() and text.isalnum():
        try:
            return bytes.fromhex(text)
        except ValueError:
            pass
    raise NotFound(what, text[: 2 * DIGEST_BYTES])


def _cancelled(stop: StopView | None) -> frozenset[str]:
    return cancelled_of([stop] if stop else [])
