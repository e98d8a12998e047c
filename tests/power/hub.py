"""A hub at work while the power may go at any moment: ingest, attachments, enrolments and backups; devices outlive it."""

import copy
import io
import random
import tarfile
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from contract.delivery.device_states import Appended, Connected, Disconnected
from contract.event import Lane, Outcome, Proof
from contract.messages import Ack, BlobState, Welcome, decode_down
from contract.statement import Direction, unseal
from contract.topics import up_topic
from hub import tables as t
from hub.backup import make_backup, scheduled_name
from hub.db import DATABASE_FILE
from hub.intake import Incoming
from hub.verify import verify_ledger
from tests.contract.delivery.memory import KEY, Device, MemoryStore
from tests.hub.desk import NOW_MS, Desk, open_desk
from tests.power.device import scratch
from tests.power.disk import Disk, Image
from tests.power.promises import Wrong, expect
from tests.power.shim import Failure, Operation, Power, installed

FOLDER: Final = "hub"
BACKUPS: Final = "backups"
GENERATION_MS: Final = 1_000_000
DEVICES: Final = ("van-1", "van-2", "dock-3")
LATER_MS: Final = 10**9
RARE: Final = frozenset({"opening", "attachment", "backup", "enrolment", "closing"})


@dataclass(slots=True)
class Told:
    """What the hub told others that they may rely on."""

    facts: dict[bytes, bytes] = field(default_factory=dict)
    """Content by identity, of positions that were acknowledged."""
    blobs: set[bytes] = field(default_factory=set)
    enrolled: set[str] = field(default_factory=set)
    backups: dict[str, int] = field(default_factory=dict)
    """Facts by file."""

    def copy(self) -> "Told":
        return Told(dict(self.facts), set(self.blobs), set(self.enrolled), dict(self.backups))


@dataclass(slots=True)
class HubTally:
    """How much was shown."""

    cuts: int = 0
    acknowledged: int = 0
    during: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{self.acknowledged} facts acknowledged, {self.cuts} cuts"


@dataclass(slots=True)
class HubCut:
    """The disk as one cut leaves it, what had been told by then, and what devices hold."""

    name: str
    image: Image
    told: Told
    doing: str
    stores: list[MemoryStore]
    """What devices hold; of some cuts only."""


@cache
def started() -> Image:
    """The disk of a hub that has been started once."""
    with scratch() as base:
        (base / BACKUPS).mkdir()
        disk = Disk(base)
        with installed(Power(disk)), open_desk(base / FOLDER):
            pass
        return disk.cut(random.Random(0), unflushed=1.0)


class HubLife:
    """One run of a hub from a start to its last cut."""

    def __init__(self, base: Path, power: Power, rng: random.Random, tally: HubTally, devices: list[Device]) -> None:
        self._base = base
        self._power = power
        self._rng = rng
        self._tally = tally
        self.devices = {device.name: device for device in devices}
        self.told = Told()
        self.doing = "opening"
        self.share = 0.0
        self.name = ""
        self.cuts: list[HubCut] = []
        self._made = 0
        self.from_ms = NOW_MS

    # -- the power -----------------------------------------------------------------------------------------------------

    def gate(self, operation: Operation) -> Failure | None:
        """Remember at moments chosen by chance what a cut would leave."""
        if self._rng.random() < self.share * (4 if self.doing in RARE else 1):
            self.take(f"{self.name} before {operation.kind} {operation.number} of {Path(operation.path).name}")
        return None

    def take(self, name: str) -> None:
        stores = [copy.deepcopy(d.store) for d in self.devices.values()] if self._rng.random() < 0.2 else []
        image = self._power.disk.cut(self._rng)
        self.cuts.append(HubCut(name, image, self.told.copy(), self.doing, stores))

    # -- the work ------------------------------------------------------------------------------------------------------

    def run(self, deeds: int) -> None:
        with open_desk(self._base / FOLDER) as self._desk:
            self._enrol()
            for _ in range(deeds):
                (deed,) = self._rng.choices(list(DEEDS), list(DEEDS.values()))
                deed(self)
            self.doing = "closing"

    def _enrol(self) -> None:
        self.doing = "enrolment"
        known = {str(row["id"]) for row in self._desk.rows(t.device)}
        for name, device in self.devices.items():
            if name not in known:
                self._desk.enrol(name)
            self.told.enrolled.add(name)
            device.feed(Disconnected())
            device.outgoing.clear()
            device.feed(Connected())
        self.exchange()

    def exchange(self) -> None:
        """Carry what devices say to the hub as one group, and what it answers back."""
        self.doing = "ingest"
        group = [(d.name, p) for d in self.devices.values() for p in d.outgoing]
        for device in self.devices.values():
            device.outgoing.clear()
        self._desk.ingest.process([Incoming(up_topic(name), payload) for name, payload in group])
        answers, self._desk.sent[:] = list(self._desk.sent), []
        for name, payload in answers:
            self._rely_on(self.devices[name], payload)
            self.devices[name].hear(payload)

    def _rely_on(self, device: Device, payload: bytes) -> None:
        """Write down what an answer lets its device rely on."""
        match decode_down(unseal(KEY, Direction.DOWN, device.name, payload)):
            case Ack(incarnation=incarnation, lane=lane, mark=mark) if incarnation == device.store.incarnation:
                self._acknowledged(device, lane, mark.n)
            case Welcome(lanes=lanes):
                for answer in lanes:
                    if answer.best is not None:
                        self._acknowledged(device, answer.lane, answer.best.n)
            case BlobState(sha256=digest, missing=()) as state if not state.refused:
                self.told.blobs.add(digest)
            case _:
                return

    def _acknowledged(self, device: Device, lane: Lane, n: int) -> None:
        for position in device.store.lanes[lane].positions[:n]:
            if position.fact_id not in self.told.facts:
                self.told.facts[position.fact_id] = device.store.cores[position.fact_id]
                self._tally.acknowledged += 1

    def scans(self) -> None:
        for device in self.devices.values():
            for _ in range(self._rng.randrange(1, 12)):
                self._made += 1
                device.scan(b"%s %d %s" % (device.name.encode(), self._made, self._rng.randbytes(3).hex().encode()))
        self.exchange()

    def silence(self) -> None:
        """An answer is lost, or the link breaks: devices send again."""
        device = self._rng.choice(list(self.devices.values()))
        device.feed(Disconnected())
        device.outgoing.clear()
        device.feed(Connected())
        self.exchange()

    def time_passes(self) -> None:
        for device in self.devices.values():
            device.tick(self._rng.choice((1_000, 5_000, 60_000)))
        self.exchange()

    def attachment(self) -> None:
        device = self._rng.choice(list(self.devices.values()))
        data = self._rng.randbytes(2_000)
        device.store.blobs[sha256(data).digest()] = data
        device.store.keep(Proof(self._rng.randbytes(4).hex(), Outcome.DELIVERED, photos=(sha256(data).digest(),)))
        device.feed(Appended())
        for _ in range(4):
            self.exchange()
            self.doing = "attachment"

    def backup(self) -> None:
        self.doing = "backup"
        self._made += 1
        target = self._base / BACKUPS / scheduled_name(self.from_ms + self._made)
        made = make_backup(self._desk.centre.db, self._desk.centre.blobs, target, NOW_MS)
        self.told.backups[target.name] = made.facts


DEEDS: Final[dict[Callable[[HubLife], None], float]] = {
    HubLife.scans: 12,
    HubLife.exchange: 4,
    HubLife.silence: 1,
    HubLife.time_passes: 2,
    HubLife.attachment: 2,
    HubLife.backup: 1.5,
}


@dataclass(frozen=True, slots=True)
class HubPlan:
    """How lives are lived."""

    deeds: int = 30
    share: float = 1 / 60
    generations: int = 2


def live(seed: int, tally: HubTally, plan: HubPlan = HubPlan(), *, first_start: bool = False) -> None:
    """Run a hub and check every cut.

    Raises:
        Wrong: what the hub had told does not hold any more; the message names the seed and the moment.
    """
    rng = random.Random(seed)
    start, told = Image({}) if first_start else started(), Told()
    devices = [Device(name, seed * 10 + i) for i, name in enumerate(DEVICES)]
    for generation in range(plan.generations):
        with scratch() as base:
            start.write(base)
            (base / BACKUPS).mkdir(exist_ok=True)
            power = Power(Disk(base))
            life = HubLife(base, power, random.Random(rng.random()), tally, devices)
            life.told, life.share, life.name = told, plan.share, f"seed {seed}.{generation}"
            # Backups of the life before are there still, and so are their names.
            life.from_ms = NOW_MS + generation * GENERATION_MS
            power.gate = life.gate
            with installed(power):
                life.run(plan.deeds)
            life.take(f"{life.name} at the end")
        for cut in life.cuts:
            check(cut, tally)
        start, told, devices = life.cuts[-1].image, life.told, list(life.devices.values())


def check(cut: HubCut, tally: HubTally, opened: Callable[[Path], AbstractContextManager[Desk]] = open_desk) -> None:
    """Start the hub after a cut and hold it to its word; now and then also let its devices come back."""
    with scratch() as base:
        cut.image.write(base)
        try:
            with opened(base / FOLDER) as desk:
                _judge(desk, cut.told, base)
                if cut.stores:
                    _come_back(desk, [Device(store.device, 99, store) for store in cut.stores])
        except Wrong as error:
            raise Wrong(f"{cut.name}, {cut.doing}: {error}") from error
        except Exception as error:
            raise Wrong(f"{cut.name}, {cut.doing}: no start: {error!r}") from error
    tally.cuts += 1
    tally.during[cut.doing] += 1


def _judge(desk: Desk, told: Told, base: Path) -> None:
    with desk.centre.db.read() as tx:
        wrong = verify_ledger(tx, desk.centre.blobs).wrong
    expect(not wrong, f"the ledger does not verify: {wrong[:3]}")
    there = {bytes(row["fact_id"]): row["core"] for row in desk.rows(t.fact)}  # type: ignore[call-overload]  # rows are untyped
    lost = [identity for identity, core in told.facts.items() if there.get(identity) != core]
    expect(not lost, f"{len(lost)} facts were acknowledged and are not there")
    blobs = {bytes(row["sha256"]) for row in desk.rows(t.blob)}  # type: ignore[call-overload]  # the same
    expect(told.blobs <= blobs, f"{len(told.blobs - blobs)} attachments were taken and are not there")
    expect(told.enrolled <= {str(row["id"]) for row in desk.rows(t.device)}, "a device is enrolled no more")
    for name, facts in told.backups.items():
        _judge_backup(base / BACKUPS / name, facts)


def _judge_backup(path: Path, facts: int) -> None:
    expect(path.exists(), f"backup {path.name} is gone")
    with tarfile.open(path, "r:") as tar:
        names = tar.getnames()
        for name in names[1:]:
            content = (tar.extractfile(name) or io.BytesIO()).read()
            expect(sha256(content).hexdigest() == Path(name).name, f"{name} in backup {path.name} was changed")
        expect(names[0] == DATABASE_FILE, f"backup {path.name} has no database")
        expect(len((tar.extractfile(names[0]) or io.BytesIO()).read()) > 0, f"backup of {facts} facts is empty")


def _come_back(desk: Desk, devices: list[Device]) -> None:
    """All that devices hold arrives, once."""
    for device in devices:
        device.feed(Disconnected())
        device.outgoing.clear()
        # Later than all that it said before.
        device.mono_ms = LATER_MS
        device.feed(Connected())
    desk.settle(*devices)
    held = sorted(identity for device in devices for identity in device.store.cores)
    expect(sorted(desk.facts()) == held, "devices came back and the ledger is not what they hold")
    expect(set(desk.seen().values()) <= {1}, "a fact was folded twice")
