"""A courier with a device, for tests of the app without its window."""

from pathlib import Path
from typing import TYPE_CHECKING

from contract.event import Step, Verdict
from contract.local import ScanHappened, Signal
from contract.signature import Signature
from mobile_ui.core import proof_draft
from mobile_ui.core.courier import Courier, Topic
from mobile_ui.core.proof_draft import DraftStep
from tests.mobile_ui.kit import NOON_MS, FakeAgent, parcel

if TYPE_CHECKING:
    from mobile_ui.core.scan_check import Tone

DRAWN = Signature(5_000, (((0, 0, 0), (100, 100, 20)),))


class Desk:
    """A courier with a device."""

    def __init__(self, folder: Path, agent: FakeAgent) -> None:
        self.folder, self.agent = folder, agent
        self.tones: list[Tone] = []
        self.topics: list[Topic] = []
        self.start()

    def start(self) -> None:
        """Also after a kill: nothing is left of the one before."""
        self.courier = Courier(
            self.agent, self.folder, now_ms=lambda: NOON_MS, changed=self.topics.append, sound=self.tones.append
        )
        self.courier.link_changed(True)

    def begin(self, name: str = "s2", *, hands_over: bool = True) -> None:
        found = self.courier.day.find(name)
        assert found is not None
        self.courier.begin_proof(found.stop, hands_over=hands_over)

    def scanner(
        self, key: str, *, signal: Signal = Signal.KEPT, verdict: Verdict = Verdict.EXPECTED, vehicle: str = ""
    ) -> None:
        self.courier.happened(
            ScanHappened(
                "gun",
                key.encode(),
                "",
                "sscc",
                key,
                signal,
                NOON_MS,
                verdict,
                vehicle,
                Step.OUT_FOR_DELIVERY,
                b"f" * 32,
            )
        )

    def to_review(self) -> None:
        """A plain stop, signed."""
        courier = self.courier
        self.begin()
        courier.scan_typed(parcel(2, 0))
        courier.forward()
        courier.forward()
        courier.change(lambda d: proof_draft.receive(d, "Li Na", "neighbour"))
        courier.forward()
        courier.change(lambda d: proof_draft.sign(d, DRAWN))
        courier.forward()
        courier.forward()
        assert courier.draft is not None
        assert courier.draft.step is DraftStep.REVIEW, courier.said
