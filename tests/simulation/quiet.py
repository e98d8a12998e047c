"""A fleet without chance, for the story of one fault."""

from hashlib import sha256

from contract.event import Lane, Outcome, Proof, Scan, Step
from contract.limits import HOLD_DEFAULT_MS
from tests.simulation.device import SimDevice
from tests.simulation.fleet import HELLO_PERIOD_MS, Fleet, Plan


def quiet(devices: int = 1, *, release: bool = False, with_backups: bool = True, credit: int = 256) -> Fleet:
    """Devices that were started and said hello over a good line.

    Args:
        devices: how many.
        release: whether content may go as soon as it is safe.
        with_backups: whether the hub makes backups.
        credit: facts in a batch.
    """
    hold_ms = 0 if release else HOLD_DEFAULT_MS
    fleet = Fleet(Plan(1, devices, 30, 10, 0.0, credit, hold_ms, with_backups, ()))
    pass_s(fleet, 5)
    return fleet


def pass_s(fleet: Fleet, seconds: float) -> None:
    """Let time pass."""
    fleet.world.run_until(fleet.world.now_ms + int(seconds * 1000))


def two_hellos(fleet: Fleet) -> None:
    """The time in which what is wrong must show."""
    pass_s(fleet, 2 * HELLO_PERIOD_MS / 1000 + 5)


def scan(device: SimDevice, count: int = 1) -> list[bytes]:
    """Keep scans and tell their identities; none where it was refused."""
    before = set(device.truth.kept)
    for n in range(count):
        code = b"%d" % (len(before) + n)
        device.capture(Scan(code, "", "plain", code.decode(), Step.LOADED, "dock", "line"))
    return [i for i in device.truth.made if i in device.truth.kept - before]


def photo_of(device: SimDevice, data: bytes) -> bytes:
    """Keep a proof with a photo; the photo's name."""
    name = sha256(data).digest()
    device.capture(Proof("stop", Outcome.DELIVERED, photos=(name,)), photo=data, name=name)
    return name


def kinds(fleet: Fleet) -> set[str]:
    """Incidents that the hub shows."""
    return {i.kind.value for i in fleet.hub.ledger.incidents.values()}


def at_hub(fleet: Fleet, identities: list[bytes]) -> bool:
    """Whether the hub holds all of these contents."""
    lines = fleet.hub.ledger.lines
    return bool(identities) and all(i in lines and lines[i].core is not None for i in identities)


def kept_on(device: SimDevice, identities: list[bytes]) -> bool:
    """Whether the device still has all of these contents."""
    return all(i in device.disk.cores for i in identities)


def acked(device: SimDevice) -> int:
    """Up to where the device has custody facts acknowledged."""
    return device.disk.lanes[Lane.CUSTODY].acked_n
