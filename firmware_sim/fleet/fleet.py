"""Thousands of devices in one thread; told and asked from any other."""

import asyncio
import math
import resource
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from firmware_sim.clock import SystemClock
from firmware_sim.errors import SimulatorError
from firmware_sim.fleet.device import FleetDevice
from firmware_sim.fleet.enrolment import Enrolled
from firmware_sim.fleet.load import Load

T = TypeVar("T")

IDLE: Final = Load()
SWITCHED_ON_PER_S: Final = 500
"""A fleet is not switched on in one instant; a storm has to be asked for."""
OTHER_FILES: Final = 256
LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Tally:
    """What a fleet did so far."""

    devices: int
    in_contact: int
    captured: int
    """Facts, those included that devices state about themselves (started, clock compared)."""
    sent: int
    """Of them, sent at least once."""
    committed: int
    """Of them, acknowledged by the hub."""
    items_sent: int
    """Facts in batches, repeats included."""
    outages: int
    """Connections that were lost, refused or could not be made."""
    dropped: int
    """Messages from the broker that no device could read."""
    bytes_up: int
    """TCP payload, MQTT framing included."""
    bytes_down: int
    latencies_ms: tuple[float, ...]
    """From each capture that was not made before the start to the hub's word that it is committed; sorted."""

    @property
    def waiting(self) -> int:
        """Captured and not yet acknowledged."""
        return self.captured - self.committed


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which that share of an ordered row lies (nearest rank); NaN of an empty row."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


class Fleet:
    """Devices that load a hub. Use as a context manager, or call `start` and `stop`.

    Backlogs are made when the fleet is described; from `start` on the devices connect and deliver; between `run_load` and
    `stop_load` they capture by themselves.
    """

    def __init__(
        self,
        agents: Sequence[Enrolled],
        *,
        hub: str = "",
        load: Load = IDLE,
        seed: int = 1,
        offline_s: float = 0.0,
        start_over_s: float | None = None,
    ) -> None:
        """Describe a fleet.

        Args:
            agents: The devices.
            hub: `mqtt://HOST:PORT` of the broker, or of a relay before it; empty: where each device's own file says.
            load: What each captures by itself.
            seed: Decides everything that is left to chance.
            offline_s: Each comes with the backlog of so many seconds without network.
            start_over_s: How long until all are switched on; None: a second for every 500.
        """
        self._load = load
        self._start_over_s = len(agents) / SWITCHED_ON_PER_S if start_over_s is None else start_over_s
        clock = SystemClock()
        self.devices = [
            FleetDevice(agent, i, load=load, seed=seed, clock=clock, hub=hub, offline_s=offline_s)
            for i, agent in enumerate(agents)
        ]
        """Only for the fleet's own thread while it runs; use `ask`."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._came_back_since_s = 0.0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Connect all devices.

        Raises:
            SimulatorError: This process may not open so many connections.
        """
        _allow_files(len(self.devices) + OTHER_FILES)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fleet", daemon=True)
        self._thread.start()
        self.connect(over_s=self._start_over_s)

    def stop(self) -> None:
        """Disconnect all; what was captured can still be asked for."""
        loop = self._loop
        if loop is not None:
            asyncio.run_coroutine_threadsafe(self._end(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()
            self._loop = None

    # -- telling ---------------------------------------------------------------------------------------------------

    def scan(self, each: int = 1) -> None:
        """Let each device scan now."""
        self.ask(lambda: self._each(lambda device: device.scan(each)))

    def run_load(self) -> None:
        """Let each capture by itself from now on."""
        self.ask(lambda: self._each(FleetDevice.run_load))

    def stop_load(self) -> None:
        """Let none capture by itself any more; deliveries go on."""
        self.ask(lambda: self._each(FleetDevice.stop_load))

    def disconnect(self) -> None:
        """Take the network from all devices until `connect`."""
        self.ask(lambda: self._each(FleetDevice.disconnect))

    def connect(self, *, over_s: float = 0.0) -> None:
        """Let all connect, evenly over some time; 0: all in one instant."""

        def connect_all() -> None:
            for i, device in enumerate(self.devices):
                device.connect(over_s * i / len(self.devices))

        self.expect_outage()
        self.ask(connect_all)

    def storm(self) -> None:
        """Break all connections in one instant; each device comes back as fast as its own back-off lets it."""
        self.expect_outage()
        self.ask(lambda: self._each(FleetDevice.break_off))

    def expect_outage(self) -> None:
        """All connections are about to break for a reason outside: whoever is to come back counts from now."""

        def remember() -> None:
            self._came_back_since_s = asyncio.get_running_loop().time()

        self.ask(remember)

    # -- asking ----------------------------------------------------------------------------------------------------

    def tally(self) -> Tally:
        """Count."""
        return self.ask(self._count)

    def forget_latencies(self) -> None:
        """Measure latencies from here on."""
        self.ask(lambda: self._each(lambda device: device.store.latencies_ms.clear()))

    def captured_ids(self) -> set[bytes]:
        """The identities of all facts that were captured."""
        return self.ask(lambda: {i for device in self.devices for i in device.store.identities()})

    def came_back_s(self) -> list[float]:
        """How long each device with the hub's answer needed for it from the last `connect`, `storm` or `expect_outage`."""
        return self.ask(self._came_back_s)

    def wait_in_contact(self, timeout_s: float) -> bool:
        """Wait until the hub has answered each device since the last `connect`, `storm` or `expect_outage`.

        Returns:
            False when that did not come in time.
        """
        return self._wait(lambda: len(self._came_back_s()) == len(self.devices), timeout_s)

    def wait_drained(self, timeout_s: float) -> bool:
        """Wait until everything captured is acknowledged; False when it is too late. `stop_load` first."""
        return self._wait(lambda: all(d.store.captured == d.store.committed for d in self.devices), timeout_s)

    def ask(self, question: Callable[[], T]) -> T:
        """Have something done in the fleet's thread and return its result."""
        if self._loop is None:
            return question()
        answer: Future[T] = Future()

        def do() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:  # noqa: BLE001 it is raised where it was asked
                answer.set_exception(error)

        self._loop.call_soon_threadsafe(do)
        return answer.result()

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _end(self) -> None:
        self._each(FleetDevice.end)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
        # One more turn of the loop, in which the sockets are closed.
        await asyncio.sleep(0)

    def _each(self, do: Callable[[FleetDevice], None]) -> None:
        for device in self.devices:
            do(device)

    def _came_back_s(self) -> list[float]:
        times = (device.contact_s for device in self.devices)
        since_s = self._came_back_since_s
        return sorted(contact_s - since_s for contact_s in times if contact_s is not None and contact_s >= since_s)

    def _count(self) -> Tally:
        devices, moved = self.devices, [device.line_bytes for device in self.devices]
        return Tally(
            devices=len(devices),
            in_contact=sum(d.in_contact for d in devices),
            captured=sum(d.store.captured for d in devices),
            sent=sum(d.sent for d in devices),
            committed=sum(d.store.committed for d in devices),
            items_sent=sum(d.items_sent for d in devices),
            outages=sum(d.outages for d in devices),
            dropped=sum(d.dropped for d in devices),
            bytes_up=sum(up for up, _ in moved),
            bytes_down=sum(down for _, down in moved),
            latencies_ms=tuple(sorted(ms for d in devices for ms in d.store.latencies_ms)),
        )

    def _wait(self, check: Callable[[], bool], timeout_s: float) -> bool:
        give_up_s = time.monotonic() + timeout_s
        while not self.ask(check):
            if time.monotonic() > give_up_s:
                return False
            time.sleep(LOOK_S)
        return True


def _allow_files(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SimulatorError(
            f"{needed} open files are needed, {hard} are allowed; raise `ulimit -n` or use fewer devices"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
