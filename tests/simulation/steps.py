"""What can happen to a fleet: a step of a schedule, and ordinary work. Faults are in `faults_of_*.py`.

Each function does one step by its own chance, tells it in plain words, and counts it where it really changed something.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from contract.columns import Reading, pack_readings
from contract.event import Alarm, Outcome, Phase, Proof, Quantity, Readings, Scan
from contract.event import Step as Business
from contract.fact import Clock, Fact, encode_core

if TYPE_CHECKING:
    from tests.simulation.device import SimDevice
    from tests.simulation.fleet import Fleet

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens at a time, to a device, by its own chance."""

    at_ms: int
    kind: str
    device: int
    seed: int


Act = Callable[["Fleet", "SimDevice", Random], None]
WORK: dict[str, Act] = {}
FAULTS: dict[str, Act] = {}


def work(act: Act) -> Act:
    """A kind of ordinary work."""
    WORK[act.__name__] = act
    return act


def fault(act: Act) -> Act:
    """A kind of fault."""
    FAULTS[act.__name__] = act
    return act


def for_a_while(fleet: "Fleet", rng: Random, least_ms: int, most_ms: int, end: Callable[[], None]) -> str:
    """End something after a while; how long, in words."""
    length_ms = rng.randrange(least_ms, most_ms)
    fleet.world.after(length_ms, end)
    return f"for {length_ms / 1000:.1f} s"


def flip(rng: Random, payload: bytes) -> bytes:
    """The same with one bit wrong."""
    at = rng.randrange(len(payload))
    return payload[:at] + bytes([payload[at] ^ (1 << rng.randrange(8))]) + payload[at + 1 :]


def foreign_core(device: str, rng: Random) -> bytes:
    """The core of a scan that was never captured here."""
    return encode_core(
        Fact(
            version=1,
            device=device,
            incarnation=rng.randbytes(16),
            boot=rng.randbytes(16),
            ord=1,
            salt=rng.randbytes(8),
            at_ms=1,
            mono_ms=1,
            clock=Clock.FREE,
            actor="",
            event=Scan(b"1", "", "plain", "1", Business.LOADED, "dock", "line"),
        )
    )


# -- work ----------------------------------------------------------------------------------------------------------


@work
def scans(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A person scans some parcels."""
    for _ in range(rng.choice((1, 2, 3, 8))):
        code = b"%012d" % rng.randrange(10**12)
        device.capture(Scan(code, "", "plain", code.decode(), rng.choice(list(Business)), "dock", "line"))


@work
def readings(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Blocks of a sensor are sealed."""
    for _ in range(rng.choice((1, 2, 4))):
        if not device.on:
            return
        count = rng.choice((1, 3, 30))
        values = [Reading(i * 1_000, 400 + rng.randrange(-30, 31)) for i in range(count)]
        now = device.clocks
        device.capture(
            Readings(
                f"{device.name}.probe",
                Quantity.TEMPERATURE_C,
                max(now.wall_ms(), 0),
                now.mono_ms(),
                1_000,
                count,
                pack_readings(values, 1_000),
            )
        )


@work
def proof(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A delivery is proven with a photo."""
    photo = rng.randbytes(40) * rng.choice((1, 10, 10, 1_000, 2_500))
    name = sha256(photo).digest()
    event = Proof(f"stop-{rng.randrange(100)}", Outcome.DELIVERED, photos=(name,))
    device.capture(event, photo=photo, name=name)


@work
def alarm(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A box gets too warm."""
    device.capture(Alarm(f"a{rng.randrange(10**6)}", Phase.RAISED, f"{device.name}.probe", "high", 0, 900))


@work
def backup(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub is backed up."""
    fleet.hub.back_up()
