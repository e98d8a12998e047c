"""`/deliveries`: who was met and when; `/deliveries/{id}`: who signed, was it cold, and is the proof as it was stated."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from hub.accounts.deps import require
from hub.accounts.roles import Role
from hub.context import Hub, Reader
from hub.deliveries.api import delivery_cursor, proof_of
from hub.deliveries.evidence import pictures_of, verify_proof
from hub.deliveries.queries import list_proofs, outcomes_of
from hub.pages.route_words import (
    CHECKED,
    COLD_VERDICTS,
    OUTCOMES,
    PICTURES,
    REASONS,
    RELATIONS,
    STATUSES,
    TIMES,
    said,
)
from hub.routes.queries import cancelled_of, find_route, find_stops
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

ROWS: Final = 100


@router.get("/deliveries")
def deliveries_page(
    request: Request,
    reader: Reader,
    *,
    stop: Annotated[str, Query(max_length=256)] = "",
    cursor: Annotated[str, Query(max_length=128)] = "",
) -> Response:
    """Proofs, those that happened last first; attempts are rows of their own."""
    proofs = list_proofs(reader, stop=stop, before=delivery_cursor(cursor), limit=ROWS)
    stops = find_stops(reader, (proof.stop for proof in proofs))
    outcomes = outcomes_of(reader, (proof.stop for proof in proofs), cancelled_of(stops.values()))
    return page(
        request,
        "deliveries.html",
        rows=[(proof, stops.get(proof.stop), outcomes[proof.stop]) for proof in proofs],
        outcomes=OUTCOMES,
        reasons=REASONS,
        relations=RELATIONS,
        said=said,
        stop=stop,
        first=not cursor,
        next_cursor=f"{proofs[-1].happened_ms}.{proofs[-1].id}" if len(proofs) == ROWS else None,
    )


@router.get("/deliveries/{delivery_id}")
def delivery_page(request: Request, reader: Reader, hub: Hub, delivery_id: str) -> Response:
    """One proof with its pictures, and what else is said of its stop."""
    proof = proof_of(reader, delivery_id)
    stop = find_stops(reader, [proof.stop]).get(proof.stop)
    outcome = outcomes_of(reader, [proof.stop], cancelled_of([stop] if stop else []))[proof.stop]
    return page(
        request,
        "delivery.html",
        proof=proof,
        stop=stop,
        route=find_route(reader, stop.route) if stop and stop.route else None,
        outcome=outcome,
        shown=OUTCOMES[proof.outcome],
        status=STATUSES[outcome.status],
        outcomes=OUTCOMES,
        pictures=pictures_of(reader, hub.database.folder, proof),
        states=PICTURES,
        cold=COLD_VERDICTS.get(proof.cold_verdict),
        reasons=said(REASONS, proof.reason),
        relation=said(RELATIONS, proof.relation),
        times=TIMES,
    )


@router.get("/deliveries/{delivery_id}/verify")
def verify_part(request: Request, reader: Reader, hub: Hub, delivery_id: str) -> Response:
    """The part of the page that the verify button asks for; with its hashes worked out anew."""
    proof = proof_of(reader, delivery_id)
    found = verify_proof(reader, hub.database.folder, proof)
    return page(request, "delivery_verify.html", proof=proof, found=found, checked=CHECKED)
