"""The sounds of kept, unexpected and refused, made here: high and short, falling, low and three times. Pure.

They differ in rhythm as well as in pitch, so that they are told apart in a van and by ears that hear no high tones.
"""

import io
import math
import struct
import wave
from typing import Final

from mobile_ui.core.scan_check import Tone

SAMPLE_HZ: Final = 22_050
LOUDNESS: Final = 0.6
EDGE_S: Final = 0.004
"""Rise and fall of a tone, so that it does not click."""
NOTES: Final[dict[Tone, tuple[tuple[int, float], ...]]] = {
    Tone.KEPT: ((2_400, 0.08),),
    Tone.UNEXPECTED: ((2_400, 0.08), (0, 0.04), (1_200, 0.20)),
    Tone.REFUSED: ((380, 0.18), (0, 0.06), (380, 0.18), (0, 0.06), (380, 0.18)),
}
"""Hertz and seconds; 0 Hz is a pause."""


def wave_of(tone: Tone) -> bytes:
    """A WAV file, mono, 16 bit."""
    samples: list[int] = []
    for hertz, seconds in NOTES[tone]:
        count = round(seconds * SAMPLE_HZ)
        for i in range(count):
            edge = min(1.0, i / (EDGE_S * SAMPLE_HZ), (count - i) / (EDGE_S * SAMPLE_HZ))
            samples.append(round(32_767 * LOUDNESS * edge * math.sin(2 * math.pi * hertz * i / SAMPLE_HZ)))
    body = io.BytesIO()
    with wave.open(body, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_HZ)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return body.getvalue()
