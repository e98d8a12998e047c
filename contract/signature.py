"""A signature as strokes of a pen: the record. Pictures (PNG, SVG) are derived from it and never stored in its place. Pure.

The file is JSON: `{"kind": "holdfast-signature", "version": 1, "height": h, "strokes": [[[x, y, t], ...], ...]}`. The pad is
10,000 wide and `height` high, x to the right, y down; t in ms since the first touch.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from contract.errors import Malformed

PAD_WIDTH: Final = 10_000
MAX_POINTS: Final = 10_000
"""A long name has some 500."""
MAX_SIGNATURE_BYTES: Final = 512 * 1024
PEN_WIDTH: Final = 90
"""Of the derived drawings, in the pad's units."""

MAX_AFTER_MS: Final = 86_400_000
"""From the first touch to the last."""

Along = Annotated[int, Meta(ge=0, le=PAD_WIDTH)]
Down = Annotated[int, Meta(ge=0, le=4 * PAD_WIDTH)]
Point = tuple[Along, Down, Annotated[int, Meta(ge=0, le=MAX_AFTER_MS)]]
"""x, y, ms since the first touch."""
Stroke = tuple[Point, ...]


class Signature(Struct, frozen=True, forbid_unknown_fields=True):
    """What a pen drew."""

    height: Annotated[int, Meta(ge=1, le=4 * PAD_WIDTH)]
    strokes: tuple[Stroke, ...]
    kind: Literal["holdfast-signature"] = "holdfast-signature"
    version: Literal[1] = 1

    @property
    def points(self) -> int:
        """Of all strokes together."""
        return sum(map(len, self.strokes))


_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Signature)


def encode_signature(signature: Signature) -> bytes:
    """The file; equal strokes are equal bytes."""
    return _encoder.encode(signature)


def decode_signature(data: bytes) -> Signature:
    """Read the file.

    Raises:
        Malformed: not a signature, or one of more than MAX_POINTS.
    """
    if len(data) > MAX_SIGNATURE_BYTES:
        raise Malformed(f"signature of {len(data)} bytes; at most {MAX_SIGNATURE_BYTES} are read")
    try:
        signature = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"not a signature: {error}") from error
    if signature.points > MAX_POINTS:
        raise Malformed(f"signature of {signature.points} points; at most {MAX_POINTS} are read")
    return signature


def svg_of(signature: Signature) -> str:
    """A drawing for pages; it holds numbers only."""
    lines = "".join(map(_line, signature.strokes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PAD_WIDTH} {signature.height}">'
        f'<g fill="none" stroke="#000" stroke-width="{PEN_WIDTH}" stroke-linecap="round" stroke-linejoin="round">'
        f"{lines}</g></svg>"
    )


def _line(stroke: Stroke) -> str:
    places = [(x, y) for x, y, _ in stroke]
    if len(set(places)) > 1:
        return f'<polyline points="{" ".join(f"{x},{y}" for x, y in places)}"/>'
    # Not every viewer draws a line of no length.
    return "".join(f'<circle cx="{x}" cy="{y}" r="{PEN_WIDTH // 2}" fill="#000" stroke="none"/>' for x, y in places[:1])
