"""Hosts any number of simulated devices on pseudo-terminals in one thread."""

import contextlib
import logging
import select
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from firmware_sim.chance import chance
from firmware_sim.clock import Clock
from firmware_sim.device import Chunk, Device
from firmware_sim.pty_line import PtyLine

log = logging.getLogger(__name__)

# The kernel tells of bytes at once but not of a port being opened or a stop being asked for: look this often.
LOOK_S = 0.02
# How long a pulled cable stays out, at least and at most.
OUT_MS = (500, 3_000)


@dataclass(slots=True)
class Port:
    """One device on one line, with what waits to go out and the next time the cable is touched."""

    device: Device
    line: PtyLine
    unplug_s: float | None
    seed: int
    queue: deque[Chunk] = field(default_factory=deque)
    opened_ms: int | None = None
    settled: bool = False
    cable_ms: int | None = None
    cable_moves: int = 0

    def plan_cable(self, now_ms: int) -> None:
        """Draw when the cable is next pulled or put back."""
        if self.unplug_s is None:
            return
        rng = chance(self.seed, "cable", self.cable_moves)
        in_ms = int(1000 * self.unplug_s * rng.uniform(0.5, 1.5))
        self.cable_moves += 1
        self.cable_ms = now_ms + (in_ms if self.line.is_plugged else rng.randint(*OUT_MS))


class Host:
    """Runs devices: opens their lines, moves their bytes in time, pulls their cables.

    Not safe for use from several threads; ``run`` ends when its event is set from any thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ports: list[Port] = []

    def add(self, device: Device, link: Path, *, seed: int = 0, unplug_s: float | None = None) -> None:
        """Plug a device in at ``link``.

        Args:
            device: The device.
            link: Where the port's name is linked.
            seed: Decides when the cable is pulled.
            unplug_s: Mean seconds between two pulls of the cable; None for never.

        Raises:
            SimulatorError: The link cannot be made.
        """
        port = Port(device, PtyLine(link), unplug_s, seed)
        port.line.plug()
        port.plan_cable(self._clock.now_ms())
        self._ports.append(port)

    def run(self, stop: threading.Event) -> None:
        """Run all devices until ``stop`` is set, then unplug them."""
        try:
            while not stop.is_set():
                self.step(LOOK_S)
        finally:
            self.close()

    def step(self, wait_s: float = 0.0) -> None:
        """Do everything that is due, then wait for bytes, the next event, or at most ``wait_s``."""
        now_ms = self._clock.now_ms()
        for port in self._ports:
            self._move_cable(port, now_ms)
            # Before looking who is there: last words of a host that has just gone still count.
            self._listen(port, now_ms)
            self._watch(port, now_ms)
            if port.settled:
                self._work(port, now_ms)
        self._wait(wait_s)

    def close(self) -> None:
        """Unplug everything; links that are ours are removed, even where a journal fails."""
        now_ms = self._clock.now_ms()
        ports, self._ports = self._ports, []
        with contextlib.ExitStack() as leaving:
            for port in ports:
                leaving.callback(port.line.unplug)
                leaving.callback(self._hang_up, port, now_ms, unplugged=True)

    def _move_cable(self, port: Port, now_ms: int) -> None:
        if port.cable_ms is None or now_ms < port.cable_ms:
            return
        if port.line.is_plugged:
            log.info("pulling the cable of %s", port.line.link)
            self._hang_up(port, now_ms, unplugged=True)
            port.line.unplug()
        else:
            log.info("plugging %s in again", port.line.link)
            port.line.plug()
        port.plan_cable(now_ms)

    def _watch(self, port: Port, now_ms: int) -> None:
        if not port.line.is_open():
            self._hang_up(port, now_ms, unplugged=False)
            return
        if port.opened_ms is None:
            port.opened_ms = now_ms
        if not port.settled and now_ms >= port.opened_ms + port.device.settle_ms:
            self._settle(port, now_ms)
            self._listen(port, now_ms)

    def _hang_up(self, port: Port, now_ms: int, *, unplugged: bool) -> None:
        if port.settled:
            unsent = tuple(port.queue)
            port.queue.clear()
            port.device.closed(now_ms, unplugged=unplugged, unsent=unsent)
        port.opened_ms = None
        port.settled = False

    def _settle(self, port: Port, now_ms: int) -> None:
        port.settled = True
        port.device.opened(now_ms)

    def _listen(self, port: Port, now_ms: int) -> None:
        # What is said before a talker has settled waits in the kernel.
        if not port.line.is_plugged or (port.device.settle_ms and not port.settled):
            return
        data = port.line.read()
        if not data:
            return
        if not port.settled:
            # Opened, written and perhaps closed again between two looks.
            self._settle(port, now_ms)
        port.queue.extend(port.device.receive(data, now_ms))

    def _work(self, port: Port, now_ms: int) -> None:
        due_ms = port.device.due_ms()
        if due_ms is not None and due_ms <= now_ms:
            port.queue.extend(port.device.wake(now_ms))
        while port.queue and port.queue[0].at_ms <= now_ms:
            chunk = port.queue[0]
            written = port.line.write(chunk.data)
            if written < len(chunk.data):
                # The reader is slow and the kernel's buffer full: the rest follows at the next look.
                rest_ms = now_ms + int(1000 * LOOK_S)
                port.queue[0] = Chunk(rest_ms, chunk.data[written:], chunk.codes)
                return
            port.queue.popleft()

    def _wait(self, wait_s: float) -> None:
        now_ms = self._clock.now_ms()
        live = [port for port in self._ports if port.settled]
        due = [port.queue[0].at_ms for port in live if port.queue]
        due += [ms for port in live if (ms := port.device.due_ms()) is not None]
        if due:
            wait_s = min(wait_s, max(0.001, (min(due) - now_ms) / 1000))
        poll = select.poll()
        for port in live:
            poll.register(port.line, select.POLLIN)
        poll.poll(wait_s * 1000)
