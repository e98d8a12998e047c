"""Barcodes as drawings, from what they are to say. The reader's side is `contract.identity`, and tests hold both together.

- Code 128 (ISO/IEC 15417); GS1-128 where the content is GS1 elements (GS1 General Specifications, section 5.4)
- DataMatrix (ISO/IEC 16022); GS1 DataMatrix likewise (section 5.6)
- QR Code (ISO/IEC 18004), error correction M
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import zxingcpp
from msgspec import Struct

from contract.identity import Identity, identify
from hub.errors import Refused

MAX_LINEAR_CHARS: Final = 40
"""More make bars too thin for a scanner at arm's length on a label of 100 mm."""
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
    """A drawn code, quiet zones included."""

    symbology: Symbology
    svg: str
    text: str
    """What stands below it for people."""


def draw(content: str, symbology: Symbology) -> Symbol:
    """Draw a code; GS1 element strings as GS1 symbols, so that scanners tell them apart from plain text.

    Raises:
        Refused: the content does not fit into such a symbol.
    """
    identity = identify(content.encode())
    gs1 = is_gs1(identity) and symbology is not Symbology.QR
    said = bracketed(identity.elements) if gs1 else content
    try:
        drawn = zxingcpp.create_barcode(said, _FORMATS[symbology], **({"gs1": True} if gs1 else {}))
        svg = drawn.to_svg(scale=1, add_hrt=False, add_quiet_zones=True)
    except (ValueError, RuntimeError) as error:
        raise Refused(f"{content[:60]!r} cannot be printed as {symbology}: {error}") from error
    return Symbol(symbology, svg, said if gs1 else content)


def is_gs1(identity: Identity) -> bool:
    """Whether a code consists of GS1 elements."""
    return identity.kind in _GS1_KINDS and bool(identity.elements) and not identity.problem


def bracketed(elements: Sequence[tuple[str, str]]) -> str:
    """Elements as they stand below a code."""
    return "".join(f"({ai}){value}" for ai, value in elements)


def fits_linear(content: str) -> bool:
    """Whether a linear code of it can be read from a label."""
    return content.isascii() and content.isprintable() and len(content) <= MAX_LINEAR_CHARS
