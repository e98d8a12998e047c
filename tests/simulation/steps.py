"""What can happen to a fleet: work, and every kind of fault. A step is one line of a schedule and needs no other.

Each function does one step by its own chance, tells it in plain words, and counts it where it really changed something.
"""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

from contract.columns import Reading, pack_readings
from contract.event import Alarm, Lane, Outcome, Phase, Proof, Quantity, Readings, Scan
from contract.event import Step as Business
from contract.fact import Clock, Fact, encode_core
from contract.messages import Ack, Batch, Credit, Mark, Welcome, encode_message
from contract.statement import Direction, seal
from tests.simulation.hub import key_of
from tests.simulation.ledger import KILLER
from tests.simulation.network import Weather
from tests.simulation.world import short

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


def _for_a_while(fleet: "Fleet", rng: Random, least_ms: int, most_ms: int, end: Callable[[], None]) -> str:
    length_ms = rng.randrange(least_ms, most_ms)
    fleet.world.after(length_ms, end)
    return f"for {length_ms / 1000:.1f} s"


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


# -- lines and broker ----------------------------------------------------------------------------------------------


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

    fleet.world.tell(words, " ", _for_a_while(fleet, rng, 3_000, 40_000, clear))


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

    fleet.world.tell("the broker is away ", _for_a_while(fleet, rng, 500, 40_000, back))


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
        fleet.network.inject_up(name, _flip(rng, payload))
        return
    core = _foreign_core(device.name, rng)
    batch = Batch(device.disk.incarnation, Lane.CUSTODY, 1, rng.randbytes(16), (core,))
    fleet.network.inject_up(device.name, seal(b"?" * 32, Direction.UP, device.name, encode_message(batch)))


@fault
def forged_down(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """An answer of the hub is forged or altered."""
    fleet.world.tell("somebody forges an answer to ", device.name)
    if fleet.network.downs and rng.random() < 0.3:
        name, payload = rng.choice(fleet.network.downs)
        fleet.network.inject_down(name, _flip(rng, payload))
        return
    stored = device.disk.lanes[Lane.CUSTODY]
    ack = Ack(device.disk.incarnation, Lane.CUSTODY, Mark(stored.head_n, stored.head_hash[:16]), Credit())
    safe = tuple(device.disk.cores)[:20]
    welcome = Welcome(rng.randbytes(16), (), False, b"s" * len(safe), b"", safe, (), (), fleet.hub.now_ms, Credit())
    message = rng.choice((ack, welcome))
    fleet.network.inject_down(device.name, seal(b"?" * 32, Direction.DOWN, device.name, encode_message(message)))


def _flip(rng: Random, payload: bytes) -> bytes:
    at = rng.randrange(len(payload))
    return payload[:at] + bytes([payload[at] ^ (1 << rng.randrange(8))]) + payload[at + 1 :]


# -- devices -------------------------------------------------------------------------------------------------------

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
    length = _for_a_while(fleet, rng, 5_000, 80_000, device.boot)
    fleet.world.tell(device.label, " is switched off ", length)
    device.die("in order", power=False, restart_ms=0)


@fault
def clone(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A second machine starts on a copy of a device's disk."""
    if len(fleet.devices) < fleet.most_devices:
        fleet.clone(device)


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
    disk = device.disk
    victims = rng.sample(sorted(disk.cores), min(len(disk.cores), rng.choice((1, 3))))
    with fleet.truth.losing("bits flipped"):
        for identity in victims:
            fleet.world.took_effect("row_corrupted")
            fleet.world.tell("bits flip in fact ", short(identity), " on ", device.label)
            disk.cores[identity] = _flip(rng, disk.cores[identity])
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

    fleet.world.tell("the disk of ", device.label, " is full ", _for_a_while(fleet, rng, 3_000, 60_000, end))


@fault
def disk_read_only(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's disk takes no writes."""
    device.read_only = True

    def end() -> None:
        device.read_only = False

    fleet.world.tell("the disk of ", device.label, " is read-only ", _for_a_while(fleet, rng, 3_000, 60_000, end))


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
        _foreign_core(device.name, rng),
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
        _foreign_core("somebody-else", rng),
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


def _foreign_core(device: str, rng: Random) -> bytes:
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


@fault
def far_position(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """A device's broken program claims a position far ahead."""
    incarnation = rng.choice((device.disk.incarnation, rng.randbytes(16)))
    batch = Batch(incarnation, Lane.CUSTODY, 2**53, rng.randbytes(16), (_foreign_core(device.name, rng),))
    fleet.world.took_effect("far_position")
    fleet.world.tell(device.name, " claims position 2^53")
    fleet.network.inject_up(device.name, seal(key_of(device.name), Direction.UP, device.name, encode_message(batch)))


# -- the hub -------------------------------------------------------------------------------------------------------


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

    fleet.world.tell("the hub's disk is full ", _for_a_while(fleet, rng, 3_000, 40_000, end))


@fault
def hub_busy(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """The hub takes little or nothing."""
    hub = fleet.hub
    hub.credit = rng.choice((Credit(0, 2_000), Credit(0, 8_000), Credit(1), Credit(3)))
    usual = fleet.usual_credit

    def end() -> None:
        hub.credit = usual

    words = _for_a_while(fleet, rng, 3_000, 40_000, end)
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

    words = _for_a_while(fleet, rng, 3_000, 40_000, end)
    fleet.world.tell("the hub's clock is wrong by ", hub.clock_error_ms / 1000, " s ", words)


@fault
def days_pass(fleet: "Fleet", device: "SimDevice", rng: Random) -> None:
    """Nothing happens for days."""
    fleet.days_pass(rng.choice((4, 8, 15)))
