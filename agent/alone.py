"""The device while no agent runs on it: what a command tells and does in the agent's place."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from agent.clock import DeviceClock
from agent.config import AgentConfig
from agent.config_edit import add_driver
from agent.desk import Desk
from agent.drivers.health import State
from agent.guard import Guard
from agent.inbox import Inbox
from agent.manifest import DocumentPlan
from agent.outbox import Outbox
from agent.parts import NO_HUB, build_capture, build_guard, open_inbox, open_outbox, ports_of, read_outbox
from agent.status import Remembered, closed, device_status, recall
from agent.version import VERSION
from contract import local
from contract.delivery.device_states import Link
from contract.event import Alarm


class Alone:
    """The house of a desk whose agent does not run."""

    def __init__(self, config: AgentConfig, path: Path, outbox: Outbox, inbox: Inbox, guard: Guard) -> None:
        self._config = config
        self._path = path
        self._outbox = outbox
        self._inbox = inbox
        self._guard = guard

    def _known(self) -> Remembered:
        """What the last agent knew, with the drivers that are configured now."""
        before = recall(self._config.device.data)
        seen = {driver.name: driver for driver in closed(before.drivers)}
        drivers = tuple(
            seen.get(d.name, local.DriverStatus(d.name, d.kind, d.port, State.CLOSED.value))
            for d in self._config.drivers
        )
        return Remembered(before.last_contact_at_ms, before.actor, drivers)

    def status(self) -> local.DeviceStatus:
        """How the device is."""
        return device_status(
            self._config.device.id,
            VERSION,
            self._outbox.summary(),
            running=False,
            link=NO_HUB if self._config.device.hub is None else Link.OFFLINE.value,
            remembered=self._known(),
            documents=self._inbox.versions(),
            cold=self._guard.told(),
        )

    def drivers(self) -> local.Drivers:
        """How the drivers were."""
        return local.Drivers(self._known().drivers, ports_of(self._config))

    def add_driver(self, toml: str) -> None:
        """Write a driver into the configuration.

        Raises:
            ConfigError: it would not be a valid configuration.
        """
        add_driver(self._path, toml)

    def recorded(self) -> None:
        """The agent will send it when it runs."""

    def stated(self, alarms: Sequence[Alarm]) -> None:
        """Nobody follows."""


@contextmanager
def desk_alone(config: AgentConfig, path: Path, *, write: bool) -> Iterator[Desk]:
    """The desk of a device whose agent does not run.

    Raises:
        FolderInUse: an agent came first (`write` only).
        FutureSchema, NotKept: as `open_outbox`.
    """
    clock = DeviceClock.of_system()
    outbox = open_outbox(config, clock) if write else read_outbox(config, clock)
    try:
        inbox = open_inbox(lambda: outbox.shelf)
        plan = DocumentPlan()
        plan.resume(inbox.get)
        capture = build_capture(config, outbox, clock, lambda: None, plan)
        # Documents are taken up by the agent; here only what it judged so far is told.
        capture.guard = build_guard(outbox, clock, None)
        house = Alone(config, path, outbox, inbox, capture.guard)
        yield Desk(outbox=outbox, capture=capture, clock=clock, inbox=inbox, house=house)
    finally:
        outbox.close()
