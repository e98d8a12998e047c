"""A PNG of a signature, drawn from its strokes and never from the screen."""

import io

from contract.signature import PAD_WIDTH, PEN_WIDTH, Signature


def png_of(signature: Signature, width_px: int = 600) -> bytes:
    """Black on white."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 the core starts without it

    scale = width_px / PAD_WIDTH
    image = Image.new("L", (width_px, max(1, round(signature.height * scale))), 255)
    draw = ImageDraw.Draw(image)
    pen = max(2, round(PEN_WIDTH * scale))
    for stroke in signature.strokes:
        points = [(x * scale, y * scale) for x, y, _ in stroke]
        draw.line(points, fill=0, width=pen, joint="curve")
        for x, y in points[:1] + points[-1:]:
            draw.ellipse((x - pen / 2, y - pen / 2, x + pen / 2, y + pen / 2), fill=0)
    body = io.BytesIO()
    image.save(body, "PNG", optimize=True)
    return body.getvalue()
