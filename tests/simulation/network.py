"""The broker and the lines to it: loses, doubles, delays and reorders, goes away, and has an insider who records."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.world import World

MOST_RECORDED = 60
"""Statements that the insider remembers in each direction."""


class Peer(Protocol):
    """A device at the broker, as far as the network knows it."""

    name: str
    label: str
    boots: int

    def hear(self, payload: bytes) -> None:
        """A statement came down."""

    def hang_up(self, why: str) -> None:
        """The connection ended."""


@dataclass(slots=True)
class Weather:
    """How the lines are now."""

    latency_ms: int = 30
    jitter_ms: int = 20
    loss: float = 0.0
    doubling: float = 0.0


class Network:
    """Carries statements between devices and the hub."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.to_hub: Callable[[str, bytes], None] = lambda _device, _payload: None
        """Where statements of devices arrive."""
        self._random = world.random("network")
        self.usual = Weather()
        self.weather = self.usual
        self.broker_up = True
        self.connected: list[Peer] = []
        self.silent: dict[str, int] = {}
        """Peers whose connection is half open, and until when a new one would be so too. It never heals by itself."""
        self.ups: list[tuple[str, bytes]] = []
        self.downs: list[tuple[str, bytes]] = []
        self._order = 0
        self._delivered = 0
        self.messages = 0

    # -- connections -----------------------------------------------------------------------------------------------

    def connect(self, peer: Peer) -> bool:
        """Whether the broker took the connection."""
        if not self.broker_up:
            self._world.took_effect("broker_outage")
            return False
        if self._world.now_ms < self.silent.get(peer.label, 0):
            return False
        self.silent.pop(peer.label, None)
        if peer not in self.connected:
            self.connected.append(peer)
        return True

    def leave(self, peer: Peer) -> None:
        """The peer closed its connection, or died."""
        if peer in self.connected:
            self.connected.remove(peer)

    def cut(self, why: str, *peers: Peer) -> None:
        """End connections; all of them when none is named."""
        for peer in list(peers or self.connected):
            if peer in self.connected:
                self.connected.remove(peer)
                peer.hang_up(why)

    # -- statements ------------------------------------------------------------------------------------------------

    def up(self, peer: Peer, payload: bytes) -> None:
        """A device publishes."""
        self._record(self.ups, peer.name, payload)
        if peer.label in self.silent:
            self._world.took_effect("half_open")
            return
        if not self.broker_up or peer not in self.connected:
            return
        for delay_ms in self._ways():
            self._order += 1
            self._world.after(delay_ms, self._arrive_up, self._order, peer, peer.boots, payload)

    def down(self, device: str, payload: bytes) -> None:
        """The hub publishes to a device; every connected copy of it hears."""
        self._record(self.downs, device, payload)
        if not self.broker_up:
            return
        for delay_ms in self._ways():
            self._order += 1
            self._world.after(delay_ms, self._arrive_down, self._order, device, payload)

    def inject_up(self, device: str, payload: bytes) -> None:
        """Somebody with access to the broker publishes as a device."""
        if self.broker_up:
            self.to_hub(device, payload)

    def inject_down(self, device: str, payload: bytes) -> None:
        """Somebody with access to the broker publishes to a device."""
        self._arrive_down(0, device, payload)

    def _record(self, book: list[tuple[str, bytes]], device: str, payload: bytes) -> None:
        self.messages += 1
        if len(book) < MOST_RECORDED:
            book.append((device, payload))
        else:
            book[self._random.randrange(MOST_RECORDED)] = (device, payload)

    def _ways(self) -> tuple[int, ...]:
        """The delays after which copies of a statement arrive."""
        weather, chance = self.weather, self._random.random
        if weather.loss and chance() < weather.loss:
            self._world.took_effect("loss")
            return ()
        first = weather.latency_ms + int(chance() * weather.jitter_ms)
        if weather.doubling and chance() < weather.doubling:
            self._world.took_effect("doubling")
            return first, weather.latency_ms + int(chance() * 4 * weather.jitter_ms)
        return (first,)

    def _note_order(self, order: int) -> None:
        if order and order < self._delivered:
            self._world.took_effect("reordering")
        self._delivered = max(self._delivered, order)

    def _arrive_up(self, order: int, peer: Peer, boots: int, payload: bytes) -> None:
        if self.broker_up:
            self._note_order(order)
            if peer.boots != boots:
                self._world.took_effect("late_from_an_earlier_life")
            self.to_hub(peer.name, payload)

    def _arrive_down(self, order: int, device: str, payload: bytes) -> None:
        if not self.broker_up:
            return
        self._note_order(order)
        for peer in [p for p in self.connected if p.name == device]:
            if peer.label in self.silent:
                self._world.took_effect("half_open")
            elif peer in self.connected:
                peer.hear(payload)
