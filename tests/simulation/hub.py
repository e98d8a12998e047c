"""The hub's process around the shipped core: groups, commits, attachments, backups, and dying at any point between them.

The rules are those of `hub/ingest.py`, `hub/blobs.py`, `hub/backup.py` and `hub/projector.py`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from contract.delivery.hub import decide
from contract.delivery.hub_actions import IncidentKind, Place, Reply
from contract.delivery.hub_actions import Report as Incident
from contract.delivery.hub_view import StreamName
from contract.errors import Malformed, NotAuthentic
from contract.limits import SAFE_AGE_MS
from contract.messages import (
    Batch,
    Blob,
    BlobState,
    Credit,
    Down,
    Fill,
    Gap,
    Hello,
    Live,
    Nack,
    Up,
    Welcome,
    decode_up,
    encode_message,
)
from contract.statement import Direction, seal, unseal
from tests.simulation.ledger import BackupLine, Ledger
from tests.simulation.truth import Issued, Truth
from tests.simulation.world import Violation, World, short

GROUP_MS = 20
RESTART_MS = 1_000
STORAGE_RETRY_MS = 30_000
BACKUPS_KEPT = 4


@dataclass(slots=True)
class Part:
    """An upload in progress: bytes so far and the ranges that came; nothing of it is synced."""

    data: bytearray
    came: list[tuple[int, int]]

    def missing(self) -> tuple[tuple[int, int], ...]:
        """Ranges that did not come yet."""
        at, gaps = 0, []
        for start, end in sorted(self.came):
            if start > at:
                gaps.append((at, start))
            at = max(at, end)
        if at < len(self.data):
            gaps.append((at, len(self.data)))
        return tuple(gaps)


@dataclass(frozen=True, slots=True)
class Backup:
    """A file on another disk."""

    name: str
    ledger: Ledger
    files: dict[bytes, int]


def key_of(device: str) -> bytes:
    """The credential of a device."""
    return sha256(device.encode()).digest()


class Hub:
    """One hub: its process, its disk, and its backups on another disk."""

    def __init__(self, world: World, truth: Truth, *, with_backups: bool, send: Callable[[str, bytes], None]) -> None:
        self.world = world
        self.truth = truth
        self._send = send
        self.ledger = Ledger(with_backups=with_backups)
        self.files: dict[bytes, int] = {}
        """Whole attachments by digest, with their size."""
        self.backups: list[Backup] = []
        """Verified ones, the newest last."""
        self.up = True
        self.storage_full = False
        self.credit = Credit()
        self.clock_error_ms = 0
        self.crash_at: str | None = None
        self.after_commit: Callable[[], None] = lambda: None
        self.on_hello: Callable[[str, Hello], None] = lambda _device, _hello: None
        self.sent_effects: dict[bytes, set[bytes]] = {}
        """What the outside received: effect ids by fact."""
        self.counts: Counter[str] = Counter()
        self._random = world.random("hub")
        self._queue: list[tuple[str, bytes]] = []
        self._parts: dict[bytes, Part] = {}
        self._grouping = False
        truth.holders += [self._holds, self._backups_hold]

    def _holds(self) -> set[bytes]:
        return self.ledger.contents() | self.files.keys()

    def _backups_hold(self) -> set[bytes]:
        found: set[bytes] = set()
        for backup in self.backups[-2:]:
            found |= backup.ledger.contents() | backup.files.keys()
        return found

    def backed_up(self) -> set[bytes]:
        """What each of the newest backups holds."""
        return self._backups_hold()

    @property
    def now_ms(self) -> int:
        """The hub's own clock."""
        return self.world.utc_ms + self.clock_error_ms

    # -- the process -----------------------------------------------------------------------------------------------

    def die(self, why: str, *, restart_ms: int = RESTART_MS, power: bool = False) -> None:
        """The process ends; what was not committed is gone, with the power also what was not synced."""
        self.world.tell("hub dies ", why)
        self.up = False
        self.crash_at = None
        self._queue.clear()
        if power:
            self._parts.clear()
        if restart_ms:
            self.world.after(restart_ms, self.start)

    def start(self) -> None:
        """Start again on what the disk holds."""
        if self.up:
            return
        self.up = True
        self.world.tell("hub starts")
        self.ledger.now_ms = self.now_ms
        self.ledger.forget_backups({b.name for b in self.backups})
        lost = [name for name, line in self.ledger.blob_lines.items() if self.files.get(name) != line.size]
        if lost:
            self.world.took_effect("attachments_asked_again")
            for name in lost:
                del self.ledger.blob_lines[name]
            self.ledger.carry_out(
                Incident(IncidentKind.HUB_REGRESSED, "", "hub_regressed:blobs", f"{len(lost)} attachments are gone")
            )
        self._project()

    def _dies_at(self, point: str) -> bool:
        if self.crash_at != point:
            return False
        self.world.took_effect("hub_killed")
        self.die(point)
        return True

    # -- ingest ----------------------------------------------------------------------------------------------------

    def receive(self, device: str, payload: bytes) -> None:
        """A statement came from the broker."""
        if not self.up:
            return
        self._queue.append((device, payload))
        if not self._grouping:
            self._grouping = True
            self.world.after(GROUP_MS, self._take_group)

    def _take_group(self) -> None:
        self._grouping = False
        if not self.up:
            return
        queue, self._queue = self._queue, []
        group = self._paced([judged for device, payload in queue for judged in self._judge(device, payload)])
        if not group:
            return
        if self.storage_full:
            self.world.took_effect("hub_disk_full")
            for device, message in group:
                if isinstance(message, Batch | Gap):
                    credit = Credit(0, STORAGE_RETRY_MS)
                    self._publish(device, Nack(message.incarnation, message.lane, "busy", credit))
            return
        if self._dies_at("before the commit"):
            return
        self.ledger.now_ms = self.now_ms
        replies = [reply for device, message in group for reply in self._apply(device, message)]
        self.ledger.announced.update(self.ledger.grown)
        for identity in self.ledger.grown:
            self.world.tell("hub commits ", short(identity))
        self.ledger.grown.clear()
        self.after_commit()
        if self._dies_at("after the commit, before it answers"):
            return
        for count, reply in enumerate(replies):
            self._publish(reply.device, reply.message)
            if count == 0 and self._dies_at("between two answers"):
                return
        self._project()

    def _judge(self, device: str, payload: bytes) -> list[tuple[str, Up]]:
        try:
            return [(device, decode_up(unseal(key_of(device), Direction.UP, device, payload)))]
        except NotAuthentic as error:
            self.world.took_effect("forged_up")
            self._report(Incident(IncidentKind.NOT_AUTHENTIC, device, f"not_authentic:{device}", str(error)))
        except Malformed as error:
            self.world.took_effect("malformed_up")
            self._report(Incident(IncidentKind.MALFORMED, device, f"malformed:{device}", str(error)))
        return []

    def _report(self, incident: Incident) -> None:
        self.ledger.carry_out(incident)

    @staticmethod
    def _paced(arrived: list[tuple[str, Up]]) -> list[tuple[str, Up]]:
        hellos: dict[str, tuple[str, Up]] = {}
        group = []
        for device, message in arrived:
            if isinstance(message, Hello):
                hellos.pop(device, None)
                hellos[device] = device, message
            elif not isinstance(message, Live):
                group.append((device, message))
        return group + list(hellos.values())

    def _apply(self, device: str, message: Up) -> list[Reply]:
        self.counts[type(message).__name__] += 1
        if isinstance(message, Blob):
            return [Reply(device, self._take_blob(message))]
        if not isinstance(message, Hello | Batch | Fill | Gap):
            return []
        if isinstance(message, Hello):
            self.on_hello(device, message)
        replies = []
        for action in decide(device, message, self.ledger, credit=self.credit, now_ms=self.ledger.now_ms):
            if isinstance(action, Reply):
                replies.append(action)
                self._look_at(action.message)
                continue
            if isinstance(action, Place):
                self.truth.committed.update(p.hash for p in action.placements)
            elif isinstance(action, Incident) and action.key not in self.ledger.incidents:
                self.world.tell("hub shows incident ", action.kind.value, ": ", action.detail)
            self.ledger.carry_out(action)
        if isinstance(message, Batch | Gap):
            self._check_fork(StreamName(device, message.incarnation, message.lane))
        return replies

    def _check_fork(self, stream: StreamName) -> None:
        """P6: the hub itself tells of a stream with two branches, whatever the devices say later."""
        key = f"fork:{stream.device}:{stream.incarnation.hex()}:{stream.lane}"
        if len(self.ledger.branches(stream)) > 1 and key not in self.ledger.incidents:
            raise Violation(f"P6: two branches of {stream.lane} of {stream.device} are here and no incident fork")

    def _publish(self, device: str, message: Down) -> None:
        self._send(device, seal(key_of(device), Direction.DOWN, device, encode_message(message)))

    def _look_at(self, message: Down) -> None:
        """P7: what the hub calls safe is in each of its newest backups, judged by their contents."""
        if not isinstance(message, Welcome):
            return
        named = frozenset((*message.safe, *message.safe_blobs))
        self.truth.issued[message.nonce] = Issued(named, self.truth.era)
        if not named:
            return
        if self.ledger.with_backups:
            known = {b.name for b in self.ledger.newest_backups()}
            copies = [b.ledger.contents() | b.files.keys() for b in self.backups if b.name in known]
            wrong = (
                named
                if len(copies) < len(known) or not copies
                else named - frozenset.intersection(*map(frozenset, copies))
            )
        else:
            before_ms = self.ledger.now_ms - SAFE_AGE_MS
            wrong = {i for i in message.safe if self.ledger.lines[i].received_ms >= before_ms}
        if wrong:
            raise Violation(
                f"P7: the hub calls {', '.join(map(short, wrong))} safe, which not each newest backup holds"
            )

    # -- attachments -----------------------------------------------------------------------------------------------

    def _take_blob(self, blob: Blob) -> BlobState:
        if self.files.get(blob.sha256) == blob.size:
            self.ledger.keep_blob(blob.sha256, blob.size)
            return BlobState(blob.sha256, ())
        part = self._parts.get(blob.sha256)
        if part is None:
            part = self._parts[blob.sha256] = Part(bytearray(blob.size), [])
        fits = blob.offset + len(blob.data) <= len(part.data)
        if blob.data and fits and sha256(blob.data).digest() == blob.chunk_hash:
            part.data[blob.offset : blob.offset + len(blob.data)] = blob.data
            part.came.append((blob.offset, blob.offset + len(blob.data)))
        if missing := part.missing():
            return BlobState(blob.sha256, missing)
        del self._parts[blob.sha256]
        if sha256(bytes(part.data)).digest() != blob.sha256:
            self.world.took_effect("upload_damaged")
            self.world.tell("hub finds attachment ", short(blob.sha256), " damaged and asks for it again")
            return BlobState(blob.sha256, ((0, blob.size),))
        self.files[blob.sha256] = blob.size
        self.ledger.keep_blob(blob.sha256, blob.size)
        self.world.tell("hub has attachment ", short(blob.sha256), " whole")
        return BlobState(blob.sha256, ())

    def damage_upload(self) -> bool:
        """Flip a byte of an upload in progress; whether there was one."""
        for part in self._parts.values():
            if part.came:
                part.data[part.came[0][0]] ^= 1
                return True
        return False

    # -- meaning ---------------------------------------------------------------------------------------------------

    def _project(self) -> None:
        for identity in self.ledger.waiting():
            if not self.ledger.fold(identity):
                self.world.took_effect("killer_fact")
                self.die(f"folding {short(identity)}")
                return
            if self._dies_at("between a projection and its effect"):
                return
        # Effects go out from their table; sending may be repeated, the id is the same.
        for identity, effect in self.ledger.effects.items():
            if identity not in self.sent_effects:
                self.sent_effects[identity] = {effect}
            elif effect not in self.sent_effects[identity]:
                self.sent_effects[identity].add(effect)

    # -- backups and restores --------------------------------------------------------------------------------------

    def back_up(self, *, verifies: bool = True) -> bool:
        """Copy database and attachments, read them back, note the backup; whether it counts."""
        if not self.up:
            return False
        copy = self.ledger.copy()
        files = {name: size for name, size in self.files.items() if name in copy.blob_lines}
        if self._dies_at("in a backup") or not verifies or files.keys() != copy.blob_lines.keys():
            return False
        name = f"backup-{self.world.now_ms}-{len(self.backups)}"
        with self.truth.losing("a newer backup of a hub that was set back took the place of an older one"):
            self.backups = [*self.backups, Backup(name, copy, files)][-BACKUPS_KEPT:]
        self._note_backup(name, copy)
        self.ledger.forget_backups({b.name for b in self.backups})
        self.world.tell("hub is backed up: ", name)
        return True

    def _note_backup(self, name: str, copy: Ledger) -> None:
        blob_seq = max((b.seq for b in copy.blob_lines.values()), default=0)
        self.ledger.backups = [*self.ledger.backups, BackupLine(name, copy.seq, blob_seq)]

    def lose_backups(self) -> None:
        """The disk with the backups is gone."""
        self.truth.era += 1
        with self.truth.losing("the disk with the backups was lost"):
            self.backups = []
        self.ledger.forget_backups(set())

    def set_back(self, why: str, ledger: Ledger, files: dict[bytes, int]) -> None:
        """Put other files in the place of the hub's own, and start."""
        self.truth.era += 1
        self.die(why, restart_ms=0, power=True)
        with self.truth.losing(why):
            self.ledger, self.files = ledger, files
        self.start()
