"""A device's process around the shipped core: it carries out actions as the contract asks, and may die between any two.

The rules are those of `agent/uplink.py` and `agent/outbox.py`.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from agent.backoff import Backoff
from agent.clock import DeviceClock, Stamp
from agent.room import Level, at_least
from contract.delivery.device import DeviceProtocol
from contract.delivery.device_actions import (
    Action,
    BlobStored,
    FixClock,
    Reconnect,
    Reincarnate,
    Release,
    ReleaseBlobs,
    Send,
    StoreDocument,
)
from contract.delivery.device_states import (
    Appended,
    Connected,
    Disconnected,
    Event,
    Link,
    Now,
    Received,
    Replaced,
    Tick,
)
from contract.errors import ContractError
from contract.event import Booted, Lane, Status, StoragePressure
from contract.event import Event as AnyEvent
from contract.messages import Down, Welcome, decode_down, encode_message
from contract.statement import Direction, seal, unseal
from tests.simulation.clocks import Chance, Clocks
from tests.simulation.disk import Disk
from tests.simulation.hub import key_of
from tests.simulation.network import Network
from tests.simulation.truth import Truth
from tests.simulation.watcher import Watcher
from tests.simulation.world import World, short

T = TypeVar("T")

UPKEEP_MS = 10_000
CONNECT_MS = 60
ANSWER_TIMEOUT_MS = 15_000
RESTART_MS = 1_500
WITNESS_MS = 1_000
NEEDS_ROOM = ("boot", "capture", "thinning", "new incarnation")


class DiedError(Exception):
    """The process ended here."""


class NotKeptError(Exception):
    """The disk did not take it."""


class SimDevice:
    """One device: its disk, and its process while it is on."""

    def __init__(self, world: World, network: Network, truth: Truth, disk: Disk, label: str) -> None:
        self.world = world
        self.network = network
        self.truth = truth
        self.disk = disk
        self.name = disk.device
        self.label = label
        self.random = world.random(label)
        disk.random = self.random
        self.clocks = Clocks(world, self.random.randrange(-40, 41))
        self.on = False
        self.crash_at: tuple[str, bool] | None = None
        """Where the process dies next, and whether the power goes with it."""
        self.full = self.read_only = False
        self.busy_writes = 0
        self.boots = 0
        self.greeted_ms: int | None = None
        """When the hub was last heard to answer a hello."""
        self._key = key_of(self.name)
        self._watcher = Watcher(world, truth, lambda: self.disk, label)
        self._epoch = 0
        self._wake_at: int | None = None
        self._retry_pending = False
        truth.holders.append(self._holds)

    def _holds(self) -> set[bytes]:
        return self.disk.holds()

    # -- power -----------------------------------------------------------------------------------------------------

    def boot(self, *, cold: bool = True) -> None:
        """Start the process; `cold` where the machine was off."""
        if self.on:
            return
        disk = self.disk
        self.on = True
        self.boots += 1
        self._epoch += 1
        if cold or disk.boot == b"":
            disk.boot = self.random.randbytes(16)
            self.clocks.boot()
        disk.clock = DeviceClock(disk.boot, self.clocks)
        self._protocol = DeviceProtocol(disk, Chance(self.random))
        self._backoff = Backoff(self.random.random)
        self._wake_at = None
        self._witness_due_ms = 0
        self._watcher.start_over()
        self.world.tell(self.label, " starts")
        if disk.is_behind_witness():
            self.world.tell(self.label, " finds its database behind its witness")
            self.world.took_effect("witness_ahead")
            disk.reincarnate("database_behind_witness")
        disk.state_damage()
        self._guarded(self._settle_in)
        self._later(UPKEEP_MS, self._upkeep)
        self._later(int(self.random.random() * 500), self._connect)

    def _settle_in(self) -> None:
        self.disk.look_at_room(disk_full=self.full)
        self._witness()
        if not (self.full or self.read_only):
            self._commit("boot", lambda: self.disk.state(Status(Booted("1.0")), self._stamp()))

    def die(self, why: str, *, power: bool, restart_ms: int = RESTART_MS) -> None:
        """The process ends; with the power goes what was not synced."""
        if not self.on:
            return
        self.world.tell(self.label, " dies ", why, ", the power with it" if power else "")
        self.on = False
        self._epoch += 1
        self.network.leave(self)
        self.crash_at = None
        if power and self.disk.witness != self.disk.witness_synced and self.random.random() < 0.7:
            self.world.took_effect("unsynced_lost")
            self.disk.witness = self.disk.witness_synced if self.random.random() < 0.7 else None
        self.disk.witness_synced = self.disk.witness
        if restart_ms:
            self.world.after(restart_ms, self._restart, power)

    def _restart(self, cold: bool) -> None:
        self.boot(cold=cold)

    def _dies_at(self, point: str) -> None:
        if self.crash_at is not None and self.crash_at[0] == point:
            power = self.crash_at[1]
            self.world.took_effect("power_cut" if power else "device_killed")
            self.die(f"{point}", power=power)
            raise DiedError

    def _later(self, delay_ms: int, act: Callable[[], None]) -> None:
        self.world.after(delay_ms, self._if_still, self._epoch, act)

    def _if_still(self, epoch: int, act: Callable[[], None]) -> None:
        if epoch == self._epoch and self.on:
            self._guarded(act)

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Whether it was carried through."""
        try:
            act()
        except DiedError:
            return False
        except NotKeptError as error:
            self._lose(str(error))
            return False
        return True

    # -- the disk --------------------------------------------------------------------------------------------------

    def _stamp(self) -> Stamp:
        assert self.disk.clock is not None
        return self.disk.clock.stamp()

    def _now(self) -> Now:
        assert self.disk.clock is not None
        return self.disk.clock.now()

    def _commit(self, what: str, job: Callable[[], T]) -> T:
        """One transaction with its flush: all of it is on disk behind this, or nothing."""
        self._dies_at(f"before the commit of a {what}")
        if self.read_only or (self.full and what in NEEDS_ROOM):
            raise NotKeptError("the disk takes nothing")
        if self.busy_writes:
            self.busy_writes -= 1
            self.world.took_effect("disk_busy")
            raise NotKeptError("another program holds the database")
        result = job()
        self._dies_at(f"after the commit of a {what}")
        if self.world.now_ms >= self._witness_due_ms:
            self._witness()
        return result

    def _witness(self) -> None:
        self._witness_due_ms = self.world.now_ms + WITNESS_MS
        if self.disk.witness is not None and self.random.random() < 0.5:
            # The system flushes by itself some seconds later.
            self.disk.witness_synced = self.disk.witness
        self.disk.write_witness()

    def capture(self, *events: AnyEvent, photo: bytes = b"", name: bytes = b"") -> bool:
        """A person or a driver hands something in; whether it was told that all of it is kept."""
        return self.on and self._guarded_capture(events, photo, name)

    def _guarded_capture(self, events: Sequence[AnyEvent], photo: bytes, name: bytes) -> bool:
        try:
            made = self._capture(events, photo, name)
            # The answer comes after the commit.
            self._dies_at("before it answers that it kept something")
        except DiedError:
            return False
        except NotKeptError as error:
            self.world.tell(self.label, " refuses: ", error)
            return False
        self.truth.kept.update(made)
        if name:
            self.truth.blobs[name] = made[0]
        self.world.tell(
            self.label,
            " keeps ",
            ", ".join(f"{short(i)} ({type(e).__name__.lower()})" for i, e in zip(made, events, strict=True)),
        )
        self._guarded(self._appended)
        return True

    def _capture(self, events: Sequence[AnyEvent], photo: bytes, name: bytes) -> list[bytes]:
        disk = self.disk
        if self.full or self.read_only or disk.level is Level.REFUSING:
            self.world.took_effect("capture_refused")
            raise NotKeptError("the disk is full or read-only")
        dropped = "storage_full" if at_least(disk.level, Level.STOPPED) else None
        if name:
            # Hashed, flushed and renamed before the fact that names it.
            disk.files[name] = photo
            self._dies_at("after an attachment, before its fact")

        def job() -> list[bytes]:
            stamp = self._stamp()
            if name:
                disk.adopt({name: photo}, stamp.at_ms)
            made = []
            for event in events:
                is_telemetry = hasattr(event, "columns")
                drop = dropped if is_telemetry else None
                if drop:
                    self.world.took_effect("telemetry_dropped")
                made.append(disk.state(event, stamp, (name,) if name else (), drop))
            return made

        return self._commit("capture", job)

    def put_raw(self, lane: Lane, core: bytes, kind: str) -> None:
        """A broken program chains bytes that it should not."""
        if not self.on:
            return
        at_ms = self._stamp().at_ms

        def job() -> None:
            identity = self.disk.put(lane, core, at_ms)
            self.truth.unfit.add(identity)
            self.world.took_effect(kind)
            self.world.tell(self.label, " keeps it: ", short(identity))

        def act() -> None:
            self._commit("capture", job)
            self._appended()

        self._guarded(act)

    def look_after_itself(self) -> None:
        """The upkeep that comes anyway, now."""
        if self.on:
            self._guarded(self._maintain)

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def _upkeep(self) -> None:
        self._later(UPKEEP_MS, self._upkeep)
        try:
            self._maintain()
        except NotKeptError:
            return

    def _maintain(self) -> None:
        disk = self.disk
        assert disk.clock is not None
        if not (self.full or self.read_only) and (step := disk.clock.step()) is not None:
            self.world.took_effect("device_clock_jump")
            self._commit("capture", lambda: disk.state(Status(step), self._stamp()))
        disk.look_at_room(disk_full=self.full)
        if disk.level is not disk.stated_level and not (self.full or self.read_only):
            disk.stated_level = disk.level
            pressure = Status(StoragePressure(disk.level, 1))
            self.world.tell(self.label, " has storage level ", disk.level.value)
            self._commit("capture", lambda: disk.state(pressure, self._stamp()))
        if at_least(disk.level, Level.THINNING) and not self.read_only:
            while (put_in_place := disk.next_to_thin()) is not None:
                self._commit("thinning", put_in_place)
                self.world.took_effect("thinned")
        self._witness()
        self._appended()

    # -- the connection --------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        self._retry_pending = False
        if self.network.connect(self):
            self._later(CONNECT_MS, self._opened)
        elif self.network.broker_up:
            self._later(ANSWER_TIMEOUT_MS, self._unanswered)
        else:
            self._lose("the broker is away")

    def _unanswered(self) -> None:
        self._lose("no answer from the broker")

    def _opened(self) -> None:
        if self in self.network.connected and self._protocol.link is Link.OFFLINE:
            self._feed(Connected())

    def hang_up(self, why: str) -> None:
        """The network ended the connection."""
        if self.on:
            self._guarded(lambda: self._lose(why))

    def _lose(self, why: str) -> None:
        self.network.leave(self)
        if self._protocol.link is not Link.OFFLINE:
            self.world.tell(self.label, " loses contact: ", why)
        self._protocol.handle(Disconnected(), self._now())
        self._watcher.start_over()
        if not self._retry_pending:
            self._retry_pending = True
            self._later(self._backoff.next_ms(), self._connect)

    def hear(self, payload: bytes) -> None:
        """A statement came down."""
        if not self.on or self._protocol.link is Link.OFFLINE:
            return
        try:
            message = decode_down(unseal(self._key, Direction.DOWN, self.name, payload))
        except ContractError:
            self.world.took_effect("forged_down")
            return
        self._guarded(lambda: self._heard(message))

    def _heard(self, message: Down) -> None:
        if isinstance(message, Welcome):
            self._dies_at("when a welcome comes")
        self._watcher.hear(message, self._now().mono_ms, synced=self._protocol.link is Link.SYNCED)
        try:
            self._feed(Received(message))
        finally:
            self._watcher.hearing = None

    # -- the protocol ----------------------------------------------------------------------------------------------

    def _appended(self) -> None:
        self._feed(Appended())

    def _tick(self) -> None:
        self._wake_at = None
        due_ms = self._protocol.next_wakeup_ms()
        if due_ms is None:
            return
        if due_ms <= self._now().mono_ms:
            self._feed(Tick())
        else:
            self._schedule()

    def _schedule(self) -> None:
        if not self.on:
            return
        due_ms = self._protocol.next_wakeup_ms()
        if due_ms is None:
            return
        # A little later than its clock would say, because that may run slow.
        wait_ms = max(due_ms - self._now().mono_ms, 0)
        at_ms = self.world.now_ms + wait_ms + wait_ms // 10_000 + 1
        if self._wake_at is None or at_ms < self._wake_at:
            self._wake_at = at_ms
            self._later(at_ms - self.world.now_ms, self._tick)

    def _feed(self, event: Event) -> None:
        if self.disk.clock is None:
            return
        now = self._now()
        self._carry_out(self._protocol.handle(event, now))
        self._schedule()

    def _carry_out(self, actions: Sequence[Action]) -> None:
        writes = [a for a in actions if not isinstance(a, Send | Reincarnate | Reconnect | StoreDocument)]
        if writes:
            self._watcher.look_at_writes(writes)
            if self._watcher.heard_before_a_disaster():
                with self.truth.losing("the hub was lost while its word was on its way"):
                    self._apply(writes)
            else:
                self._apply(writes)
        again = any(isinstance(a, BlobStored) and not a.stored for a in writes)
        for action in actions:
            match action:
                case Send(message):
                    self._watcher.look_at_message(message, self._now().mono_ms)
                    self._dies_at("between commit and send")
                    payload = seal(self._key, Direction.UP, self.name, encode_message(message))
                    self.world.trace(self.label, payload)
                    self.network.up(self, payload)
                case Reincarnate(reason):
                    self.world.tell(self.label, " begins a new incarnation: ", reason)
                    self.world.took_effect(f"began_anew_{reason}")
                    self._commit("new incarnation", lambda: self.disk.reincarnate(reason))
                    self._witness()
                    # As after a reconnect, the next welcome says anew what the hub can take.
                    self._watcher.start_over()
                    self._feed(Replaced())
                case Reconnect(why):
                    self._lose(why)
                case _:
                    pass
        if any(isinstance(a, FixClock) for a in writes):
            self.greeted_ms = self.world.now_ms
            self._backoff.reset()
        if again:
            self._appended()

    def _apply(self, writes: Sequence[Action]) -> None:
        if self.read_only:
            self.world.took_effect("disk_read_only")
            return
        if self.full:
            # A few rows at a time, and nothing that takes room.
            self.world.took_effect("disk_full")
            for action in writes:
                if not isinstance(action, FixClock):
                    self._commit("piece of the hub's word", lambda a=action: self.disk.carry_out(a))  # type: ignore[misc]  # bound now
            return
        what = "release" if any(isinstance(a, Release | ReleaseBlobs) for a in writes) else "hub's word"

        def job() -> None:
            for action in writes:
                self.disk.carry_out(action)

        self._commit(what, job)
