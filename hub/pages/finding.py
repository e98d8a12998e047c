"""One thing that needs a person, and what to do about it."""

from dataclasses import dataclass, field
from typing import Any

from hub.pages.verdicts import Level


@dataclass(frozen=True, slots=True)
class Action:
    """The one thing to do: open an address, or, with `reason`, post one there."""

    word: str
    path: str
    reason: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that needs a person: what and where, since when, what to do. Texts are keys of the catalogue.

    Attributes:
        key: stays the same while it changes.
        kind: which sentence the template makes of it.
        silent_device: the sentence is about this device's contact: the browser goes on counting it.
        waiting: facts that the silent device still had to send when it was heard last.
        more: what only sentences of this kind have.
    """

    key: str
    rank: int
    level: Level
    sign: str
    subject: str
    what: str
    todo: str
    href: str
    since_ms: int | None
    action: Action
    kind: str = "plain"
    silent_device: str = ""
    waiting: int = 0
    acknowledged: bool = False
    values: dict[str, object] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
