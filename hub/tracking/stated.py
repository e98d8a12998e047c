"""What a fact says of parcels: rows of custody events, corrections and search terms. Pure."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from contract.event import Correction, Decision, Fix, Outcome, Proof, Scan
from contract.identity import identify
from contract.identity.text import decode, fold, visible
from hub.archive.redaction import listed
from hub.errors import ProjectionError
from hub.projector import LedgerFact
from hub.timeline import stamp_columns
from hub.tracking.custody import Deed, EventKind

CORRECT: Final = "correct"
"""The action of a decision that takes events back. Its subject is the step that holds instead (or nothing), and after a space
the one parcel of the targets that is meant (or nothing for all)."""

NOT_HANDED_OVER: Final = {Outcome.ATTEMPTED: Deed.ATTEMPTED, Outcome.RETURNED: Deed.RETURNED}
"""What a proof did with the parcels in its list `refused`; refused unless its outcome says otherwise."""

MAX_TERM_CHARS: Final = 128
TERM_AIS: Final = frozenset({"00", "01", "21"})
"""GS1 elements that people type: SSCC, GTIN, serial."""
IDENTIFY_CACHE: Final = 16_384
"""A parcel is scanned about six times on its way, mostly within hours."""

Row = dict[str, Any]


def correction_subject(deed: Deed | None, parcel: str = "") -> str:
    """The subject of a decision `correct`."""
    return f"{deed or ''} {parcel}".rstrip(" ") if not parcel else f"{deed or ''} {parcel}"


def custody_rows(known: LedgerFact) -> list[Row]:
    """One row for each parcel that a scan or proof speaks of, without its corrected time."""
    event = known.fact.event
    if isinstance(event, Scan):
        return [_scan_row(known, event)]
    if isinstance(event, Proof):
        handed_over = Deed.PICKED_UP if event.outcome is Outcome.PICKED_UP else Deed.DELIVERED
        deeds = dict.fromkeys(event.delivered, handed_over)
        # Whoever names a parcel in both lists has not handed it over for certain.
        deeds |= dict.fromkeys(event.refused, NOT_HANDED_OVER.get(event.outcome, Deed.REFUSED))
        return [_proof_row(known, event, parcel, deed) for parcel, deed in deeds.items()]
    return []


def _common(known: LedgerFact, kind: EventKind, parcel: str, step: str, fix: Fix | None) -> Row:
    fact = known.fact
    return {
        **stamp_columns(known),
        "fact_id": known.fact_id,
        "parcel": parcel,
        "kind": kind.value,
        "step": step,
        "incarnation": fact.incarnation,
        "ord": fact.ord,
        "actor": fact.actor,
        "lat_e7": fix.lat_e7 if fix else None,
        "lon_e7": fix.lon_e7 if fix else None,
        "accuracy_m": fix.accuracy_m if fix else None,
        "withheld": listed(known.withheld),
    }


def _scan_row(known: LedgerFact, scan: Scan) -> Row:
    return {
        **_common(known, EventKind.SCAN, scan.parcel, scan.step.value, scan.fix),
        "place": scan.place,
        "verdict": scan.verdict.value,
        "cold_verdict": "",
        "cold_budget_s": scan.cold_budget_s,
        "code": scan.code,
        "aim": scan.aim,
        "code_kind": scan.kind,
        "port": scan.port,
        "reason": "",
        "recipient": "",
    }


def _proof_row(known: LedgerFact, proof: Proof, parcel: str, deed: Deed) -> Row:
    return {
        **_common(known, EventKind.PROOF, parcel, deed.value, proof.fix),
        "place": proof.stop,
        "verdict": "",
        "cold_verdict": proof.cold_verdict,
        "cold_budget_s": proof.cold_budget_s,
        "code": None,
        "aim": "",
        "code_kind": "",
        "port": "",
        "reason": proof.reason,
        "recipient": proof.recipient,
    }


def correction_rows(known: LedgerFact) -> list[Row]:
    """One row for each fact that a decision `correct`, or a device for its own scan, takes back; without its corrected time.

    Raises:
        ProjectionError: the step that it names is none.
    """
    event, fact = known.fact.event, known.fact
    if isinstance(event, Correction):
        decision = Decision(CORRECT, (event.target,), fact.actor, event.why)
    elif isinstance(event, Decision) and event.action == CORRECT:
        decision = event
    else:
        return []
    step, _, parcel = decision.subject.partition(" ")
    if step and step not in set(Deed):
        raise ProjectionError(known.fact_id, f"a correction names the step {step!r}; expected one of {', '.join(Deed)}")
    return [
        {
            **stamp_columns(known),
            "fact_id": known.fact_id,
            "target": target,
            "parcel": parcel,
            "step": step,
            "incarnation": fact.incarnation,
            "ord": fact.ord,
            "who": decision.who,
            "why": decision.why,
        }
        for target in dict.fromkeys(decision.targets)
    ]


def search_text(text: str) -> str:
    """A text as it is compared in a search: look-alikes folded, nothing invisible, lower case, bounded."""
    return visible(fold(text)[0]).casefold()[:MAX_TERM_CHARS]


@lru_cache(IDENTIFY_CACHE)
def terms_of(parcel: str, code: bytes | None, aim: str) -> frozenset[str]:
    """What a parcel can be found by: its key, the code that was scanned and the numbers in it."""
    texts = [parcel]
    if code:
        identity = identify(code, aim)
        texts += [decode(code)[0], identity.key, *(value for ai, value in identity.elements if ai in TERM_AIS)]
    return frozenset(filter(None, map(search_text, texts)))


def term_rows(rows: Iterable[Row]) -> list[Row]:
    """The search terms of these custody rows, each once."""
    named = {(row["parcel"], row["code"], row["aim"]) for row in rows}
    terms = {(term, name[0]) for name in named for term in terms_of(*name)}
    return [{"term": term, "parcel": parcel} for term, parcel in sorted(terms)]
