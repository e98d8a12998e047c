"""A device at work while the power may go at any moment: seeded lives of everything that the outbox does."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from agent.capture import Capture
from agent.drivers.frames import Code, Fix, Sample
from agent.drivers.sink import Signal
from contract.delivery.device_actions import BlobStored, Release, ReleaseBlobs, SetAcked
from contract.event import Alarm, Lane, Outcome, Phase, Proof, Quantity, Step
from contract.fact import decode_core
from tests.agent.store.kit import DEVICE, EPOCH_MS, Bench, scan
from tests.power.disk import Disk, Image
from tests.power.promises import ROUND, Doing, Promises, Wrong, adopt, judge, key_of, reopen, series_values
from tests.power.shim import Failure, Operation, Power, installed

FOLDER: Final = "device"
SENSOR: Final = f"{DEVICE}.probe.air"
RECEIVER: Final = f"{DEVICE}.gps"
CONTENTS_LEFT: Final = 25
"""After a release; few, so that a start and its checks are quick."""
REQUESTS_WATCHED: Final = 20
REPAIRING: Final = 4
"""One life in so many repairs its database: that brings back what was released, and less can be held against it then."""
RARE: Final = frozenset({"opening", "repairing", "reincarnating", "restarting", "checkpoint", "vacuum", "proof"})
"""What happens seldom is cut as often as what happens all the time."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory where there is one: nothing in it must survive this process."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="hf-power-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@dataclass(slots=True)
class Cut:
    """The disk as one cut leaves it, and what had been confirmed by then."""

    seed: str
    image: Image
    promises: Promises
    doing: Doing
    at_ms: int


@dataclass(slots=True)
class Tally:
    """How much was shown."""

    cuts: int = 0
    facts: int = 0
    measurements: int = 0
    during: Counter[str] = field(default_factory=Counter)

    @property
    def captures(self) -> int:
        return self.facts + self.measurements

    def __str__(self) -> str:
        return f"{self.captures} captures confirmed ({self.facts} facts, {self.measurements} measurements), {self.cuts} cuts"


class Life:
    """One run of the device from a start to its last cut."""

    def __init__(self, base: Path, rng: random.Random, promises: Promises, since_ms: int, tally: Tally) -> None:
        self._rng = rng
        self.promises = promises
        self.doing = Doing("opening")
        self._tally = tally
        self.bench = Bench(base / FOLDER, rng.randbytes(16))
        self.bench.time.epoch_ms += since_ms
        self._made = 0
        self.repairs = False
        self.contents_left = CONTENTS_LEFT

    def run(self, deeds: int) -> None:
        """Start, and do so many things."""
        self.open()
        weights = list(DEEDS.values())
        for _ in range(deeds):
            self.bench.time.elapsed_ms += self._rng.randrange(5, 300)
            (deed,) = self._rng.choices(list(DEEDS), weights)
            deed(self)
            self.doing = Doing()
        self.bench.close()

    def now_ms(self) -> int:
        return self.bench.time.wall_ms() - EPOCH_MS

    def open(self) -> None:
        self.doing = Doing("opening")
        self.outbox = self.bench.open(hold_ms=0)
        self.capture = Capture(self.outbox, self.bench.clock)
        self.promises.incarnation = self.outbox.incarnation
        self._note_acked()
        self.doing = Doing()

    def _code(self) -> bytes:
        self._made += 1
        return b"P%d-%s" % (self._made, self._rng.randbytes(6).hex().encode())

    def _kept(self, *keys: bytes, identity: bytes | None = None) -> None:
        for key in keys:
            self.promises.keys[key] = identity
        self._tally.facts += len(keys)

    def _measured(self, series: str, count: int) -> None:
        self.promises.measured[series] += count
        self._tally.measurements += count

    # -- deeds ---------------------------------------------------------------------------------------------------------

    def scan(self) -> None:
        code = self._code()
        self.doing = Doing("scan", keys=(code,))
        if self.capture.code("scanner", Code(code, "]C1")) is not Signal.REFUSED:
            self._kept(code)

    def scans_at_once(self) -> None:
        codes = [self._code() for _ in range(3)]
        self.doing = Doing("scans", keys=tuple(codes))
        events = [scan(code.decode()) for code in codes]
        events = [
            type(e)(code, e.aim, e.kind, e.parcel, e.step, e.place, e.port)
            for e, code in zip(events, codes, strict=True)
        ]
        kept = self.outbox.append(events, actor="", stamp=self.bench.stamp())
        for code, one in zip(codes, kept, strict=True):
            self._kept(code, identity=one.fact_id)

    def request(self) -> None:
        code, request = self._code(), self._rng.randbytes(16)
        self.doing = Doing("request", keys=(code,))
        done = self.capture.scan_by_hand(code, Step.LOADED, request_id=request)
        self._kept(code, identity=done.kept[0].fact_id)
        self.promises.requests[request] = tuple(k.fact_id for k in done.kept)
        for old in list(self.promises.requests)[:-REQUESTS_WATCHED]:
            del self.promises.requests[old]

    def repeat(self) -> None:
        if not self.promises.requests:
            return
        request = self._rng.choice(list(self.promises.requests))
        done = self.capture.scan_by_hand(b"again", Step.LOADED, request_id=request)
        if tuple(k.fact_id for k in done.kept) != self.promises.requests[request]:
            raise Wrong("a repeated request was answered otherwise")

    def readings(self) -> None:
        count = self._rng.randrange(1, 5)
        self.doing = Doing("readings", series=SENSOR, values=count)
        first = self.promises.measured[SENSOR]
        self.outbox.add_readings([self.bench.reading((first + i) % ROUND, SENSOR) for i in range(count)])
        self._measured(SENSOR, count)

    def sample(self) -> None:
        self.doing = Doing("sample", series=SENSOR, values=1)
        before = self.capture.counts.total()
        self.capture.sample("probe", Sample("air", Quantity.TEMPERATURE_C, self.promises.measured[SENSOR] % ROUND))
        if self.capture.counts.total() == before:
            self._measured(SENSOR, 1)

    def fix(self) -> None:
        self.doing = Doing("fix", series=RECEIVER, values=1)
        before = self.capture.counts.total()
        self.capture.fix("gps", Fix(self.promises.measured[RECEIVER] % ROUND, 0))
        if self.capture.counts.total() == before:
            self._measured(RECEIVER, 1)

    def alarm(self) -> None:
        name = self._rng.randbytes(4).hex()
        event = Alarm(name, Phase.RAISED, SENSOR, "high", EPOCH_MS)
        key = key_of(event) or b""
        self.doing = Doing("alarm", keys=(key,), series=SENSOR, values=1)
        reading = self.bench.reading(self.promises.measured[SENSOR] % ROUND, SENSOR)
        (kept,) = self.outbox.append([event], actor="", stamp=self.bench.stamp(), readings=[reading])
        self._kept(key, identity=kept.fact_id)
        self._measured(SENSOR, 1)

    def draft(self) -> None:
        name, body = self._rng.choice("abc"), self._rng.randbytes(200)
        self.doing = Doing("draft", shelf=((name, body),))
        self.outbox.shelf.put("draft", name, body)
        self.promises.shelf[name] = body

    def proof(self) -> None:
        stop, picture, request = self._rng.randbytes(4).hex(), self._rng.randbytes(1_500), self._rng.randbytes(16)
        self.doing = Doing("proof")
        source = self.outbox.files.incoming / stop
        source.write_bytes(picture)
        digest = self.outbox.adopt_blob(source)
        event = Proof(stop, Outcome.DELIVERED, photos=(sha256(picture).digest(),))
        key = key_of(event) or b""
        self.doing = Doing("proof", keys=(key,))
        (kept,) = self.outbox.append([event], actor="", stamp=self.bench.stamp(), request_id=request)
        self._kept(key, identity=kept.fact_id)
        self.promises.blobs.add(digest)
        self.promises.requests[request] = (kept.fact_id,)
        for name in list(self.promises.shelf):
            self.doing = Doing("draft", shelf=((name, None),))
            self.outbox.shelf.drop("draft", name)
            del self.promises.shelf[name]

    def seal(self) -> None:
        self.doing = Doing("sealing")
        self.outbox.seal_due(in_contact=True, seal_ms=self._rng.choice((0, 1_000)))

    def ack(self) -> None:
        lane = self._rng.choice(list(Lane))
        ends = self.outbox.lane(lane)
        n = self._rng.randrange(ends.base_n, ends.head_n + 1)
        self.doing = Doing("ack", acked=((lane, n),))
        self.outbox.apply([SetAcked(lane, n)])
        self._note_acked()

    def release(self) -> None:
        heads = tuple((lane, self.outbox.lane(lane).head_n) for lane in Lane)
        self.doing = Doing("ack", acked=heads)
        self.outbox.apply([SetAcked(lane, n) for lane, n in heads])
        self._note_acked()
        (held,) = self.outbox.database.rows("SELECT count(*) FROM fact WHERE cause IS NULL")[0]
        going = self.outbox.release_candidates(max(0, held - self.contents_left))
        events = [decode_core(core).event for core in self.outbox.contents(going)]
        keys = frozenset(key for event in events if (key := key_of(event)) is not None)
        may_go = tuple(self._let_go(series) for event in events if (series := series_values(event)) is not None)
        blobs = frozenset(d for event in events if isinstance(event, Proof) for d in event.photos)
        self.doing = Doing("release", released=keys, may_go=may_go, blobs_gone=blobs)
        stored = [BlobStored(digest, stored=True) for digest in blobs]
        self.outbox.apply([*stored, Release(tuple(going)), ReleaseBlobs(tuple(blobs))])
        left = {key_of(decode_core(core).event) for core in self.outbox.contents(going)}
        self.promises.blobs -= blobs
        for key in keys - left:
            # What a repair brought back was promised before.
            self.promises.keys.pop(key, None)
        self.promises.released |= keys
        for name, n in may_go:
            self.promises.let_go[name] = max(self.promises.let_go[name], n)

    def _let_go(self, block: tuple[str, list[int]]) -> tuple[str, int]:
        """A series, and how many of its values are gone when this block is."""
        series, values = block
        behind = (self.promises.measured[series] - 1 - values[-1]) % ROUND
        return series, self.promises.measured[series] - behind

    def maintain(self) -> None:
        self.doing = Doing("upkeep")
        self.outbox.maintain()

    def checkpoint(self) -> None:
        self.doing = Doing("checkpoint")
        self.outbox.database.checkpoint()

    def vacuum(self) -> None:
        self.doing = Doing("vacuum")
        self.outbox.database.vacuum()

    def reincarnate(self) -> None:
        self._begin("reincarnating", lambda: self.outbox.reincarnate("forked"))

    def repair(self) -> None:
        if self.repairs:
            self.promises.repaired = True
            self._begin("repairing", self.outbox.repair)

    def _begin(self, name: str, deed: Callable[[], None]) -> None:
        self.doing = Doing(name, begins=True)
        deed()
        self.promises.incarnation = self.outbox.incarnation
        self._note_acked()

    def _note_acked(self) -> None:
        """What is noted is promised; a full disk need not note it."""
        self.promises.acked = {lane: self.outbox.lane(lane).acked_n for lane in Lane}

    def restart(self) -> None:
        self.doing = Doing("restarting")
        self.bench.close()
        self.open()


DEEDS: Final[dict[Callable[[Life], None], float]] = {
    Life.scan: 60,
    Life.scans_at_once: 8,
    Life.request: 12,
    Life.repeat: 2,
    Life.readings: 25,
    Life.sample: 15,
    Life.fix: 6,
    Life.alarm: 2,
    Life.draft: 4,
    Life.proof: 2,
    Life.seal: 4,
    Life.ack: 4,
    Life.release: 4,
    Life.maintain: 6,
    Life.checkpoint: 1,
    Life.vacuum: 1,
    Life.reincarnate: 0.2,
    Life.repair: 0.2,
    Life.restart: 0.3,
}


class Cutter:
    """The gate of a life: remembers what the disk would hold, at moments chosen by chance."""

    def __init__(self, name: str, rng: random.Random, share: float) -> None:
        self._name = name
        self._rng = rng
        self._share = share
        self.life: Life | None = None
        self.power: Power | None = None
        self.cuts: list[Cut] = []

    def __call__(self, operation: Operation) -> Failure | None:
        if self.life is None or self.power is None:
            return None
        share = self._share * (8 if self.life.doing.name in RARE else 1)
        if self._rng.random() < share:
            self.take(f"{self._name} before {operation.kind} {operation.number}")
        return None

    def take(self, where: str) -> None:
        life, power = self.life, self.power
        if life is not None and power is not None:
            image = power.disk.cut(self._rng)
            self.cuts.append(Cut(where, image, life.promises.copy(), life.doing, life.now_ms()))


@dataclass(frozen=True, slots=True)
class Plan:
    """How lives are lived."""

    deeds: int = 300
    share: float = 1 / 700
    """Of all operations, how many the power goes before; more during what happens seldom."""
    generations: int = 3
    """Lives one after the other on the same disk, each from where a cut left the one before."""


def live(seed: int, tally: Tally, plan: Plan = Plan()) -> None:
    """Live on one disk and check every cut.

    Raises:
        Wrong: a promise was broken; the message names the seed and the moment.
    """
    rng = random.Random(seed)
    start, promises, since_ms = Image({}), Promises(), 0
    for generation in range(plan.generations):
        with scratch() as base:
            start.write(base)
            power = Power(Disk(base))
            cutter = Cutter(f"seed {seed}.{generation}", random.Random(rng.random()), plan.share)
            life = Life(base, random.Random(rng.random()), promises, since_ms, tally)
            life.repairs = seed % REPAIRING == 0
            cutter.life, cutter.power, power.gate = life, power, cutter
            with installed(power):
                life.run(plan.deeds)
            cutter.take(f"seed {seed}.{generation} at the end")
        for cut in cutter.cuts:
            promises = check(cut, tally)
        start, since_ms = cutter.cuts[-1].image, cutter.cuts[-1].at_ms


def check(cut: Cut, tally: Tally) -> Promises:
    """Start the device after a cut and hold it to its word; what holds from there on."""
    with scratch() as base:
        cut.image.write(base)
        folder = base / FOLDER
        try:
            outbox = reopen(folder, random.Random(cut.seed).randbytes(16), cut.at_ms)
            try:
                found = judge(outbox, cut.promises, cut.doing)
            finally:
                outbox.close()
        except Wrong as error:
            raise Wrong(f"{cut.seed}: {error}") from error
        except Exception as error:
            raise Wrong(f"{cut.seed}, {cut.doing.name}: no start: {error!r}") from error
        tally.cuts += 1
        tally.during[cut.doing.name] += 1
        shutil.rmtree(folder, ignore_errors=True)
        return adopt(found, cut.promises, cut.doing)
