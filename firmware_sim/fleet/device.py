"""One device of a fleet: the shipped protocol core over an in-memory outbox, on a line of its own.

All of it runs in the loop of its fleet.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from contract.delivery.device import DeviceProtocol
from contract.delivery.device_actions import Reconnect, Reincarnate, Send
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
from contract.event import Lane
from contract.messages import Batch, Up, Welcome, decode_down, encode_message
from contract.statement import Direction, password_of, seal, unseal
from firmware_sim.chance import chance
from firmware_sim.clock import Clock
from firmware_sim.fleet.enrolment import Enrolled, broker_of
from firmware_sim.fleet.line import Line
from firmware_sim.fleet.load import Diary, Load
from firmware_sim.fleet.store import MemoryOutbox

FIRST_WAIT_S: Final = 0.25
WAIT_GROWTH: Final = 1.25
LONGEST_WAIT_S: Final = 15.0
REFUSED_WAIT_S: Final = 30.0
EARLY_RETRY_S: Final = 1.0
"""The back-off of the real agent: growing waits, each cut by up to half at random; a capture ends one early."""
ANSWER_TIMEOUT_S: Final = 15.0
"""From the start of a connection until the broker has taken the subscription."""


class SeededEntropy:
    """Nonces and jitter that repeat from the seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def nonce(self) -> bytes:
        """16 bytes."""
        return self._rng.randbytes(16)

    def uniform(self) -> float:
        """A number in [0, 1)."""
        return self._rng.random()


class FleetDevice:
    """Connects, delivers, loses its connection and comes back as a real device does."""

    def __init__(
        self, agent: Enrolled, number: int, *, load: Load, seed: int, clock: Clock, hub: str, offline_s: float
    ) -> None:
        """Describe a device, with the backlog of `offline_s` seconds; nothing runs yet.

        Args:
            agent: Who it is.
            number: Tells the devices of one fleet apart.
            load: What it captures by itself.
            seed: Decides everything.
            clock: The wall clock.
            hub: Where the broker is, if not where `agent` says.
            offline_s: How long it was without network before it starts.
        """
        self.name = agent.device
        self._key = agent.key
        self._broker = broker_of(hub or agent.hub)
        self._clock = clock
        self._rng = chance(seed, "device", number)
        boot_at_ms = clock.now_ms() - int(1000 * offline_s)
        self.store = MemoryOutbox(agent.device, self._rng, boot_at_ms=boot_at_ms)
        self._diary = Diary(agent.device, number, load, seed=seed, start_ms=boot_at_ms)
        for at_ms, event in self._diary.take(clock.now_ms(), in_contact=False):
            self.store.keep(event, at_ms)
        self._protocol = DeviceProtocol(self.store, SeededEntropy(self._rng))
        self._line: Line | None = None
        self._wait_s = FIRST_WAIT_S
        self._early_s: float | None = None
        self._is_wanted = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._connecting: asyncio.Task[None] | None = None
        self._sent_n = dict.fromkeys(Lane, 0)
        self.contact_s: float | None = None
        """When the hub first answered on the present connection, in the loop's time; None while it has not."""
        self.bytes_up = self.bytes_down = 0
        """TCP payload of connections that have ended."""
        self.items_sent = 0
        """Positions in batches, repeats included."""
        self.dropped = 0
        """Messages that were not from the hub, or could not be read."""
        self.outages = 0
        """Connections that were lost, refused or could not be made."""

    # -- what the fleet tells it -----------------------------------------------------------------------------------

    def connect(self, after_s: float = 0.0) -> None:
        """Be connected from then on, for good: lost connections are made anew."""
        self._is_wanted = True
        self._later("connect", after_s, self._begin_to_connect)

    def disconnect(self) -> None:
        """Go away and stay away."""
        self._is_wanted = False
        self._leave()

    def break_off(self) -> None:
        """Lose the connection as when the broker dies; the device comes back by itself."""
        if self._line is not None:
            self._line.drop()

    def run_load(self) -> None:
        """Capture by itself from now on."""
        due_ms = self._diary.due_ms(in_contact=self.in_contact)
        if due_ms is not None:
            self._later("load", (due_ms - self._clock.now_ms()) / 1000, self._capture_due)

    def stop_load(self) -> None:
        """Capture no more by itself."""
        self._cancel("load")

    def scan(self, count: int) -> None:
        """Capture scans now."""
        for _ in range(count):
            self.store.keep(self._diary.scan(), self._clock.now_ms(), live_ms=self._live_ms())
        self._appended()

    def end(self) -> None:
        """Let go of everything."""
        self.disconnect()
        for name in list(self._timers):
            self._cancel(name)

    @property
    def in_contact(self) -> bool:
        """Whether the hub answered and the connection stands."""
        return self._protocol.link is Link.SYNCED

    @property
    def sent(self) -> int:
        """How many facts were sent at least once."""
        return sum(self._sent_n.values())

    @property
    def line_bytes(self) -> tuple[int, int]:
        """TCP payload up and down so far."""
        if self._line is None:
            return self.bytes_up, self.bytes_down
        return self.bytes_up + self._line.bytes_up, self.bytes_down + self._line.bytes_down

    # -- what its line tells it ------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The broker took the connection and the subscription."""
        self._cancel("answer")
        self._feed(Connected())

    def arrived(self, payload: bytes) -> None:
        """A message came."""
        try:
            message = decode_down(unseal(self._key, Direction.DOWN, self.name, payload))
        except ContractError:
            self.dropped += 1
            return
        self._feed(Received(message))
        if isinstance(message, Welcome) and self.in_contact and self.contact_s is None:
            self.contact_s = asyncio.get_running_loop().time()
            self._wait_s = FIRST_WAIT_S
            if "load" in self._timers:
                # What is held without contact is due at once now.
                self.run_load()

    def closed(self, *, credentials: bool) -> None:
        """The connection is gone."""
        self._lose(refused=credentials)

    # -- the connection --------------------------------------------------------------------------------------------

    def _begin_to_connect(self) -> None:
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        client_id = f"{self.name}-{self._rng.randbytes(8).hex()}"
        self._line = line = Line(self.name, password_of(self._key), client_id, self)
        self._later("answer", ANSWER_TIMEOUT_S, self._lose)
        try:
            await loop.create_connection(lambda: line, *self._broker)
        except OSError:
            self._lose()

    def _lose(self, *, refused: bool = False) -> None:
        self.outages += 1
        self._leave()
        ceiling_s = REFUSED_WAIT_S if refused else self._wait_s
        self._wait_s = min(WAIT_GROWTH * self._wait_s, LONGEST_WAIT_S)
        self._early_s = None if refused else asyncio.get_running_loop().time() + EARLY_RETRY_S
        if self._is_wanted:
            self._later("connect", ceiling_s * (1 - self._rng.random() / 2), self._begin_to_connect)

    def _hurry(self) -> None:
        """Whoever scans stands where the network may be back: do not wait out a long back-off."""
        waiting = self._timers.get("connect")
        if waiting is not None and self._early_s is not None and self._early_s < waiting.when():
            self._later("connect", self._early_s - asyncio.get_running_loop().time(), self._begin_to_connect)

    def _leave(self) -> None:
        for name in ("connect", "answer", "tick"):
            self._cancel(name)
        if self._connecting is not None:
            if self._connecting is not asyncio.current_task():
                self._connecting.cancel()
            self._connecting = None
        if self._line is not None:
            self.bytes_up, self.bytes_down = self.line_bytes
            self._line.close()
            self._line = None
        self.contact_s = None
        self._protocol.handle(Disconnected(), self._now())

    # -- captures and the protocol ---------------------------------------------------------------------------------

    def _capture_due(self) -> None:
        for at_ms, event in self._diary.take(self._clock.now_ms(), in_contact=self.in_contact):
            self.store.keep(event, at_ms, live_ms=self._live_ms())
        self._appended()
        self.run_load()

    def _appended(self) -> None:
        self._feed(Appended())
        self._hurry()

    def _feed(self, event: Event) -> None:
        """Hand an event to the protocol and carry out its actions: first the writes, then the sends."""
        captured = self.store.captured
        actions = self._protocol.handle(event, self._now())
        for action in actions:
            if not isinstance(action, Send | Reconnect | Reincarnate):
                self.store.carry_out(action, self._live_ms())
        for action in actions:
            match action:
                case Send(message):
                    self._send(message)
                case Reincarnate(reason):
                    self.store.reincarnate(reason, self._clock.now_ms())
                    self._sent_n = dict.fromkeys(Lane, 0)
                    self._feed(Replaced())
                case Reconnect():
                    self._lose()
        if self.store.captured > captured:
            # A clock fix is a fact of its own.
            self._feed(Appended())
        wake_ms = self._protocol.next_wakeup_ms()
        if wake_ms is None:
            self._cancel("tick")
        else:
            self._later("tick", (wake_ms - self._now().mono_ms) / 1000, lambda: self._feed(Tick()))

    def _send(self, message: Up) -> None:
        if self._line is not None:
            self._line.publish(seal(self._key, Direction.UP, self.name, encode_message(message)))
        if isinstance(message, Batch):
            self.items_sent += len(message.items)
            self._sent_n[message.lane] = max(self._sent_n[message.lane], message.n + len(message.items) - 1)

    # -- time ------------------------------------------------------------------------------------------------------

    def _now(self) -> Now:
        at_ms = self._clock.now_ms()
        return Now(at_ms - self.store.boot_at_ms, at_ms)

    def _live_ms(self) -> float:
        return 1000 * asyncio.get_running_loop().time()

    def _later(self, name: str, wait_s: float, work: Callable[[], None]) -> None:
        self._cancel(name)
        self._timers[name] = asyncio.get_running_loop().call_later(max(wait_s, 0.0), self._fire, name, work)

    def _fire(self, name: str, work: Callable[[], None]) -> None:
        self._timers.pop(name, None)
        work()

    def _cancel(self, name: str) -> None:
        if (timer := self._timers.pop(name, None)) is not None:
            timer.cancel()
