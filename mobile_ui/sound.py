"""Plays the app's tones through kivy; silent where there is no sound."""

import tempfile
from pathlib import Path
from typing import Any

from mobile_ui.core.scan_check import Tone
from mobile_ui.core.tones import wave_of


class Speaker:
    """Holds each tone ready, so that it comes with the commit and not after a load."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="holdfast-tones-")
        self._sounds: dict[Tone, Any] = {}

    def load(self) -> None:
        """Make the tones; takes some 50 ms, so it is done after the first frame."""
        from kivy.core.audio import SoundLoader  # noqa: PLC0415 opens the sound device

        for tone in Tone:
            path = Path(self._folder.name) / f"{tone}.wav"
            path.write_bytes(wave_of(tone))
            self._sounds[tone] = SoundLoader.load(str(path))

    def play(self, tone: Tone) -> None:
        """Play one; the one before it ends."""
        sound = self._sounds.get(tone)
        if sound is not None:
            sound.stop()
            sound.play()

    def close(self) -> None:
        """Let go of the files."""
        for sound in self._sounds.values():
            if sound is not None:
                sound.unload()
        self._folder.cleanup()
