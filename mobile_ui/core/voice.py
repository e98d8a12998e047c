"""What the app says of a scan or a step, with its tone; the last of it stands until something else is said."""

from collections.abc import Callable

from contract.local import Refused
from mobile_ui.core.agent_words import refusal
from mobile_ui.core.say import NOTHING, Sentence, say
from mobile_ui.core.scan_check import Tone


class Voice:
    """Says one thing at a time.

    Args:
        sound: plays a tone.
        changed: told when something else is said.
    """

    def __init__(self, sound: Callable[[Tone], None], changed: Callable[[], None]) -> None:
        self._sound = sound
        self._changed = changed
        self.said: Sentence = NOTHING
        self.tone: Tone | None = None

    def tell(self, said: Sentence, tone: Tone | None = None) -> None:
        """Say it; with a tone it is heard, too."""
        self.said, self.tone = said, tone
        if tone is not None:
            self._sound(tone)
        self._changed()

    def refused(self, answer: Refused) -> None:
        """The agent did not do what it was asked."""
        self.tell(say("{why}", why=refusal(answer.why)), Tone.REFUSED)

    def unsay(self) -> None:
        """What a step wanted was given."""
        if self.tone is Tone.UNEXPECTED:
            self.tell(NOTHING)
