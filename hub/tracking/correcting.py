"""Correcting the chain of custody: a person takes facts back, and may say what holds instead. Nothing is overwritten. Pure."""

from collections.abc import Collection, Sequence
from typing import Final

from contract.event import Decision
from contract.limits import MAX_NOTE_CHARS
from hub.tracking.custody import Deed, EventKind
from hub.tracking.queries import EventView
from hub.tracking.stated import CORRECT, correction_subject

MAX_TARGETS: Final = 100
"""Of one correction: a parcel has some ten facts on its way."""


class CorrectionUnusable(ValueError):
    """What was asked for cannot be; `sentence` is a key of the catalogue, filled in with `values`."""

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence.format_map(values))
        self.sentence = sentence
        self.values = values


def correction_of(
    parcel: str, events: Sequence[EventView], targets: Collection[bytes], step: Deed | None, *, who: str, why: str
) -> Decision:
    """The decision that takes these facts of a parcel back; or corrections of it, and what they took back counts again.

    Args:
        parcel: its key; of a proof that speaks of several parcels, only what it says of this one is taken back. A correction
            is undone for all parcels that it was made for.
        events: its chain of custody.
        targets: identities of the facts to take back.
        step: what happened instead; None: nothing did.
        who: the person.
        why: the reason.

    Raises:
        CorrectionUnusable: no reason, a fact that is not of this parcel, or one that was taken back before.
    """
    reason = why.strip()
    if not reason:
        raise CorrectionUnusable("Say why: the reason is kept beside the correction.")
    if len(reason) > MAX_NOTE_CHARS:
        raise CorrectionUnusable("A reason has at most {n} characters.", n=MAX_NOTE_CHARS)
    if not 0 < len(targets) <= MAX_TARGETS:
        raise CorrectionUnusable("Choose between 1 and {n} facts to correct.", n=MAX_TARGETS)
    known = {event.fact_id: event for event in events}
    for target in targets:
        if target not in known:
            raise CorrectionUnusable("The fact {id} is no scan and no proof of this parcel.", id=target.hex()[:16])
        if known[target].corrected_by is not None:
            by = known.get(known[target].corrected_by or b"")
            raise CorrectionUnusable(
                "The fact {id} was corrected before, by {who}. Load the page again.",
                id=target.hex()[:16],
                who=by.actor if by and by.actor else "?",
            )
    undoes = [known[target].kind == EventKind.CORRECTION for target in targets]
    if any(undoes) and (not all(undoes) or step is not None):
        raise CorrectionUnusable(
            "A correction is undone by itself: choose no other fact, and no step that holds instead."
        )
    subject = "" if any(undoes) else correction_subject(step, parcel)
    return Decision(CORRECT, tuple(dict.fromkeys(targets)), who, reason, subject)
