"""From what a driver read to a kept fact, and the signal that tells the person about it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.clock import DeviceClock
from agent.outbox import Kept, Outbox
from contract.event import Step, Verdict


class Manifest(Protocol):
    """What the documents of the hub say about parcels."""

    def verdict(self, parcel: str, step: Step) -> Verdict:
        """How a scan compares with what was planned."""


@dataclass(frozen=True, slots=True)
class HandScan:
    """What came of a scan by hand."""

    kept: tuple[Kept, ...]
    kind: str
    parcel: str
    verdict: Verdict
    problem: str


class Capture:
    """Takes what drivers read; nothing is signalled as kept before it is on disk."""

    def __init__(
        self,
        outbox: Outbox,
        clock: DeviceClock,
        *,
        place: str = "",
        manifest: Manifest | None = None,
        appended: Callable[[], None] = lambda: None,
    ) -> None:
        raise NotImplementedError

    def scan_by_hand(
        self,
        code: bytes,
        step: Step,
        *,
        actor: str = "",
        place: str | None = None,
        aim: str = "",
        request_id: bytes | None = None,
    ) -> HandScan:
        """Keep one scan that a person typed or an app made; returns after the commit."""
        raise NotImplementedError

    def sign(self, actor: str, *, on: bool, request_id: bytes | None = None) -> Sequence[Kept]:
        """A person takes the device or leaves it."""
        raise NotImplementedError
