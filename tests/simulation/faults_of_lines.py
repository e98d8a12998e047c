"""Faults of lines and broker, and what an insider does there."""

from random import Random
from typing import TYPE_CHECKING

from contract.event import Lane
from contract.messages import Ack, Batch, Credit, Mark, Welcome, encode_message
from contract.statement import Direction, seal
from tests.simulation.network import Weather
from tests.simulation.steps import fault, flip, for_a_while, foreign_core

if TYPE_CHECKING:
    from tests.simulation.device import SimDevice
    from tests.simulation.fleet import Fleet


@fault
def loss(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Messages get lost."""
    share = rng.choice((0.2, 0.5, 0.9))
    _weather(fleet, rng, f"{share:.0%} of all messages are lost", loss=share)


@fault
def doubling(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Messages arrive twice."""
    _weather(fleet, rng, "half of all messages arrive twice", doubling=0.5)


@fault
def reordering(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Messages overtake each other."""
    _weather(fleet, rng, "messages overtake each other", jitter_ms=rng.choice((500, 4_000, 9_000)))


def _weather(fleet: "Fleet", rng: Random, words: str, **change: float) -> None:
    network = fleet.network
    usual = network.usual
    weather = Weather(usual.latency_ms, usual.jitter_ms, usual.loss, usual.doubling)
    for name, value in change.items():
        setattr(weather, name, value)
    network.weather = weather

    def clear() -> None:
        if network.weather is weather:
            network.weather = network.usual

    fleet.world.tell(words, " ", for_a_while(fleet, rng, 3_000, 40_000, clear))


@fault
def broker_outage(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The broker is away."""
    network = fleet.network
    if network.connected:
        fleet.world.took_effect("broker_outage")
    network.broker_up = False
    network.cut("the broker died")

    def back() -> None:
        network.broker_up = True

    fleet.world.tell("the broker is away ", for_a_while(fleet, rng, 500, 40_000, back))


@fault
def half_open(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A line is dead and nobody notices."""
    length_ms = rng.randrange(1_000, 60_000)
    fleet.network.silent[device.label] = fleet.world.now_ms + length_ms
    fleet.world.tell("the line of ", device.label, " is dead for ", length_ms / 1000, " s, and no one tells it")


@fault
def flapping(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A connection comes and goes."""
    fleet.world.tell("the connection of ", device.label, " comes and goes")

    def cut() -> None:
        if device in fleet.network.connected:
            fleet.world.took_effect("flapping")
            fleet.network.cut("the line dropped", device)

    at_ms = 0
    for _ in range(rng.randrange(1, 7)):
        at_ms += rng.choice((200, 1_000, 3_000))
        fleet.world.after(at_ms, cut)


# -- attacks at the broker -----------------------------------------------------------------------------------------


@fault
def replay_up(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Recorded statements to the hub are played again."""
    for name, payload in _some(rng, fleet.network.ups):
        fleet.world.took_effect("replay_up")
        fleet.network.inject_up(name, payload)
    fleet.world.tell("somebody plays recorded statements to the hub again")


@fault
def replay_down(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Recorded answers of the hub are played again."""
    fleet.world.tell("somebody plays recorded answers of the hub again")
    for name, payload in _some(rng, fleet.network.downs):
        fleet.world.took_effect("replay_down")
        fleet.network.inject_down(name, payload)


def _some(rng: Random, book: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return rng.sample(book, min(len(book), rng.choice((1, 5, 20))))


@fault
def forged_up(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A statement of a device is forged or altered."""
    fleet.world.tell("somebody forges a statement of ", device.name)
    if fleet.network.ups and rng.random() < 0.5:
        name, payload = rng.choice(fleet.network.ups)
        fleet.network.inject_up(name, flip(rng, payload))
        return
    core = foreign_core(device.name, rng)
    batch = Batch(device.disk.incarnation, Lane.CUSTODY, 1, rng.randbytes(16), (core,))
    fleet.network.inject_up(device.name, seal(b"?" * 32, Direction.UP, device.name, encode_message(batch)))


@fault
def forged_down(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """An answer of the hub is forged or altered."""
    fleet.world.tell("somebody forges an answer to ", device.name)
    if fleet.network.downs and rng.random() < 0.3:
        name, payload = rng.choice(fleet.network.downs)
        fleet.network.inject_down(name, flip(rng, payload))
        return
    stored = device.disk.lanes[Lane.CUSTODY]
    ack = Ack(device.disk.incarnation, Lane.CUSTODY, Mark(stored.head_n, stored.head_hash[:16]), Credit())
    safe = tuple(device.disk.cores)[:20]
    welcome = Welcome(rng.randbytes(16), (), False, b"s" * len(safe), b"", safe, (), (), fleet.hub.now_ms, Credit())
    message = rng.choice((ack, welcome))
    fleet.network.inject_down(device.name, seal(b"?" * 32, Direction.DOWN, device.name, encode_message(message)))
