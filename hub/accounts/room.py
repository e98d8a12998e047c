"""The last of the disk is for facts: people's changes and their lines in the audit trail stop before it is used up."""

import shutil
from pathlib import Path
from typing import Final

RESERVE_BYTES: Final = 64 * 1024 * 1024
"""Some hours of a large fleet's facts, until somebody has made room."""


def has_room(folder: Path) -> bool:
    """Whether people may still change things; False also where the disk does not say."""
    try:
        return shutil.disk_usage(folder).free >= RESERVE_BYTES
    except OSError:
        return False
