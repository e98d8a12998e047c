"""The whole simulated world: some devices, one hub, the lines between them, and a schedule of what happens."""

from dataclasses import dataclass
from random import Random

from contract.delivery.hub_actions import IncidentKind
from contract.delivery.hub_view import StreamName
from contract.event import Lane
from contract.limits import HELLO_INTERVAL_MS, HELLO_JITTER, HOLD_DEFAULT_MS
from contract.messages import MARK_HASH_BYTES, Credit, Hello
from tests.simulation.checker import Expected, ExpectedRegression, check_all, check_shown, unrest
from tests.simulation.device import SimDevice
from tests.simulation.disk import AMPLE_BYTES, Disk
from tests.simulation.faults import FAULTS
from tests.simulation.hub import Hub
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network, Weather
from tests.simulation.steps import DAY_MS, WORK, Step
from tests.simulation.truth import Truth
from tests.simulation.world import Violation, World

ACTIVE_MS = 150_000
HELLO_PERIOD_MS = int(HELLO_INTERVAL_MS * (1 + HELLO_JITTER))
SHOWN_MS = 45_000 + 2 * HELLO_PERIOD_MS
"""From the end of all faults until every incident must be shown: restarts and back-off, then two hello periods."""
SETTLE_MS = 30 * 60_000
"""By then everything must have come to rest."""
NAMES = ("van-1", "dock-2")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a seed stands for: the circumstances, and the steps."""

    seed: int
    devices: int
    latency_ms: int
    jitter_ms: int
    loss: float
    credit: int
    hold_ms: int
    with_backups: bool
    steps: tuple[Step, ...]

    @property
    def words(self) -> str:
        """The circumstances."""
        hold = f"{self.hold_ms // DAY_MS} days" if self.hold_ms else "no longer than needed"
        return (
            f"seed {self.seed}: {self.devices} devices, latency {self.latency_ms} + {self.jitter_ms} ms, "
            f"{self.loss:.0%} lost, {self.credit} facts a batch, safe content is held {hold}, "
            f"{'with' if self.with_backups else 'without'} backups"
        )


def plan_of(seed: int) -> Plan:
    """The schedule of a seed: a few kinds of faults, each perhaps several times, in the midst of work."""
    rng = Random(f"{seed}/plan")
    latency_ms = rng.choice((5, 30, 30, 200, 1_500))
    # A few kinds of faults, each perhaps often, find more than a little of everything.
    kinds = rng.sample(sorted(FAULTS), rng.randrange(0, 9))
    chosen = [*kinds, *(rng.choice(kinds) for _ in range(rng.randrange(8)) if kinds)]
    chosen += rng.choices(sorted(WORK), k=rng.choice((6, 12, 24)))
    devices = rng.choice((1, 1, 2))
    steps = [Step(rng.randrange(ACTIVE_MS), kind, rng.randrange(4), rng.randrange(2**32)) for kind in chosen]
    return Plan(
        seed=seed,
        devices=devices,
        latency_ms=latency_ms,
        jitter_ms=rng.choice((0, latency_ms)),
        loss=rng.choice((0.0, 0.0, 0.05)),
        credit=rng.choice((1, 3, 20, 256, 256)),
        hold_ms=rng.choice((0, 0, HOLD_DEFAULT_MS)),
        with_backups=rng.random() < 0.85,
        steps=tuple(sorted(steps, key=lambda s: (s.at_ms, s.seed))),
    )


class Fleet:
    """Runs a plan."""

    most_devices = 4

    def __init__(self, plan: Plan, *, telling: bool = False) -> None:
        self.plan = plan
        self.world = World(plan.seed, telling=telling)
        self.truth = Truth(self.world)
        self.network = Network(self.world)
        self.hub = Hub(self.world, self.truth, with_backups=plan.with_backups, send=self.network.down)
        self.network.to_hub = self.hub.receive
        self.network.usual = self.network.weather = Weather(plan.latency_ms, plan.jitter_ms, plan.loss, 0.0)
        self.usual_credit = self.hub.credit = Credit(plan.credit)
        self.hub_clock_was_wrong = False
        self.expected: list[Expected] = []
        """What disasters must show, unless something voids it."""
        self.hub.after_commit = self._drop_regained
        self.hub.on_hello = self._note_announced
        self.truth.announced = lambda: self.hub.ledger.announced
        self.devices: list[SimDevice] = []
        for name in NAMES[: plan.devices]:
            self._add(Disk(name, self.world.random(f"disk of {name}"), self.truth), name)
        for device in self.devices:
            device.disk.hold_ms = plan.hold_ms
            device.boot()

    def _add(self, disk: Disk, label: str) -> SimDevice:
        device = SimDevice(self.world, self.network, self.truth, disk, label)
        self.devices.append(device)
        return device

    # -- a run -----------------------------------------------------------------------------------------------------

    def work(self) -> None:
        """All steps of the plan, at their times."""
        acts = {**WORK, **FAULTS}
        for step in self.plan.steps:
            if step.at_ms > self.world.now_ms:
                self.world.run_until(step.at_ms)
            device = self.devices[step.device % len(self.devices)]
            acts[step.kind](self, device, Random(step.seed))
        self.world.run_until(max(ACTIVE_MS, self.world.now_ms))

    def end_faults(self) -> None:
        """From now on everything works."""
        self.world.tell("all faults end")
        self.network.broker_up = True
        self.network.silent = dict.fromkeys(self.network.silent, self.world.now_ms)
        self.network.usual = self.network.weather = Weather(30, 10)
        hub = self.hub
        hub.storage_full, hub.crash_at, hub.credit = False, None, Credit()
        hub.clock_error_ms = 0
        hub.start()
        for device in self.devices:
            device.full = device.read_only = False
            device.busy_writes, device.crash_at = 0, None
            device.disk.budget_bytes = AMPLE_BYTES
            device.boot()

    def settle(self) -> None:
        """Let it come to rest and judge it.

        Raises:
            Violation: a promise is broken, or it does not come to rest.
        """
        self.end_faults()
        self.world.run_until(self.world.now_ms + SHOWN_MS)
        check_shown(self)
        until_ms = self.world.now_ms + SETTLE_MS
        while (why := unrest(self)) is not None:
            if self.world.now_ms > until_ms:
                raise Violation(f"liveness: {SETTLE_MS // 60_000} minutes after all faults ended {why}")
            self.world.run_until(self.world.now_ms + 20_000)
        check_all(self)

    # -- disasters -------------------------------------------------------------------------------------------------

    def clone(self, device: SimDevice) -> None:
        """A second machine starts on a copy."""
        self.world.took_effect("clone")
        label = f"{device.label}'"
        while any(d.label == label for d in self.devices):
            label += "'"
        disk = device.disk.copy(Random(0))
        disk.boot = b""
        self.world.tell(label, " starts on a copy of the disk of ", device.label)
        twin = self._add(disk, label)
        twin.clocks.error_ms = device.clocks.error_ms
        self.expected.append(Expected("clone", {"fork", "device_regressed"}, (device, twin)))
        twin.boot()

    def restore_image(self, device: SimDevice, image: Disk, with_witness: bool) -> None:
        """Put an earlier state in the place of a device's disk."""
        old = device.disk
        if not device.on or image.past[-1] != old.incarnation:
            return
        fresh = image.copy(device.random)
        if not with_witness:
            fresh.witness = fresh.witness_synced = old.witness
        set_back = any(fresh.lanes[lane].head_n < old.lanes[lane].head_n for lane in Lane)
        if set_back:
            self.world.took_effect("image_restored")
        noticed = fresh.is_behind_witness() or self._is_committed_beyond(fresh)
        device.die("to be set back to its image", power=False, restart_ms=0)
        with self.truth.losing(f"{device.label} was set back to an image"):
            fresh.boot = b""
            device.disk = fresh
        # Tombstones too, whose contents had gone before, and what lies in a backup of a hub that was set back since.
        live = {identity for d in self.devices for identity in d.disk.chained()} | self.hub.ledger.lines.keys()
        self.truth.unannounced |= old.chained() - live - self.truth.announced()
        fresh.mishaps = old.mishaps + 1
        if noticed:
            kinds = {"fork", "device_regressed", "device_damage"}
            self.expected.append(Expected("image restored", kinds, (device,)))
        device.boot()

    def _note_announced(self, name: str, hello: Hello) -> None:
        for expected in self.expected:
            if isinstance(expected, ExpectedRegression) and not self.hub.ledger.knows(
                expected.stream, expected.n, expected.hash
            ):
                expected.told |= expected.is_told_by(hello)
        for claim in hello.lanes:
            for device in self.devices:
                whole = device.disk.hash_at(claim.lane, claim.head.n) if device.name == name else None
                if whole is not None and whole[:MARK_HASH_BYTES] == claim.head.hash:
                    positions = device.disk.lanes[claim.lane].positions
                    self.hub.ledger.announced.update(p.fact_id for p in positions if p.n <= claim.head.n)

    def _is_committed_beyond(self, disk: Disk) -> bool:
        streams = [(StreamName(disk.device, disk.incarnation, lane), s.head_n) for lane, s in disk.lanes.items()]
        return any(b.n > head_n for stream, head_n in streams for b in self.hub.ledger.branches(stream))

    def replace_disk(self, device: SimDevice, *, keep_files: bool) -> None:
        """An empty database in the place of a device's own, beside its files or on a new disk."""
        self.world.took_effect("database_lost" if keep_files else "disk_lost")
        why = "database lost" if keep_files else "disk lost"
        old = device.disk
        device.die(f": its {why}", power=False, restart_ms=0)
        with self.truth.losing(f"{why} on {device.label}"):
            fresh = Disk(device.name, device.random, self.truth)
            fresh.name_anew(device.random, "")
            fresh.past = [fresh.incarnation]
            fresh.hold_ms, fresh.boot = old.hold_ms, old.boot
            fresh.mishaps = old.mishaps + 1
            if keep_files:
                fresh.files, fresh.flipped = dict(old.files), old.flipped & old.files.keys()
                fresh.reason = "database_lost"
                fresh.adopt(fresh.whole_files(), 0)
            device.disk = fresh
        device.boot(cold=False)

    def damage_database(self, device: SimDevice, rng: Random) -> None:
        """What is whole of a damaged database goes into a new one."""
        self.world.took_effect("database_damaged")
        disk = device.disk
        lost = {i for i in sorted(disk.cores) if rng.random() < 0.3}
        torn = {i for i in sorted(lost) if rng.random() < 0.5}
        self.world.tell("the database of ", device.label, " is damaged; ", len(lost), " contents are lost")
        device.die("by damage", power=False, restart_ms=0)
        with self.truth.losing(f"the database of {device.label} was damaged"):
            lost |= disk.flipped & disk.cores.keys()
            disk.lose_rows(lost, torn, "database_damaged")
        disk.mishaps += 1
        device.boot(cold=False)

    def set_hub_back(self, why: str, ledger: Ledger, files: dict[bytes, int], kind: str) -> None:
        """Put an earlier state in the place of the hub's own."""
        self.world.took_effect(kind)
        ledger.backups = list(ledger.backups)
        self.hub.set_back(why, ledger, files)
        self._expect_regression(why)

    def lose_hub(self) -> None:
        """Begin with nothing but the devices' keys."""
        self.world.took_effect("hub_lost")
        self.hub.lose_backups()
        self.hub.set_back("because everything of it is lost", Ledger(with_backups=self.plan.with_backups), {})
        self._expect_regression("hub lost")

    def _expect_regression(self, why: str) -> None:
        # What was shown before may be forgotten now.
        self.expected.clear()
        self.truth.unannounced |= self.truth.gone.keys() - self.truth.announced()
        for device in self.devices:
            disk = device.disk
            for lane, stored in disk.lanes.items():
                whole = disk.hash_at(lane, stored.acked_n)
                stream = StreamName(device.name, disk.incarnation, lane)
                if stored.acked_n and whole is not None and not self.hub.ledger.knows(stream, stored.acked_n, whole):
                    expected = ExpectedRegression(why, {"hub_regressed"}, (device,), stream, stored.acked_n, whole)
                    self.expected.append(expected)

    def _drop_regained(self) -> None:
        """A restored hub that got again what it lacked before anybody said hello has nothing to show."""
        shown = {i.device for i in self.hub.ledger.incidents.values() if i.kind is IncidentKind.HUB_REGRESSED}
        self.expected = [
            e
            for e in self.expected
            if not isinstance(e, ExpectedRegression)
            or e.told
            or e.stream.device in shown
            or not self.hub.ledger.knows(e.stream, e.n, e.hash)
        ]

    def days_pass(self, days: int) -> None:
        """All devices are off for days."""
        if not all(d.on for d in self.devices):
            return
        self.world.took_effect("days_pass")
        self.world.tell("all devices are off for ", days, " days")
        for device in self.devices:
            device.die("in order", power=False, restart_ms=0)
        self.world.skip(days * DAY_MS)
        for device in self.devices:
            device.boot()
