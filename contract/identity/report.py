"""The meaning of a code spelt out, for `holdfast-agent identify`."""

from msgspec import Struct

from contract.identity.gs1 import element_title
from contract.identity.model import Candidate, Identity, Kind
from contract.identity.recognition import identify, split_aim
from contract.identity.text import display

_IDENTIFIER_NAMES = {"00": "sscc", "01": "gtin", "21": "serial", "10": "lot"}


class Element(Struct, frozen=True):
    """One GS1 element with the standard's data title, such as `SERIAL`."""

    ai: str
    title: str
    value: str


class IdentityReport(Struct, frozen=True):
    """An `Identity` with names for people and scripts; fields as there.

    Attributes:
        code: The code as shown to people, clipped.
        aim: AIM symbology identifier, empty where none was sent.
        identifiers: The identifying numbers by name: `sscc gtin serial lot s10 number`, or the word of a card.
    """

    code: str
    aim: str
    kind: Kind
    key: str
    serialised: bool
    identifiers: dict[str, str]
    elements: tuple[Element, ...]
    candidates: tuple[Candidate, ...]
    problem: str


def identity_report(raw: bytes, aim: str = "") -> IdentityReport:
    """Identify a code and spell the answer out; never raises."""
    sent_aim, data = split_aim(raw)
    identity = identify(raw, aim)
    return IdentityReport(
        code=display(data),
        aim=aim or sent_aim or "",
        kind=identity.kind,
        key=identity.key,
        serialised=identity.serialised,
        identifiers=_identifiers(identity),
        elements=tuple(Element(ai, _title(identity, ai), value) for ai, value in identity.elements),
        candidates=identity.candidates,
        problem=identity.problem,
    )


def _identifiers(identity: Identity) -> dict[str, str]:
    if identity.kind == "s10":
        return {"s10": identity.key}
    if identity.kind == "control":
        return dict(identity.elements)
    named = {_IDENTIFIER_NAMES[ai]: value for ai, value in identity.elements if ai in _IDENTIFIER_NAMES}
    return {**named, "number": identity.key} if identity.kind == "carrier" else named


def _title(identity: Identity, ai: str) -> str:
    return "" if identity.kind == "control" else element_title(ai)
