"""What must hold at each step of a device: what it believes, lets go of and sends."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from contract.delivery.device_actions import Action, Release, ReleaseBlobs, SetAcked
from contract.limits import MAX_BATCH_ITEMS, RESEND_FIRST_MS
from contract.messages import MARK_HASH_BYTES, Ack, Batch, Blob, Down, Fill, Gap, Hello, Nack, Up, Welcome
from tests.simulation.disk import Disk
from tests.simulation.truth import Truth
from tests.simulation.world import Violation, World, short

if TYPE_CHECKING:
    from contract.event import Lane

ALL = 2**53


class Watcher:
    """Looks over the shoulder of one device's process."""

    def __init__(self, world: World, truth: Truth, disk: Callable[[], Disk], label: str) -> None:
        self._world = world
        self._truth = truth
        self._disk = disk
        self._label = label
        self.hearing: Down | None = None
        """The message of the hub that is being handled."""
        self._in_flight: dict[Lane, tuple[int, int]] = {}
        """The last position of the batch that no answer came to, and when it went out."""
        self.start_over()

    def start_over(self) -> None:
        """A connection, or an incarnation, begins."""
        self._asked = b""
        self._wait_until_ms = 0
        self._credit = MAX_BATCH_ITEMS
        self._in_flight.clear()

    # -- hearing ---------------------------------------------------------------------------------------------------

    def hear(self, message: Down, mono_ms: int, *, synced: bool) -> None:
        """Take what the hub grants in an answer that the protocol must take."""
        self.hearing = message
        match message:
            case Welcome():
                counts = message.nonce == self._asked
                self._asked = b"" if counts else self._asked
                ends = [(a.lane, m.n) for a in message.lanes for m in (*a.heads, *((a.best,) if a.best else ()))]
            case Ack():
                counts = synced and message.incarnation == self._disk().incarnation and self._is_ours(message)
                ends = [(message.lane, message.mark.n)]
            case Nack():
                counts = synced and message.incarnation == self._disk().incarnation
                ends = [(message.lane, ALL)]
            case _:
                return
        if not counts:
            return
        for lane, n in ends:
            if self._in_flight.get(lane, (ALL + 1, 0))[0] <= n:
                del self._in_flight[lane]
        self._credit = message.credit.facts
        if not self._credit:
            self._world.took_effect("told_to_wait")
            self._wait_until_ms = mono_ms + message.credit.retry_after_ms

    def _is_ours(self, ack: Ack) -> bool:
        whole = self._disk().hash_at(ack.lane, ack.mark.n)
        return whole is not None and whole[:MARK_HASH_BYTES] == ack.mark.hash

    def heard_before_a_disaster(self) -> bool:
        """Whether the hub or its backups were lost since it said what is heard now: it was true when it was said."""
        issued = self._truth.issued.get(self.hearing.nonce) if isinstance(self.hearing, Welcome) else None
        return issued is not None and issued.era != self._truth.era

    # -- acting ----------------------------------------------------------------------------------------------------

    def look_at_writes(self, writes: Sequence[Action]) -> None:
        """P7.

        Raises:
            Violation: something is taken for committed that is not, or let go without the hub's word.
        """
        for action in writes:
            match action:
                case SetAcked(lane, n):
                    whole = self._disk().hash_at(lane, n)
                    if n and whole is not None and whole not in self._truth.committed:
                        raise Violation(
                            f"P7: {self._label} takes {lane} {n} for committed, which no hub ever committed"
                        )
                case Release(identities):
                    self._look_at_release(frozenset(identities))
                    self._world.tell(self._label, " lets go of ", ", ".join(map(short, identities)))
                    self._world.took_effect("released")
                case ReleaseBlobs(names):
                    self._look_at_release(frozenset(names))
                    self._world.took_effect("attachment_released")
                case _:
                    pass

    def _look_at_release(self, identities: frozenset[bytes]) -> None:
        welcome = self.hearing
        if not isinstance(welcome, Welcome):
            raise Violation(f"P7: {self._label} frees storage on the word of {type(welcome).__name__}")
        issued = self._truth.issued.get(welcome.nonce)
        if issued is None or not identities <= issued.safe:
            raise Violation(f"P7: {self._label} frees storage that no welcome named safe")

    def look_at_message(self, message: Up, mono_ms: int) -> None:
        """D3.

        Raises:
            Violation: more goes out than the hub granted, or a second batch of a lane before the first was answered.
        """
        if isinstance(message, Hello):
            self._asked = message.nonce
        if isinstance(message, Batch | Fill | Blob) and mono_ms < self._wait_until_ms:
            raise Violation(f"{self._label} sends a {type(message).__name__} although the hub asked it to wait")
        if isinstance(message, Gap):
            # It takes the place of what this hub cannot take anyway.
            self._in_flight.pop(message.lane, None)
        if not isinstance(message, Batch):
            return
        if len(message.items) > max(self._credit, 1):
            raise Violation(f"{self._label} sends {len(message.items)} facts with credit for {self._credit}")
        last_n, sent_ms = self._in_flight.get(message.lane, (0, mono_ms - RESEND_FIRST_MS))
        if mono_ms - sent_ms < RESEND_FIRST_MS:
            raise Violation(f"{self._label} sends {message.lane} {message.n} while {last_n} is in flight")
        self._in_flight[message.lane] = message.n + len(message.items) - 1, mono_ms
