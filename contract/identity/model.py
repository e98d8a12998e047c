"""What a scanned code turned out to be."""

from typing import Literal

from msgspec import Struct

Kind = Literal["sscc", "gtin_serial", "gtin", "gs1", "s10", "carrier", "plain", "control", "malformed"]
"""What names the parcel: a GS1 key, a postal item, a carrier's number, free text; or a configuration card."""

Confidence = Literal["high", "medium", "low"]
"""high: distinctive form and a correct check digit; medium: one of the two; low: only the length fits."""


class Candidate(Struct, frozen=True):
    """A carrier whose published number format fits."""

    name: str
    confidence: Confidence
    reason: str


class Identity(Struct, frozen=True):
    """The meaning of one code.

    Attributes:
        kind: What the key is.
        key: Names the parcel everywhere; equal for the same parcel however its number was written.
            SSCC: the 20 digits with AI 00. GTIN: `(01)` and 14 digits, then `(21)` and the serial if any.
            Other GS1: all elements in the order of their AIs. S10 and carriers: capitals without spaces.
            Plain and malformed: the folded text; longer ones end in a hash. Never empty.
        elements: GS1 application identifiers (or the word of a control card) with their values, as scanned.
        candidates: Carriers it may belong to, most likely first; several may share one format.
        problem: A sentence about what is wrong, empty when nothing is. A key that stands in spite of a
            problem keeps its kind; otherwise the kind is `malformed` and the key only repeats the text.
        serialised: Whether the key names one thing, so that a second scan is the same thing again.
    """

    kind: Kind
    key: str
    elements: tuple[tuple[str, str], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    problem: str = ""
    serialised: bool = False
