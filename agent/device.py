"""The running device: store, capture, drivers, uplink and local socket put together. The one place that knows them all."""

import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from agent.clock import DeviceClock
from agent.config import AgentConfig, DriverConfig
from agent.config_edit import add_driver
from agent.desk import Desk, delete_forgotten
from agent.drivers.health import State
from agent.drivers.shell import DriverShell
from agent.guard import DOCUMENT, NoGuard
from agent.happenings import Happenings
from agent.inbox import StoredDocument
from agent.log import Log, log_crash
from agent.manifest import DocumentPlan
from agent.parts import NO_HUB, build_capture, build_guard, interval_ms_of, open_inbox, open_outbox, port_of, ports_of
from agent.socket import LocalServer
from agent.status import Remembered, device_status, driver_status, recall, remember
from agent.store.errors import NotKept, StoreError
from agent.uplink import SystemEntropy, Uplink
from agent.version import VERSION
from agent.watch import Watch
from contract import local
from contract.delivery.device_states import Link
from contract.event import Alarm, Booted, Damage, Status
from contract.limits import MAX_TEXT_CHARS
from contract.statement import password_of

SIGNAL_S: Final = 1.0
"""A signal is heard that late at most."""
UPKEEP_S: Final = 1.0
REMEMBER_TURNS: Final = 10
"""Counters are written down this often, in turns of upkeep; a changed link at once."""
FIRST_TRY_S: Final = 2.0
"""Ports that take longer to open are counted as known later; the outbox does not wait for them."""
DRIVER_PAUSE_S: Final = 5.0
"""A driver that crashed is started again after this."""
UPLINK_PAUSE_S: Final = 1.0
UPLINK_END_S: Final = 2.0
"""An uplink that is still looking up a name is left behind; it holds nothing."""


class Agent:
    """The running device."""

    def __init__(self, config: AgentConfig, path: Path) -> None:
        """Open the store; nothing moves yet.

        Raises:
            FolderInUse, FutureSchema, NotKept: as `open_outbox`.
        """
        self._config = config
        self._path = path
        self._folder = config.device.data
        self._log = Log("agent")
        self._clock = DeviceClock.of_system()
        self._stopping = threading.Event()
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.failure: str | None = None
        """Why the agent had to end by itself."""
        self._outbox = open_outbox(config, self._clock)
        self._before = recall(self._folder)
        self._happenings = Happenings()
        self._inbox = open_inbox(lambda: self._outbox.shelf, self._document_arrived)
        self._plan = DocumentPlan(self._state_refusal)
        self._plan.resume(self._inbox.get)
        self._capture = build_capture(config, self._outbox, self._clock, self._appended, self._plan)
        self._watch = Watch(config.device.id, self._capture, self._clock, self._happenings)
        self._outbox.documents = self._inbox.versions
        self._outbox.snapshot = self._watch.latest
        self._desk = Desk(outbox=self._outbox, capture=self._capture, clock=self._clock, inbox=self._inbox, house=self)
        self._uplink = self._new_uplink()
        self._drivers: dict[str, DriverShell] = {}
        self._server = LocalServer(self._folder, self._answer, self._happenings, self._present)
        self._threads: list[threading.Thread] = []
        self._remember_now = threading.Event()
        self._guarding = threading.Lock()
        self._guarded = False
        self._cold_told: tuple[local.SensorCold, ...] = ()

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything; returns when the drivers are open, or known to be missing."""
        from agent.feedback import AlarmTone, build_feedback  # noqa: PLC0415 sound costs 4 ms that other commands can save

        threading.excepthook = log_crash
        self._state_start()
        self._feedback = build_feedback(self._config.feedback)
        self._feedback.start()
        self._tone = AlarmTone(self._feedback.signal)
        self._begin_guard()
        for driver in self._config.drivers:
            self._start_driver(driver)
        try:
            self._server.start()
        except OSError as error:
            # On a read-only disk what is kept can still be sent.
            self._log.warning("no_local_socket", why=error)
        self._begin("upkeep", self._upkeep)
        if self._uplink is not None:
            self._begin("uplink", self._speak)
        until_s = time.monotonic() + FIRST_TRY_S
        for shell in tuple(self._drivers.values()):
            shell.wait_tried(max(0.0, until_s - time.monotonic()))
        self._log.info("ready", device=self._config.device.id, folder=self._folder)

    def wait(self) -> None:
        """Wait until `end` is called."""
        # Not for the event: a signal handler that sets it while this thread holds its lock would wait for itself. And not for
        # ever: a signal that another thread gets, or that comes just before this one sleeps, does not wake it.
        while not self._stopping.is_set():
            with suppress(queue.Empty):
                self._ended.get(timeout=SIGNAL_S)

    def end(self, failure: str | None = None) -> None:
        """Ask the agent to end; from any thread or a signal handler."""
        self.failure = self.failure or failure
        self._stopping.set()
        self._ended.put(None)

    def stop(self) -> None:
        """End everything in order: no new facts, then no more sending, then the store."""
        self.end()
        if self._uplink is not None:
            self._uplink.wake()
        shells = tuple(self._drivers.values())
        for shell in shells:
            shell.stop()
        self._server.stop()
        for shell in shells:
            shell.join()
        for thread in self._threads:
            thread.join(timeout=UPLINK_END_S)
        if self._uplink is not None and not any(thread.is_alive() for thread in self._threads):
            self._uplink.release()
        self._feedback.stop()
        self._remember()
        self._outbox.close()
        self._log.info("stopped")

    def _begin(self, name: str, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _state_start(self) -> None:
        try:
            self._outbox.append((Status(Booted(VERSION)),), actor="", stamp=self._clock.stamp())
        except NotKept as error:
            # The disk may be full of what is still to be sent: go on and send it.
            self._log.warning("start_not_stated", why=error)
        with suppress(OSError, StoreError):
            delete_forgotten(self._outbox.files.incoming, self._outbox.shelf, time.time())

    # -- cold guard ------------------------------------------------------------------------------------------------

    def _begin_guard(self) -> None:
        """Where sensors have profiles, judge them; a database that cannot be read now is read after its repair."""
        with self._guarding, suppress(StoreError):
            if isinstance(self._capture.guard, NoGuard):
                document = self._inbox.get(DOCUMENT)
                self._capture.guard = build_guard(self._outbox, self._clock, document, self.stated)
            self._guarded = True

    def _guard_by(self, document: StoredDocument) -> None:
        before = self._capture.guard
        self._begin_guard()
        if self._capture.guard is before:
            before.arrived(document)

    def stated(self, alarms: Sequence[Alarm]) -> None:
        """Phases of alarms were kept: sound, and tell those who follow."""
        for alarm in alarms:
            self._happenings.tell(local.AlarmHappened(alarm))
        self._tone.mind(sounding=self._capture.guard.sounding())
        self._tell_cold()

    def _tell_cold(self) -> None:
        if not self._happenings.followed:
            return
        told = self._capture.guard.told()
        if told != self._cold_told:
            self._cold_told = told
            self._happenings.tell(local.ColdHappened(told))

    def _keep_guard(self) -> None:
        if not self._guarded:
            self._begin_guard()
        guard = self._capture.guard
        self._tone.mind(sounding=guard.sounding())
        self._tell_cold()
        guard.look()

    # -- drivers ---------------------------------------------------------------------------------------------------

    def _start_driver(self, config: DriverConfig) -> None:
        from agent.drivers.registry import build_driver  # noqa: PLC0415 pyserial is loaded where there is a driver

        shell = DriverShell(build_driver(config), self._watch, feedback=self._feedback.signal)
        self._drivers[config.name] = shell
        shell.start()

    def _restart_crashed(self) -> None:
        """A thread that ended although nobody asked it to was ended by a fault of ours; the others never notice."""
        for config in self._config.drivers:
            shell = self._drivers[config.name]
            health = shell.health()
            if shell.wait_tried(0) and health.state is State.CLOSED and health.state_age_s > DRIVER_PAUSE_S:
                self._log.error("driver_restarted", driver=config.name)
                self._start_driver(config)

    # -- uplink ----------------------------------------------------------------------------------------------------

    def _new_uplink(self) -> Uplink | None:
        device = self._config.device
        if device.hub is None or device.credential is None:
            return None
        from agent.mqtt import MqttWire, trust  # noqa: PLC0415 not needed without a hub

        ca_file = self._config.uplink.ca_file
        wire = MqttWire(
            device.hub.host,
            device.hub.port,
            device=device.id,
            password=password_of(device.credential),
            # New for each process and never taken for identity, so that clones are online together and are seen.
            client_id=f"{device.id}-{os.urandom(8).hex()}",
            tls=(lambda: trust(ca_file)) if device.hub.tls else None,
        )
        return Uplink(
            device=device.id,
            key=device.credential,
            store=self._outbox,
            inbox=self._inbox,
            clock=self._clock,
            wire=wire,
            entropy=SystemEntropy(),
            latest=self._watch.latest,
            live_ms=self._config.uplink.live_s * 1000,
            changed=self._link_changed,
            broken=self.end,
        )

    def _speak(self) -> None:
        uplink = self._uplink
        while uplink is not None and not self._stopping.is_set():
            try:
                uplink.run(self._stopping)
            except Exception as error:  # noqa: BLE001 a fault in the uplink must not end capture: say it and begin anew
                self._log.crash("uplink_crashed", error)
                uplink.recover()
                self._stopping.wait(UPLINK_PAUSE_S)

    def _appended(self) -> None:
        if self._uplink is not None:
            self._uplink.appended()

    def _link_changed(self, link: Link, last_contact_at_ms: int | None) -> None:
        self._happenings.tell(local.LinkHappened(link.value, last_contact_at_ms))
        self._remember_now.set()

    def _document_arrived(self, kind: str, document: StoredDocument) -> None:
        if kind == DOCUMENT:
            self._guard_by(document)
        self._plan.arrived(kind, document)
        self._happenings.tell(local.DocumentHappened(kind, document.version))

    def _state_refusal(self, why: str) -> None:
        damage = Damage("document_refused", why[:MAX_TEXT_CHARS])
        try:
            self._outbox.append((Status(damage),), actor="", stamp=self._clock.stamp())
        except NotKept as error:
            self._log.warning("refusal_not_stated", why=error)

    # -- upkeep ----------------------------------------------------------------------------------------------------

    def _upkeep(self) -> None:
        turn = 0
        said = ""
        while not self._stopping.wait(UPKEEP_S):
            turn += 1
            try:
                self._keep_up()
                said = ""
            except (StoreError, OSError) as error:
                if str(error) != said:
                    self._log.warning("upkeep_failed", why=error)
                said = str(error)
            if self._outbox.broken:
                self.end(
                    "The device's disk did not take a write; what it says cannot be trusted any more. Restart the agent."
                )
            if self._remember_now.is_set() or turn % REMEMBER_TURNS == 0:
                self._remember_now.clear()
                self._remember()

    def _keep_up(self) -> None:
        in_contact = self._uplink is not None and self._uplink.in_contact
        self._restart_crashed()
        self._outbox.seal_due(in_contact=in_contact, seal_ms=self._config.uplink.seal_s * 1000)
        self._outbox.maintain()
        self._keep_guard()
        if in_contact:
            # Blocks, clock steps and storage levels are facts, too.
            self._appended()

    def _remember(self) -> None:
        with suppress(OSError, StoreError):
            remember(self._folder, self._known())

    def _known(self) -> Remembered:
        now_ms = self._clock.now().at_ms
        seen_ms = self._uplink.last_contact_at_ms if self._uplink is not None else None
        return Remembered(
            last_contact_at_ms=seen_ms if seen_ms is not None else self._before.last_contact_at_ms,
            actor=self._capture.person,
            drivers=tuple(self._driver_status(name, now_ms) for name in tuple(self._drivers)),
        )

    def _driver_status(self, name: str, now_ms: int) -> local.DriverStatus:
        return driver_status(self._drivers[name].health(), now_ms, self._capture.counts_of(name))

    # -- local programs --------------------------------------------------------------------------------------------

    def _answer(self, request: local.Request) -> local.Answer:
        return self._desk.answer(request)

    def _present(self) -> Iterable[local.Happening]:
        link = NO_HUB if self._uplink is None else self._uplink.link.value
        yield local.LinkHappened(link, self._known().last_contact_at_ms)
        yield from self._watch.present()
        yield local.ColdHappened(self._capture.guard.told())

    def status(self) -> local.DeviceStatus:
        """How the device is."""
        return device_status(
            self._config.device.id,
            VERSION,
            self._outbox.summary(),
            running=True,
            link=NO_HUB if self._uplink is None else self._uplink.link.value,
            remembered=self._known(),
            documents=self._inbox.versions(),
            cold=self._capture.guard.told(),
        )

    def drivers(self) -> local.Drivers:
        """How the drivers are."""
        return local.Drivers(self._known().drivers, ports_of(self._config))

    def add_driver(self, toml: str) -> None:
        """Write a driver into the configuration and start it.

        Raises:
            ConfigError: it would not be a valid configuration.
        """
        self._config = add_driver(self._path, toml)
        added = self._config.drivers[-1]
        self._capture.add_port(added.name, port_of(added), interval_ms_of(added))
        self._start_driver(added)

    def recorded(self) -> None:
        """Something was kept: send it."""
        self._appended()
