"""What a courier sets for this handheld; kept by the agent as a draft."""

from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

DRAFT: Final = "settings"


class Theme(StrEnum):
    """How the screen looks."""

    LIGHT = "light"
    DARK = "dark"
    SUNLIGHT = "sunlight"


class Settings(Struct, frozen=True):
    """Language and look."""

    language: str = "en"
    theme: Theme = Theme.LIGHT
    font_scale: float = 1.0
    sounds: bool = True


FONT_SCALES: Final = (1.0, 1.15, 1.3)

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Settings)


def encode_settings(settings: Settings) -> bytes:
    """For the agent's shelf."""
    return _encoder.encode(settings)


def decode_settings(data: bytes) -> Settings:
    """From the agent's shelf; what cannot be read is as if never set."""
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Settings()
