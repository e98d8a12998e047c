"""What the device keeps for the hub: facts in two chained lanes, attachments, and readings on their way into a block.

The one place that writes outbox rows. Everything that returns is on disk; everything that raises is not.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from agent.blocks import Measured, ReceiverPosition, SensorReading, ended_by, is_due
from agent.clock import DeviceClock, Stamp
from agent.log import Log
from agent.room import DEFAULT_LIMITS_C, Level, at_least, level_of
from agent.store import blobs, chain, samples
from agent.store.ballast import Ballast
from agent.store.blobs import BlobFiles
from agent.store.database import not_kept
from agent.store.errors import Cause, NotKept, StoreDamaged
from agent.store.files import make_folder
from agent.store.hub_word import HubWord, WriteAction
from agent.store.lock import WriterLock
from agent.store.opening import Opened, Opening, carry_all, open_readable
from agent.store.overview import LaneSummary, Listed, OutboxSummary, Overview
from agent.store.scribe import Draft, Kept, Scribe, answer, answered, attachments, forget_answers
from agent.store.shelf import Shelf
from agent.store.thinning import Thinner
from agent.store.view import Settings
from agent.store.witness import WitnessWriter
from contract.delivery.device_actions import FixClock, Release
from contract.event import Alarm, Event, Lane, Status, StoragePressure
from contract.limits import DEFAULT_SEAL_S, HOLD_DEFAULT_MS

__all__ = [
    "Kept",
    "LaneSummary",
    "Listed",
    "Outbox",
    "OutboxSummary",
    "ReceiverPosition",
    "SensorReading",
    "WriteAction",
]

log = Log("outbox")
T = TypeVar("T")

DEFAULT_BUDGET_BYTES: Final = 512 * 1024 * 1024
INCARNATION_BYTES: Final = 16
SMALL_RELEASE: Final = 20
"""Contents let go in one transaction on a full disk, where the WAL has no room to grow."""
STRAY_AFTER_MS: Final = 30 * 24 * 3_600_000
"""Attachments that were taken over for a fact that was never kept. Nobody takes a month to try again."""
FREE_PAGES_KEPT: Final = 256
"""A megabyte of free pages stays for the next captures."""


class Outbox(Overview):
    """The device's outbox. It is a `DeviceView`, and may be used from any thread.

    `turn` is held by the shell while the protocol reads and its actions are applied; a new incarnation waits for it. When
    `incarnation` differs from what the shell saw last, it hands `Replaced` to the protocol.
    """

    def __init__(
        self,
        folder: Path,
        device: str,
        opened: Opened,
        lock: WriterLock | None,
        *,
        clock: DeviceClock,
        settings: Settings,
    ) -> None:
        super().__init__(opened.database, BlobFiles(folder), clock, settings)
        self.folder = folder
        self.device = device
        self.turn = threading.RLock()
        self.shelf = Shelf(opened.database)
        self.limits: Callable[[str], Sequence[int]] = lambda _sensor: DEFAULT_LIMITS_C
        """Limits of a sensor in hundredths, whose crossings thinning keeps; the cold guard sets it."""
        self._lock = lock
        self._entropy = settings.entropy
        self._scribe = Scribe(device, clock, self.files, settings.entropy)
        self._ballast = Ballast(folder)
        self._witness = WitnessWriter(folder, self.database, clock)
        self._damage: str | None = None
        self._stated_level = Level.OK
        self._thinner = Thinner(self.database, self._scribe)
        self.database.undone = self._scribe.forget_heads

    # -- opening and closing ---------------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        folder: Path,
        device: str,
        *,
        clock: DeviceClock,
        version: str = "",
        budget_bytes: int = DEFAULT_BUDGET_BYTES,
        hold_ms: int = HOLD_DEFAULT_MS,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> "Outbox":
        """Open the folder's outbox for writing; a folder that cannot be written to is opened for reading.

        Args:
            folder: Holds `device.db`, `blobs/`, `incoming/`, the witness and the lock; made if need be.
            device: The device's id.
            clock: Stamps what the store itself states.
            version: Of the program, told in hellos.
            budget_bytes: Room for database and attachments.
            hold_ms: How long even safe content stays while there is room.
            entropy: Random bytes; seeded in simulations.

        Raises:
            FolderInUse: another agent has it.
            FutureSchema: a newer version wrote it.
            NotKept: it can be neither written nor read; the message is a sentence for the person.
        """
        settings = Settings(version, budget_bytes, hold_ms, entropy)
        try:
            make_folder(folder)
            lock = WriterLock(folder)
        except OSError:
            return cls(folder, device, open_readable(folder), None, clock=clock, settings=settings)
        opening = Opening(folder, device, lambda: entropy(INCARNATION_BYTES), clock.now().at_ms)
        try:
            opened = opening.open(check=not lock.was_clean)
        except (OSError, NotKept) as error:
            lock.release(clean=False)
            if isinstance(error, NotKept) and error.cause is not Cause.READ_ONLY:
                raise
            return cls(folder, device, open_readable(folder), None, clock=clock, settings=settings)
        except BaseException:
            lock.release(clean=False)
            raise
        outbox = cls(folder, device, opened, lock, clock=clock, settings=settings)
        outbox.settle_in(opened.detail)
        return outbox

    @classmethod
    def open_for_reading(cls, folder: Path, device: str, *, clock: DeviceClock, budget_bytes: int) -> "Outbox":
        """Look into an outbox without touching it, also while an agent runs.

        Raises:
            FutureSchema: a newer version wrote it.
            NotKept: there is nothing to read.
        """
        settings = Settings("", budget_bytes, HOLD_DEFAULT_MS, os.urandom)
        return cls(folder, device, open_readable(folder), None, clock=clock, settings=settings)

    def settle_in(self, detail: str) -> None:
        """What `open` does for writing; none of it may keep the agent from starting."""
        with suppress(OSError, StoreDamaged):
            self.files.prepare()
            self.files.remove_strays(self.database.read(blobs.digests), self.clock.now().at_ms - STRAY_AFTER_MS)
        if not self._ballast.restore():
            self._run_full()
        try:
            self._write(lambda c: self._scribe.state_damage(c, detail))
            self.level = level_of(self.used_bytes(), self.budget_bytes, self.level, disk_full=self._disk_full)
            self._witness.write()
        except StoreDamaged as error:
            self._damage = str(error)
        except NotKept as error:
            log.warning("not_settled_in", why=error)
        if self._damage is not None:
            self.repair()

    def close(self) -> None:
        """Close in order. Nothing is lost without it; the next start then looks for damage."""
        if self._lock is None:
            self.database.close()
            return
        self._witness.write()
        clean = self.database.close()
        self._lock.release(clean=clean and self._damage is None)
        self._lock = None

    @property
    def broken(self) -> bool:
        """The disk did not take a flush: the process must end and start again."""
        return self.database.broken or self.files.broken

    # -- capture ---------------------------------------------------------------------------------------------------

    def append(
        self,
        events: Sequence[Event],
        *,
        actor: str,
        stamp: Stamp,
        request_id: bytes | None = None,
        blobs: Sequence[bytes] = (),
        readings: Sequence[SensorReading] = (),
        beside: Callable[[], None] = lambda: None,
    ) -> tuple[Kept, ...]:
        """D1: keep facts, all of them or none; returns when they are on disk.

        Args:
            events: What happened, in order.
            actor: Who did it.
            stamp: When.
            request_id: 16 bytes that name this request; a repeat is answered with the first result.
            blobs: Adopted attachments of each fact; those that a proof names need not be listed.
            readings: Measurements that belong into the same transaction, such as the one that starts an alarm.
            beside: Writes to the shelf that belong into the same transaction.

        Raises:
            NotKept: nothing of it is on disk; the message is a sentence for the person.
        """
        drafts = [Draft(e, actor, stamp, self.boot, attachments(e, blobs)) for e in events]

        def job(connection: sqlite3.Connection) -> tuple[Kept, ...]:
            if before := answered(connection, request_id):
                return before
            beside()
            for reading in readings:
                self._scribe.add(connection, reading, dropped=self._dropped)
            if any(isinstance(event, Alarm | Status) for event in events):
                for block in samples.all_open(connection):
                    if any(ended_by(event, block) for event in events):
                        self._scribe.seal(connection, block, dropped=self._dropped)
            self._scribe.note_blobs(connection, drafts)
            kept = self._scribe.keep(connection, drafts)
            if request_id is not None:
                answer(connection, request_id, kept)
            return kept

        try:
            return self._capture(job)
        except NotKept:
            # What was kept once is said to be kept also when there is no room for more.
            with suppress(StoreDamaged):
                if before := self.database.read(lambda c: answered(c, request_id)):
                    return before
            raise

    def add_readings(self, readings: Sequence[SensorReading]) -> None:
        """Keep measurements until they are sealed into a fact.

        Raises:
            NotKept: none of them is on disk.
        """
        self._add_all(readings)

    def add_positions(self, positions: Sequence[ReceiverPosition]) -> None:
        """Keep positions until they are sealed into a fact.

        Raises:
            NotKept: none of them is on disk.
        """
        self._add_all(positions)

    def _add_all(self, measured: Sequence[Measured]) -> None:
        def job(connection: sqlite3.Connection) -> None:
            for one in measured:
                self._scribe.add(connection, one, dropped=self._dropped)

        self._capture(job)

    def seal_due(self, *, in_contact: bool, seal_ms: int = DEFAULT_SEAL_S * 1000) -> int:
        """Seal the blocks that are due; how many were.

        Raises:
            NotKept: none was sealed; their samples stay.
        """
        mono_ms = self.clock.now().mono_ms

        def job(connection: sqlite3.Connection) -> int:
            due = [
                block
                for block in samples.all_open(connection)
                if is_due(block, mono_ms, self.boot, in_contact=in_contact, seal_ms=seal_ms)
            ]
            for block in due:
                self._scribe.seal(connection, block, dropped=self._dropped)
            return len(due)

        return self._capture(job)

    @property
    def _dropped(self) -> str | None:
        """P4: telemetry that there is no room for is still a position with its cause."""
        return "storage_full" if at_least(self.level, Level.STOPPED) else None

    def _capture(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Write something new, if there is room for it."""
        if self._disk_full:
            self._look_for_room()
        if self._disk_full or self.level is Level.REFUSING:
            raise not_kept(Cause.FULL)
        return self._write(job)

    def _look_for_room(self) -> None:
        """Whether the disk takes something again: what the WAL holds, and the reserve."""
        if self.database.relieve() and self._ballast.restore():
            self._disk_full = False
            self.level = level_of(self.used_bytes(), self.budget_bytes, Level.REFUSING, disk_full=False)

    def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        try:
            result = self._write_or_make_room(job)
        except NotKept as error:
            if error.cause is Cause.DAMAGED:
                self._damage = str(error.__cause__)
            raise
        except StoreDamaged as error:
            self._damage = str(error)
            raise not_kept(Cause.DAMAGED) from error
        if self.database.cramped:
            self._run_full()
        self._witness.write_if_due()
        return result

    def _write_or_make_room(self, job: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self.database.write(job)
        except NotKept as error:
            if error.cause is not Cause.FULL:
                raise
        # Often only the WAL found no room; moved into the main file, it takes none.
        if self.database.checkpoint():
            with suppress(NotKept):
                return self.database.write(job)
        self._run_full()
        raise not_kept(Cause.FULL)

    def _run_full(self) -> None:
        self._disk_full = True
        self.level = Level.REFUSING
        self._ballast.drop()

    def adopt_blob(self, path: Path) -> bytes:
        """Take over a file from `incoming/` as an attachment; its SHA-256 is returned. Then append the fact that names it.

        Raises:
            NotKept: not on disk; the file is where it was.
        """
        return self.files.adopt(path)

    # -- what the protocol asks for --------------------------------------------------------------------------------

    def note_sent(self, lane: Lane, n: int) -> None:
        """Positions up to `n` were published; remembered with the next acknowledgement, for `status` only."""
        self._sent[lane] = max(self._sent[lane], n)

    def apply(self, actions: Sequence[WriteAction]) -> None:
        """Carry out the writes of one turn of the protocol, in one transaction.

        Where the disk takes nothing (full or read-only) nothing is changed and sending goes on: the protocol remembers for
        its connection what the hub said, and asks again before anything may be let go.

        Raises:
            NotKept: nothing was changed, for another reason than these.
        """
        word: HubWord | None = None

        def job(connection: sqlite3.Connection) -> None:
            nonlocal word
            word = HubWord(self._scribe, self._places, self.clock, self._sent)
            word.apply_all(connection, actions)

        try:
            if self._disk_full:
                self._apply_small(actions)
            else:
                self._write(job)
        except NotKept as error:
            if error.cause not in (Cause.FULL, Cause.READ_ONLY):
                raise
            log.info("not_noted", why=error)
            return
        if word is not None:
            self._settle(word)

    def _settle(self, word: HubWord) -> None:
        for fix in word.fixes:
            self.clock.adopt(fix)
        self.files.remove(word.gone)

    def _apply_small(self, actions: Sequence[WriteAction]) -> None:
        """On a full disk: letting go first, a few rows at a time, each moved into the main file at once."""
        identities = [identity for a in actions if isinstance(a, Release) for identity in a.identities]
        parts: list[WriteAction] = [
            Release(tuple(identities[start : start + SMALL_RELEASE]))
            for start in range(0, len(identities), SMALL_RELEASE)
        ]
        parts += [action for action in actions if not isinstance(action, Release | FixClock)]
        for part in parts:
            word = HubWord(self._scribe, self._places, self.clock, self._sent)
            self._write_small(partial(word.apply_all, actions=(part,)))
            self._settle(word)

    def _write_small(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """On a full disk, where the reserve that was given up is all the room there is."""
        result = self.database.write(job)
        # Only after the file got shorter may what the WAL holds have room in it.
        self.database.vacuum()
        self.database.checkpoint()
        return result

    def reincarnate(self, reason: str) -> None:
        """Begin a new incarnation and chain under it all that is kept, with its old identity; then hand `Replaced` in.

        Raises:
            NotKept: nothing was changed.
        """

        def job(connection: sqlite3.Connection) -> None:
            chain.begin(connection, self.device, self._entropy(INCARNATION_BYTES), reason)
            self._scribe.forget_heads()
            self._scribe.state_damage(connection, "")

        with self.turn:
            try:
                self._write(job)
            except NotKept as error:
                if error.cause is not Cause.FULL:
                    raise
                self._write_small(job)
            self._start_over()
            log.warning("new_incarnation", reason=reason, say="Everything that is kept is sent again.")
            with suppress(NotKept):
                # What finds no room now is carried on by `maintain`.
                self._carry()

    def _carry(self) -> None:
        try:
            carry_all(self.database, self._scribe.forget_heads)
        except NotKept as error:
            if error.cause is not Cause.FULL:
                raise
            self._run_full()
            carry_all(self.database, self._scribe.forget_heads)

    def repair(self) -> None:
        """Rebuild the database from what can be read of it, under a new incarnation; then hand `Replaced` in.

        Call it when a view method raised `StoreDamaged`; `maintain` does when a capture met damage.

        Raises:
            NotKept: it could not be rebuilt; the process must end.
            OSError: the same.
        """
        if self._lock is None:
            raise not_kept(Cause.READ_ONLY)
        opening = Opening(self.folder, self.device, lambda: self._entropy(INCARNATION_BYTES), self.clock.now().at_ms)
        with self.turn:
            detail = self.database.replace(lambda: opening.rebuild(self._damage or "what is stored contradicts itself"))
            self._damage = None
            self._write(lambda c: self._scribe.state_damage(c, detail))
            self._start_over()

    def _start_over(self) -> None:
        self._sent = dict.fromkeys(Lane, 0)
        self._places.clear()
        self._thinner.start_over()
        self._witness.write()

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def maintain(self) -> None:
        """What is done about once a second: repair, clock steps, room, witness. Call it outside of `turn`, or holding it.

        Raises:
            NotKept: something could not be written; it is tried again the next time.
        """
        if self._lock is None:
            return
        if self._damage is not None:
            self.repair()
        self._carry()
        if (step := self.clock.step()) is not None:
            self.append([Status(step)], actor="", stamp=self.clock.stamp())
        self._mind_room()
        self._witness.write_if_due()

    def _mind_room(self) -> None:
        if self._disk_full:
            self._look_for_room()
        level = level_of(self.used_bytes(), self.budget_bytes, self.level, disk_full=self._disk_full)
        self.level = level
        if level is not self._stated_level:
            log.warning("storage_level", storage=level, free_bytes=self.room_bytes())
            self._stated_level = level
            pressure = self._scribe.status(StoragePressure(level, self.room_bytes()))
            self._write(lambda c: self._scribe.keep(c, [pressure]))
        if at_least(level, Level.THINNING):
            self._thinner.some(self.limits, self._write)
        self._write(forget_answers)
        if self.database.free_pages() > FREE_PAGES_KEPT:
            self.database.vacuum()
