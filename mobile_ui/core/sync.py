"""What is kept here, what is on its way, and what the hub has: honest figures for the courier. Pure."""

from dataclasses import dataclass

from contract.local import DeviceStatus
from mobile_ui.core.say import Sentence, say

SYNCED = "synced"


@dataclass(frozen=True, slots=True)
class Sync:
    """The figures of both lanes together.

    Attributes:
        waiting: kept here and not at the hub.
        on_its_way: of those, sent and not confirmed.
        at_hub: confirmed by the hub.
        photos: attachments that the hub does not have whole.
    """

    connected: bool = False
    waiting: int = 0
    on_its_way: int = 0
    at_hub: int = 0
    photos: int = 0
    link: str = ""
    last_contact_ms: int | None = None
    oldest_ms: int | None = None
    storage: str = "ok"
    room_bytes: int = 0
    room_s: int | None = None

    @property
    def line(self) -> Sentence:
        """Always on the screen."""
        if not self.connected or not self.link:
            return say("The recorder does not answer; starting it")
        if self.waiting == 0:
            return say("Everything is at the hub")
        return say("Kept on the device: {n}", n=self.waiting)


def sync_of(status: DeviceStatus | None, *, connected: bool) -> Sync:
    """From what the agent tells."""
    if status is None:
        return Sync(connected=connected)
    lanes = status.lanes
    return Sync(
        connected=connected,
        waiting=sum(lane.kept - lane.committed for lane in lanes),
        on_its_way=sum(max(lane.sent - lane.committed, 0) for lane in lanes),
        at_hub=sum(lane.committed for lane in lanes),
        photos=status.blobs_pending,
        link=status.link,
        last_contact_ms=status.last_contact_at_ms,
        oldest_ms=status.oldest_unsent_at_ms,
        storage=status.storage,
        room_bytes=status.room_bytes,
        room_s=status.room_s,
    )
