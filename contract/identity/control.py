"""Configuration cards: barcodes that switch what the following scans mean."""

import re

from contract.event import Step

PREFIX = "HF:"

_CARD = re.compile(r"(HF:(?:STEP|ACTOR|PLACE)):([A-Za-z0-9][A-Za-z0-9._@-]{0,63})")
_STEPS = frozenset(step.value for step in Step)


def parse_card(text: str) -> tuple[str, str] | None:
    """Read `HF:STEP:loaded`, `HF:ACTOR:w.chen` or `HF:PLACE:dock-4` as (word, value); anything else is data."""
    match = _CARD.fullmatch(text)
    if match is None or (match[1] == "HF:STEP" and match[2] not in _STEPS):
        return None
    return match[1], match[2]
