"""Barcodes as drawings, from what they are to say. The reader's side is `contract.identity`, and tests hold both together.

- Code 128 (ISO/IEC 15417); GS1-128 where the content is GS1 elements (GS1 General Specifications, section 5.4)
- DataMatrix (ISO/IEC 16022); GS1 DataMatrix likewise (section 5.6)
- QR Code (ISO/IEC 18004), error correction M
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import zxingcpp
from msgspec import Struct

from contract.identity import Identity, identify
from hub.errors import Refused

DOT_MM: Final = 0.125
"""Of a label printer of 203 dpi, the commonest: what is whole dots wide is printed as wide as it is meant."""
MIN_MODULE_MM: Final = 0.25
"""Thinner bars are not read at arm's length (GS1 General Specifications, section 5.12.3: 0.250 mm at least)."""
MAX_MODULE_MM: Final = 1.0
SQUARE_MM: Final = 24.0
"""A square code grows beyond only where its modules would be too small."""
_WIDTH: Final = re.compile(r'<svg width="(\d+)"')
_GS1_KINDS: Final = frozenset({"sscc", "gtin_serial", "gtin", "gs1"})


class Symbology(StrEnum):
    """How a code is drawn."""

    CODE128 = "code128"
    DATAMATRIX = "datamatrix"
    QR = "qr"


_FORMATS: Final = {
    Symbology.CODE128: zxingcpp.BarcodeFormat.Code128,
    Symbology.DATAMATRIX: zxingcpp.BarcodeFormat.DataMatrix,
    Symbology.QR: zxingcpp.BarcodeFormat.QRCode,
}


class Symbol(Struct, frozen=True):
    """A drawn code, quiet zones included: ten modules left and right of Code 128, one around DataMatrix, four around QR.

    Attributes:
        svg: one unit is one module.
        text: what stands below it for people.
        width_mm: of the drawing with its quiet zones; each module is a whole number of dots.
    """

    symbology: Symbology
    svg: str
    text: str
    width_mm: float


def draw(content: str, symbology: Symbology, room_mm: float = SQUARE_MM) -> Symbol:
    """Draw a code; GS1 element strings as GS1 symbols, so that scanners tell them apart from plain text.

    Args:
        content: what it says.
        symbology: how.
        room_mm: how wide it may be. Square codes become wider where they must.

    Raises:
        Refused: the content does not fit into such a symbol, or not into the room.
    """
    identity = identify(content.encode())
    gs1 = is_gs1(identity) and symbology is not Symbology.QR
    said = bracketed(identity.elements) if gs1 else content
    try:
        drawn = zxingcpp.create_barcode(said, _FORMATS[symbology], **({"gs1": True} if gs1 else {}))
        svg = drawn.to_svg(scale=1, add_hrt=False, add_quiet_zones=True)
    except (ValueError, RuntimeError) as error:
        raise Refused(f"{content[:60]!r} cannot be printed as {symbology}: {error}") from error
    modules = _modules(svg)
    module_mm = min(MAX_MODULE_MM, room_mm / modules // DOT_MM * DOT_MM)
    if module_mm < MIN_MODULE_MM and symbology is Symbology.CODE128:
        raise Refused(
            f"{content[:60]!r} makes bars thinner than {MIN_MODULE_MM} mm on {room_mm:g} mm; print a square code"
        )
    return Symbol(symbology, svg, said if gs1 else content, modules * max(module_mm, MIN_MODULE_MM))


def _modules(svg: str) -> int:
    found = _WIDTH.search(svg)
    if found is None:
        raise ValueError(f"a drawing without a width: {svg[:200]!r}")
    return int(found[1])


def is_gs1(identity: Identity) -> bool:
    """Whether a code consists of GS1 elements."""
    return identity.kind in _GS1_KINDS and bool(identity.elements) and not identity.problem


def bracketed(elements: Sequence[tuple[str, str]]) -> str:
    """Elements as they stand below a code."""
    return "".join(f"({ai}){value}" for ai, value in elements)


def linear(content: str, room_mm: float) -> tuple[Symbol, ...]:
    """A linear code for old scanners, where one can be read at that width; else none."""
    if not (content.isascii() and content.isprintable()):
        return ()
    try:
        return (draw(content, Symbology.CODE128, room_mm),)
    except Refused:
        return ()
