"""Who judges what is measured: the seam between capture and the cold guard, and what stands there without a profile."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from agent.inbox import StoredDocument
from agent.outbox import SensorReading
from contract.event import Alarm
from contract.local import SensorCold

T = TypeVar("T")

SHELF: Final = "coldchain"
"""Where judgements are kept, by sensor."""
DOCUMENT: Final = "coldchain"
"""`contract.coldchain.assignments.COLDCHAIN_DOCUMENT`, named here so that a device without profiles need not load them."""

Beside = Callable[[], None]
"""Writes to the shelf inside a transaction of the outbox."""


class Keep(Protocol):
    """Keeps a reading."""

    def __call__(self, alarms: Sequence[Alarm], beside: Beside | None) -> None:
        """Keep it with the alarms that it starts or ends and what is written beside, in one transaction. Raises NotKept."""


class Guard(Protocol):
    """Judges what is measured; may be used from any thread. Its state moves only with what is committed."""

    def arrived(self, document: StoredDocument) -> None:
        """A document of profiles came into force."""

    def judge(self, reading: SensorReading, keep: Keep) -> None:
        """Judge a reading and have it kept. Raises NotKept: it is not on disk, and counts as not judged."""

    def look(self) -> None:
        """What is done about once a second. Raises NotKept: it is tried again the next time."""

    def acknowledge(self, alarm: str, keep: Callable[[Beside], T]) -> T:
        """A person acknowledges an alarm: `keep` states it, and runs what it is given in the same transaction."""

    def sounding(self) -> bool:
        """Whether an alarm lasts that nobody acknowledged."""

    def told(self) -> tuple[SensorCold, ...]:
        """How each judged sensor stands now, by name."""

    def budget_s(self) -> int | None:
        """The smallest budget left among the judged temperature sensors; None where there is none."""


class NoGuard:
    """No sensor has a profile: everything is kept, nothing is judged."""

    def arrived(self, document: StoredDocument) -> None:
        """Whoever hears of a document puts a guard here."""

    def judge(self, reading: SensorReading, keep: Keep) -> None:  # noqa: ARG002 it does not judge
        """Keep it."""
        keep((), None)

    def look(self) -> None:
        """There is nothing to look at."""

    def acknowledge(self, alarm: str, keep: Callable[[Beside], T]) -> T:  # noqa: ARG002 there is none to remember it of
        """State it."""
        return keep(lambda: None)

    def sounding(self) -> bool:
        """Never."""
        return False

    def told(self) -> tuple[SensorCold, ...]:
        """Nothing."""
        return ()

    def budget_s(self) -> int | None:
        """None."""
        return None
