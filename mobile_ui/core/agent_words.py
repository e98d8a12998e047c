"""What the agent says in English, as sentences of the app where they are known; the rest stays as it is. Pure."""

import re
import string
from collections.abc import Iterable
from typing import Final

from mobile_ui.core.say import Sentence, say

REFUSALS: Final = (
    say("Not kept: the device's storage is full. Bring it into contact with the hub, or free space on it."),
    say("Not kept: the device's storage cannot be written to. Restart the device; call support if it stays so."),
    say("Not kept: the device's storage is damaged and is being repaired. Try again in a moment."),
    say("Not kept: another program holds the device's storage. Close it and try again."),
    say("Not kept: the device is short of memory or file handles. Try again; restart the device if it stays so."),
    say("Not kept: the device's disk did not take the data. The agent must restart; call support if it stays so."),
    say("The device's storage in {folder} can be neither written nor read: {error}"),
    say("Not kept: it is too large ({error}). Shorten the text or split it."),
    say("Not kept: a value is outside of what may be kept ({error})."),
    say("Not kept: the attachment has {size} bytes; 1 to {most} are allowed. Take a smaller picture."),
    say("Not kept: the attachment could not be stored ({error}). Take it again."),
    say("Not kept: an attachment of it is missing on the device. Take it again."),
    say(
        "Not kept: no room on the device for {size} MiB of pictures. "
        "Leave some out, or wait until others are at the hub."
    ),
    say("Not kept: this is a configuration card; read it with the scanner that it shall switch."),
    say("No alarm {alarm} is known on this device; nothing was acknowledged."),
    say("This is no scan that is still on this device; the hub can take it back."),
    say("There are {n} drafts already; finish or drop one of them."),
    say("Not done: {error}."),
)
LIMITS: Final = (
    say("above {degrees}"),
    say("below {degrees}"),
    say("{degrees} or above"),
    say("{degrees} or below"),
    say("freezing"),
)
"""How the profiles that come with Holdfast name their limits (`contract.coldchain.presets`)."""
_DEGREES: Final = r"-?\d+(?:\.\d+)?"


def _pattern(key: str, place: str) -> re.Pattern[str]:
    parts = string.Formatter().parse(key)
    return re.compile("".join(re.escape(text) + (f"(?P<{name}>{place})" if name else "") for text, name, *_ in parts))


_REFUSALS: Final = [(_pattern(one.key, "(?s:.+)"), one.key) for one in REFUSALS]
_LIMITS: Final = [(_pattern(one.key, _DEGREES), one.key) for one in LIMITS]


def refusal(why: str) -> Sentence | str:
    """Why the agent did not do what it was asked."""
    return _known(_REFUSALS, why)


def limit_name(name: str) -> Sentence | str:
    """The name of a limit; one that people gave is theirs."""
    return _known(_LIMITS, name)


def _known(patterns: Iterable[tuple[re.Pattern[str], str]], text: str) -> Sentence | str:
    for pattern, key in patterns:
        if found := pattern.fullmatch(text):
            return Sentence(key, found.groupdict())
    return text
