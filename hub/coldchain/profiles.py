"""Profiles as the hub keeps them."""

from functools import lru_cache
from typing import Final

import msgspec

from contract.coldchain.profile import Profile

try:
    from contract.coldchain.presets import PRESETS
except ModuleNotFoundError:
    PRESETS: dict[str, Profile] = {}

PROFILES: Final = 256
"""Profiles that are remembered as they were read; a company has a dozen."""


@lru_cache(PROFILES)
def decoded(body: str) -> Profile:
    """A profile from its stored JSON."""
    return msgspec.json.decode(body, type=Profile)
