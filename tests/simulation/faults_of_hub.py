"""Faults of the hub, of its disk and of its backups."""

from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from contract.event import Outcome, Proof
from contract.messages import Credit
from tests.simulation.steps import DAY_MS, fault, for_a_while

if TYPE_CHECKING:
    from tests.simulation.device import SimDevice
    from tests.simulation.fleet import Fleet


@fault
def hub_killed(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub's process is killed."""
    hub = fleet.hub
    points = (
        "before the commit",
        "after the commit, before it answers",
        "between two answers",
        "between a projection and its effect",
    )
    if rng.random() < 0.3 and hub.up:
        fleet.world.took_effect("hub_killed")
        hub.die("at once", restart_ms=rng.choice((1_000, 5_000, 30_000)), power=rng.random() < 0.5)
    elif rng.random() < 0.2:
        hub.crash_at = "in a backup"
        hub.back_up()
    else:
        hub.crash_at = rng.choice(points)
        fleet.world.tell("the hub will die ", hub.crash_at)


@fault
def backup_broken(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A backup does not verify."""
    if fleet.hub.up:
        fleet.world.took_effect("backup_broken")
        fleet.world.tell("a backup of the hub cannot be read back")
        fleet.hub.back_up(verifies=False)


@fault
def hub_restored(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub is restored from one of its newest backups."""
    hub = fleet.hub
    if not hub.backups:
        hub.back_up()
        return
    back = rng.choice(hub.backups[-2:])
    files = {**hub.files, **back.files} if rng.random() < 0.7 else dict(back.files)
    fleet.set_hub_back(f"to be restored from {back.name}", back.ledger.copy(), files, "hub_restored")


@fault
def hub_copied_back(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Somebody puts a plain copy in the hub's place, the database and the attachments of different times."""
    hub = fleet.hub
    ledger = hub.ledger.copy()
    files: dict[bytes, int] = {}
    fleet.world.tell("somebody copies the hub's database")

    def copy_files() -> None:
        files.update(hub.files)

    def put_back() -> None:
        if hub.up:
            fleet.set_hub_back(
                "because a plain copy is put in its place", ledger.copy(), dict(files), "hub_copied_back"
            )

    delay_ms = rng.randrange(1_000, 60_000)
    fleet.world.after(rng.randrange(0, 2 * delay_ms), copy_files)
    fleet.world.after(delay_ms, put_back)


@fault
def backups_lost(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The disk with the backups is gone."""
    if fleet.hub.backups:
        fleet.world.took_effect("backups_lost")
        fleet.world.tell("all backups of the hub are lost")
        fleet.hub.lose_backups()


@fault
def hub_lost(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub and all its backups are gone; a new one begins with nothing."""
    fleet.lose_hub()


@fault
def hub_attachments_lost(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Files of attachments are gone from the hub's disk."""
    hub = fleet.hub
    victims = rng.sample(sorted(hub.files), min(len(hub.files), rng.choice((1, 3))))
    if victims:
        fleet.world.took_effect("hub_attachments_lost")
        files = {name: size for name, size in hub.files.items() if name not in victims}
        hub.set_back("because a disk lost attachments", hub.ledger, files)


@fault
def upload_damaged(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub's disk damages an upload in progress."""

    def damage() -> None:
        if fleet.hub.damage_upload():
            fleet.world.tell("the hub's disk damages an upload")

    for after_ms in range(0, 3_000, 60):
        fleet.world.after(after_ms, damage)
    photo = rng.randbytes(40) * 2_000
    name = sha256(photo).digest()
    device.capture(Proof("stop", Outcome.DELIVERED, photos=(name,)), photo=photo, name=name)


@fault
def hub_disk_full(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub's disk is full."""
    hub = fleet.hub
    hub.storage_full = True

    def end() -> None:
        hub.storage_full = False

    fleet.world.tell("the hub's disk is full ", for_a_while(fleet, rng, 3_000, 40_000, end))


@fault
def hub_busy(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub takes little or nothing."""
    hub = fleet.hub
    hub.credit = rng.choice((Credit(0, 2_000), Credit(0, 8_000), Credit(1), Credit(3)))
    usual = fleet.usual_credit

    def end() -> None:
        hub.credit = usual

    words = for_a_while(fleet, rng, 3_000, 40_000, end)
    fleet.world.took_effect("hub_busy")
    fleet.world.tell("the hub grants ", hub.credit.facts, " facts at a time ", words)


@fault
def hub_clock_jump(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Somebody sets the hub's clock."""
    hub = fleet.hub
    hub.clock_error_ms = rng.choice((-DAY_MS, -5_000, 5_000, DAY_MS))
    fleet.world.took_effect("hub_clock_jump")
    fleet.hub_clock_was_wrong = True

    def end() -> None:
        hub.clock_error_ms = 0

    words = for_a_while(fleet, rng, 3_000, 40_000, end)
    fleet.world.tell("the hub's clock is wrong by ", hub.clock_error_ms / 1000, " s ", words)


@fault
def days_pass(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Nothing happens for days."""
    fleet.days_pass(rng.choice((4, 8, 15)))
