"""What devices send to a hub, sealed as they seal it: scans of parcels on their way, and blocks of readings."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from contract.columns import Reading, pack_readings
from contract.event import Event, Lane, Quantity, Readings, Scan, Step, Verdict
from contract.fact import CORE_VERSION, Clock, Fact, encode_core, fact_id, next_hash, root_hash
from contract.identity import checkdigit, identify
from contract.messages import Batch, encode_message, mark
from contract.statement import Direction, seal
from contract.topics import up_topic
from hub.intake import Incoming

START_MS = 1_780_000_000_000
BOOTED_BEFORE_MS = 100_000_000
SEED = 5
JITTER_MS = 20
"""A driver's answer comes early or late."""
WAY = (Step.RECEIVED, Step.LOADED, Step.OUT_FOR_DELIVERY, Step.ARRIVED, Step.DELIVERED)


@dataclass
class Talker:
    """A device: chains what it states and seals it."""

    name: str
    key: bytes
    incarnation: bytes
    ord: int = 0
    heads: dict[Lane, tuple[int, bytes]] = field(default_factory=dict)

    def core(self, event: Event, at_ms: int) -> bytes:
        """One fact's exact bytes."""
        self.ord += 1
        salt = sha256(self.incarnation + self.ord.to_bytes(8, "big")).digest()[:8]
        mono_ms = at_ms - START_MS + BOOTED_BEFORE_MS
        boot = self.incarnation
        fact = Fact(
            CORE_VERSION, self.name, self.incarnation, boot, self.ord, salt, at_ms, mono_ms, Clock.SYNCED, "", event
        )
        return encode_core(fact)

    def batch(self, lane: Lane, cores: Sequence[bytes]) -> Incoming:
        """The next positions of a lane, as the broker delivers them."""
        root = 0, root_hash(self.name, self.incarnation, lane)
        n, head = self.heads.get(lane, root)
        message = Batch(self.incarnation, lane, n + 1, mark(n, head).hash, tuple(cores))
        for core in cores:
            n += 1
            head = next_hash(head, n, fact_id(core))
        self.heads[lane] = n, head
        return Incoming(up_topic(self.name), seal(self.key, Direction.UP, self.name, encode_message(message)))


def talkers(count: int) -> list[Talker]:
    """Devices that differ in all that is random about devices."""
    made = []
    for i in range(count):
        seed = sha256(b"%d" % i).digest()
        made.append(Talker(f"van-{i:04}", seed, seed[:16]))
    return made


def sscc(number: int) -> bytes:
    digits = f"3{340_000_000_000_0000 + number:016}"
    return f"00{digits}{checkdigit.gs1(digits)}".encode()


def scans(devices: Sequence[Talker], count: int, *, per_message: int) -> Iterator[Incoming]:
    """Scans of parcels on their way: all of them at one step, then at the next, and each step by another device."""
    parcels = count // len(WAY)
    waiting: defaultdict[int, list[bytes]] = defaultdict(list)
    for i in range(count):
        step, parcel = divmod(i, parcels)
        who = (parcel // 40 + step) % len(devices)
        code = sscc(parcel)
        identity = identify(code, "]C1")
        event = Scan(
            code, "]C1", identity.kind, identity.key, WAY[step % len(WAY)], f"dock-{who % 9}", "usb-1", Verdict.EXPECTED
        )
        waiting[who].append(devices[who].core(event, START_MS + step * 3_600_000 + parcel * 50))
        if len(waiting[who]) == per_message:
            yield devices[who].batch(Lane.CUSTODY, waiting.pop(who))
    for who, cores in waiting.items():
        yield devices[who].batch(Lane.CUSTODY, cores)


def readings(
    devices: Sequence[Talker], count: int, *, block_sizes: Sequence[int], interval_ms: int = 10_000
) -> Iterator[Incoming]:
    """So many readings or a few more; each message has a block of each size of one device's sensors, devices take turns."""
    chance = random.Random(SEED)
    ends_ms = {talker.name: [START_MS] * len(block_sizes) for talker in devices}
    while count > 0:
        for talker in devices:
            cores = []
            for sensor, size in enumerate(block_sizes):
                told = _told(50 * sensor, size, interval_ms, chance)
                cores.append(_block(talker, sensor, ends_ms[talker.name][sensor], interval_ms, told))
                ends_ms[talker.name][sensor] += size * interval_ms
            yield talker.batch(Lane.TELEMETRY, cores)
            count -= sum(block_sizes)
            if count <= 0:
                return


def _told(warmer: int, count: int, interval_ms: int, chance: random.Random) -> list[Reading]:
    value = 400 + warmer
    told = []
    for n in range(count):
        value += chance.choice((-3, -2, -1, 0, 0, 1, 2, 3))
        told.append(Reading(n * interval_ms + (chance.randrange(-JITTER_MS, JITTER_MS) if n else 0), value))
    return told


def _block(talker: Talker, sensor: int, base_ms: int, interval_ms: int, told: list[Reading]) -> bytes:
    packed = pack_readings(told, interval_ms)
    name = f"{talker.name}.fridge.air{sensor}"
    mono_ms = base_ms - START_MS + BOOTED_BEFORE_MS
    event = Readings(name, Quantity.TEMPERATURE_C, base_ms, mono_ms, interval_ms, len(told), packed)
    return talker.core(event, base_ms + told[-1].offset_ms + 1_000)


def poisoned(talker: Talker) -> bytes:
    """A fact that can be read and kept but not folded: a block whose columns do not hold what its count says."""
    mono_ms = BOOTED_BEFORE_MS
    event = Readings(f"{talker.name}.fridge.air0", Quantity.TEMPERATURE_C, START_MS, mono_ms, 10_000, 9, b"\x00")
    return talker.core(event, START_MS)
