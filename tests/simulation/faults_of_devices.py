"""Faults of devices: deaths, disks, clocks, clones, and facts that nobody should make."""

from random import Random
from typing import TYPE_CHECKING

from contract.event import Lane, Scan
from contract.event import Step as Business
from contract.messages import Batch, encode_message
from contract.statement import Direction, seal
from tests.simulation.faults_of_lines import broker_outage
from tests.simulation.hub import key_of
from tests.simulation.ledger import KILLER
from tests.simulation.steps import DAY_MS, YEAR_MS, fault, flip, for_a_while, foreign_core, readings, scans
from tests.simulation.world import short

if TYPE_CHECKING:
    from tests.simulation.device import SimDevice
    from tests.simulation.fleet import Fleet

_DEATHS = (
    "before the commit of a capture",
    "after the commit of a capture",
    "before it answers that it kept something",
    "after an attachment, before its fact",
    "between commit and send",
    "when a welcome comes",
    "before the commit of a hub's word",
    "after the commit of a hub's word",
    "before the commit of a release",
    "after the commit of a release",
    "before the commit of a new incarnation",
    "after the commit of a new incarnation",
    "before the commit of a thinning",
    "after the commit of a thinning",
    "before the commit of a boot",
)


@fault
def device_killed(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A process is killed."""
    _death(fleet, device, rng, power=False)


@fault
def power_cut(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The power fails."""
    _death(fleet, device, rng, power=True)


def _death(fleet: "Fleet", device: "SimDevice", rng: Random, *, power: bool) -> None:
    if rng.random() < 0.3:
        if device.on:
            fleet.world.took_effect("power_cut" if power else "device_killed")
        device.die("at once", power=power)
    else:
        device.crash_at = rng.choice(_DEATHS), power
        fleet.world.tell(device.label, " will die ", device.crash_at[0])


@fault
def device_off(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device is switched off."""
    if not device.on:
        return
    fleet.world.took_effect("device_off")
    length = for_a_while(fleet, rng, 5_000, 80_000, device.boot)
    fleet.world.tell(device.label, " is switched off ", length)
    device.die("in order", power=False, restart_ms=0)


@fault
def clone(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A second machine starts on a copy of a device's disk."""
    if len(fleet.devices) < fleet.most_devices:
        fleet.clone(device)


@fault
def clone_damaged(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Out of contact a device is cloned, and then one of the two loses what the other still has."""
    broker_outage(fleet, device, rng)
    scans(fleet, device, rng)
    if len(fleet.devices) < fleet.most_devices and device.disk.cores:
        fleet.world.took_effect("clone_damaged")
        fleet.clone(device)
        _flip_some(fleet, rng.choice((device, fleet.devices[-1])), rng, list(device.disk.cores)[-3:])


@fault
def image_restored(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's disk is put back from an image."""
    image = device.disk.copy(Random(rng.random()))
    with_witness = rng.random() < 0.5
    fleet.world.tell("an image of ", device.label, " is taken", "" if with_witness else " without its witness")
    fleet.world.after(rng.randrange(100, 60_000), fleet.restore_image, device, image, with_witness)


@fault
def database_lost(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's database is gone, what lies beside it is there."""
    fleet.replace_disk(device, keep_files=True)


@fault
def disk_lost(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's disk is gone."""
    fleet.replace_disk(device, keep_files=False)


@fault
def database_damaged(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's database is damaged, and what is whole is rescued."""
    fleet.damage_database(device, rng)


@fault
def row_corrupted(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Bits flip in kept facts."""
    _flip_some(fleet, device, rng, sorted(device.disk.cores))


def _flip_some(fleet: "Fleet", device: "SimDevice", rng: Random, among: list[bytes]) -> None:
    disk = device.disk
    victims = rng.sample(among, min(len(among), rng.choice((1, 3))))
    with fleet.truth.losing("bits flipped"):
        for identity in victims:
            fleet.world.took_effect("row_corrupted")
            fleet.world.tell("bits flip in fact ", short(identity), " on ", device.label)
            disk.cores[identity] = flip(rng, disk.cores[identity])
            disk.flipped.add(identity)


@fault
def attachment_corrupted(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Bits flip in a photo."""
    disk = device.disk
    with fleet.truth.losing("bits flipped"):
        for name in rng.sample(sorted(disk.files), min(len(disk.files), 1)):
            fleet.world.took_effect("attachment_corrupted")
            fleet.world.tell("bits flip in attachment ", short(name), " on ", device.label)
            disk.flipped.add(name)


@fault
def disk_full(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's disk is full."""
    device.full = True

    def end() -> None:
        device.full = False

    fleet.world.tell("the disk of ", device.label, " is full ", for_a_while(fleet, rng, 3_000, 60_000, end))


@fault
def disk_read_only(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's disk takes no writes."""
    device.read_only = True

    def end() -> None:
        device.read_only = False

    fleet.world.tell("the disk of ", device.label, " is read-only ", for_a_while(fleet, rng, 3_000, 60_000, end))


@fault
def disk_busy(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The next writes fail."""
    device.busy_writes = rng.choice((1, 1, 3))
    fleet.world.tell("the next ", device.busy_writes, " writes of ", device.label, " will fail")


@fault
def storage_pressure(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's storage runs short."""
    fleet.world.took_effect("storage_pressure")
    share = rng.choice((0.75, 0.9, 0.97, 1.2))
    device.disk.budget_bytes = max(int(device.disk.used_bytes() / share), 1_000)
    fleet.world.tell("the storage of ", device.label, " is used by ", f"{share:.0%}")
    device.look_after_itself()
    readings(fleet, device, rng)


@fault
def device_clock_jump(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Somebody sets a device's clock."""
    device.clocks.error_ms = rng.choice((-60 * YEAR_MS, -DAY_MS, -3_000, 900, 90_000, DAY_MS, 10 * YEAR_MS))
    device.clocks.is_synced = rng.random() < 0.3
    fleet.world.tell("the clock of ", device.label, " is wrong by ", device.clocks.error_ms / 1000, " s")


# -- facts that nobody should make ---------------------------------------------------------------------------------


@fault
def poison_fact(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A fact that cannot be read."""
    _put(
        fleet,
        device,
        Lane.CUSTODY,
        b"\xc1" + rng.randbytes(20),
        kind="poison_fact",
        words="a fact that nobody can read",
    )


@fault
def wrong_lane(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A fact in the wrong lane."""
    _put(
        fleet,
        device,
        Lane.TELEMETRY,
        foreign_core(device.name, rng),
        kind="wrong_lane",
        words="a scan in the telemetry lane",
    )


@fault
def foreign_fact(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A fact of another device."""
    _put(
        fleet,
        device,
        Lane.CUSTODY,
        foreign_core("somebody-else", rng),
        kind="foreign_fact",
        words="a fact of another device",
    )


@fault
def killer_fact(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A fact that kills whoever folds it."""
    fleet.world.tell(device.label, " is handed a fact that kills the hub's projector")
    device.capture(Scan(KILLER, "", "plain", "killer", Business.LOADED, "dock", "line"))


def _put(fleet: "Fleet", device: "SimDevice", lane: Lane, core: bytes, *, kind: str, words: str) -> None:
    fleet.world.tell(device.label, " makes ", words)
    device.put_raw(lane, core, kind)


@fault
def far_position(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's broken program claims a position far ahead."""
    incarnation = rng.choice((device.disk.incarnation, rng.randbytes(16)))
    batch = Batch(incarnation, Lane.CUSTODY, 2**53, rng.randbytes(16), (foreign_core(device.name, rng),))
    fleet.world.took_effect("far_position")
    fleet.world.tell(device.name, " claims position 2^53")
    fleet.network.inject_up(device.name, seal(key_of(device.name), Direction.UP, device.name, encode_message(batch)))
