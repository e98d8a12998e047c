"""`/deliveries`: who was met and when; `/deliveries/{id}`: who signed, was it cold, and is the proof as it was stated."""

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from contract.event import Decision
from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.roles import Role
from hub.context import Hub, HubContext, Reader
from hub.deliveries.api import correct_proof, delivery_cursor, proof_of
from hub.deliveries.correcting import corrections_of, count_again, take_back
from hub.deliveries.evidence import pictures_of, verify_proof
from hub.deliveries.queries import list_proofs, outcomes_of
from hub.deliveries.state import contradicting
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
    why_refused,
)
from hub.routes.again import earlier_of
from hub.routes.queries import cancelled_of, find_route, find_stops
from hub.said import Said
from hub.tracking.correcting import CorrectionUnusable
from hub.web.render import page

router = APIRouter(dependencies=[Depends(require(Role.VIEWER))])

Dispatcher = Annotated[Caller, Depends(require(Role.DISPATCHER))]
Reason = Annotated[str, Form(max_length=MAX_NOTE_CHARS)]
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
def delivery_page(
    request: Request,
    reader: Reader,
    hub: Hub,
    caller: Annotated[Caller, Depends(require(Role.VIEWER))],
    delivery_id: str,
) -> Response:
    """One proof with its pictures, what was decided about it, and what else is said of its stop."""
    return _one(request, hub, reader, caller, delivery_id)


@router.post("/deliveries/{delivery_id}/corrections")
def correct(request: Request, hub: Hub, caller: Dispatcher, delivery_id: str, *, reason: Reason = "") -> Response:
    """Take a wrong proof back; it stays as it came."""
    done = "Taken back. It is kept, and counts no more."
    return _decide(request, hub, caller, delivery_id, reason, take_back, done)


@router.post("/deliveries/{delivery_id}/restore")
def restore(request: Request, hub: Hub, caller: Dispatcher, delivery_id: str, *, reason: Reason = "") -> Response:
    """Let a proof count again that was taken back."""
    return _decide(request, hub, caller, delivery_id, reason, count_again, "It counts again.")


def _decide(  # noqa: PLR0917 - what is decided, and the page that tells of it
    request: Request,
    hub: HubContext,
    caller: Caller,
    delivery_id: str,
    reason: str,
    decision: Callable[..., Decision],
    done: str,
) -> Response:
    problem = ""
    try:
        correct_proof(hub, delivery_id, decision, who=caller.name, why=reason)
    except CorrectionUnusable as error:
        done, problem = "", Said(error.sentence, **error.values)
    with hub.database.read() as reader:
        return _one(request, hub, reader, caller, delivery_id, done=done, problem=problem, typed=reason)


def _one(
    request: Request,
    hub: HubContext,
    reader: Connection,
    caller: Caller,
    delivery_id: str,
    *,
    done: str = "",
    problem: str = "",
    typed: str = "",
) -> Response:
    proof = proof_of(reader, delivery_id)
    stop = find_stops(reader, [proof.stop]).get(proof.stop)
    outcome = outcomes_of(reader, [proof.stop], cancelled_of([stop] if stop else []))[proof.stop]
    corrections = corrections_of(reader, proof)
    return page(
        request,
        "delivery.html",
        409 if problem else 200,
        proof=proof,
        stop=stop,
        earlier=earlier_of(reader, [stop]).get(stop.stop, []) if stop else [],
        route=find_route(reader, stop.route) if stop and stop.route else None,
        outcome=outcome,
        against=contradicting(proof, outcome.proofs),
        corrections=corrections,
        whose={one.fact_id: one.who for one in corrections},
        shown=OUTCOMES[proof.outcome],
        statuses=STATUSES,
        outcomes=OUTCOMES,
        pictures=pictures_of(reader, hub.database.folder, proof),
        states=PICTURES,
        why_refused=why_refused,
        cold=COLD_VERDICTS.get(proof.cold_verdict),
        reasons=said(REASONS, proof.reason),
        relation=said(RELATIONS, proof.relation),
        times=TIMES,
        may_correct=bool(caller.secret) and caller.may(Role.DISPATCHER),
        done=done,
        problem=problem,
        typed=typed if problem else "",
    )


@router.get("/deliveries/{delivery_id}/verify")
def verify_part(request: Request, reader: Reader, hub: Hub, delivery_id: str) -> Response:
    """The part of the page that the verify button asks for; with its hashes worked out anew."""
    proof = proof_of(reader, delivery_id)
    found = verify_proof(reader, hub.database.folder, proof)
    return page(request, "delivery_verify.html", proof=proof, found=found, checked=CHECKED)
