"""What a scan means to the courier: right, wrong, or another one's; said in a word and a tone. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from contract.event import Step, Verdict
from contract.route import Stop, StopParcel, TaskKind
from mobile_ui.core.day import Day
from mobile_ui.core.say import Sentence, say


class Tone(StrEnum):
    """What a person hears."""

    KEPT = "kept"
    UNEXPECTED = "unexpected"
    REFUSED = "refused"


class Match(StrEnum):
    """How a scanned parcel stands to what the courier is doing."""

    RIGHT = "right"
    AGAIN = "again"
    EXTRA = "extra"
    """Nobody planned it."""
    WRONG_STOP = "wrong_stop"
    OTHER_VAN = "other_van"
    LATER = "later"
    """It was planned for this stop after the proof was begun."""
    OTHER_WAY = "other_way"
    """It belongs here, but goes from the van to the recipient while others are fetched, or the other way round."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A scan, compared."""

    match: Match
    tone: Tone
    said: Sentence


def check_at_stop(
    day: Day, stop: Stop, parcel: str, already: frozenset[str], vehicle: str = "", *, collects: bool = False
) -> Checked:
    """A scan while a stop is open.

    Args:
        day: today.
        stop: where the courier is.
        parcel: what was scanned.
        already: what was scanned here before.
        vehicle: what the manifest says the parcel is for, if it says so.
        collects: the courier fetches something there instead of handing it over.
    """
    if parcel in already:
        return Checked(Match.AGAIN, Tone.KEPT, say("Already scanned"))
    if parcel in (_fetched(stop) if collects else _given(stop)):
        return Checked(Match.RIGHT, Tone.KEPT, say("Right: for this stop"))
    if parcel in _given(stop):
        return Checked(Match.OTHER_WAY, Tone.REFUSED, say("This one is handed over. Keep what is picked up first"))
    if parcel in _fetched(stop):
        return Checked(Match.OTHER_WAY, Tone.REFUSED, say("This one is picked up. Keep what is handed over first"))
    other = day.stop_of.get(parcel)
    if other is not None and other.stop.stop == stop.stop:
        # What it asks for was not looked at in a proof that was begun before it came.
        said = say("It came to this stop meanwhile. Keep this proof, then begin another")
        return Checked(Match.LATER, Tone.REFUSED, said)
    if other is not None:
        said = say("Wrong stop: it is for stop {n}, {name}", n=other.number, name=other.stop.name)
        return Checked(Match.WRONG_STOP, Tone.REFUSED, said)
    mine = "" if day.route is None else day.route.vehicle
    if vehicle and vehicle != mine:
        return Checked(Match.OTHER_VAN, Tone.REFUSED, say("Wrong van: it is for {vehicle}", vehicle=vehicle))
    return Checked(Match.EXTRA, Tone.UNEXPECTED, say("Nobody planned this parcel"))


def _given(stop: Stop) -> frozenset[str]:
    tasks = (task.parcel for task in stop.tasks if task.kind is TaskKind.HAND_OUT and task.parcel)
    return frozenset((*(one.parcel for one in stop.parcels), *tasks))


def _fetched(stop: Stop) -> frozenset[str]:
    return frozenset(task.parcel for task in stop.tasks if task.kind is not TaskKind.HAND_OUT and task.parcel)


def check_while_loading(day: Day, parcel: str, verdict: Verdict, vehicle: str, *, again: bool = False) -> Checked:
    """A scan into the van, by the agent's verdict."""
    if again:
        return Checked(Match.AGAIN, Tone.KEPT, say("Already scanned"))
    if verdict is Verdict.WRONG_ROUTE:
        said = say("Wrong van: it is for {vehicle}", vehicle=vehicle) if vehicle else say("Not for this van")
        return Checked(Match.OTHER_VAN, Tone.REFUSED, said)
    found = day.stop_of.get(parcel)
    if found is not None:
        return Checked(Match.RIGHT, Tone.KEPT, say("Kept: stop {n}, {name}", n=found.number, name=found.stop.name))
    if verdict is Verdict.UNEXPECTED:
        return Checked(Match.EXTRA, Tone.UNEXPECTED, say("Kept, but nobody planned this parcel"))
    return Checked(Match.RIGHT, Tone.KEPT, say("Kept"))


def missing(stop: Stop, scanned: frozenset[str]) -> tuple[StopParcel, ...]:
    """What is still to be scanned."""
    return tuple(parcel for parcel in stop.parcels if parcel.parcel not in scanned)


STEP_AT_STOP = Step.OUT_FOR_DELIVERY
"""What a scan at a stop states: where the parcel truly is until the proof says more."""
