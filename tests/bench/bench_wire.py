"""What delivery costs on the line, in bytes."""

import json
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from agent.blocks import SensorReading
from agent.clock import DeviceClock
from agent.inbox import Inbox
from agent.mqtt import KEEPALIVE_S, Incoming
from agent.outbox import Outbox
from agent.uplink import Uplink
from contract.errors import TooLarge
from contract.event import Fix, Quantity, Scan, Step
from contract.limits import HELLO_INTERVAL_MS, IDLE_HELLO_BYTES, KIB, LIVE_INTERVAL_MS
from contract.messages import LatestReading, Live, decode_up
from contract.statement import DEFLATED, Direction, _mac, unseal
from contract.topics import down_topic, up_topic
from firmware_sim.fleet import packets
from firmware_sim.fleet.load import scan_of
from firmware_sim.physics.codes import MAX_NUMBER, MAX_SEED, Code, code_stream, sscc
from firmware_sim.physics.cold_box import ColdBox, DoorPlan
from firmware_sim.relay import Relay
from tests.agent.memory_wire import MemoryWire
from tests.agent.store.kit import VirtualTime
from tests.bench import field
from tests.bench.figure import Figure
from tests.contract.delivery.memory import KEY, MemoryLedger, SeededEntropy

IDS = (
    "wire.reading_bytes",
    "wire.scan_bytes",
    "wire.scan_bytes_mixed",
    "wire.scan_bytes_10",
    "wire.scan_bytes_1",
    "wire.live_bytes_per_sensor_day",
    "wire.idle_bytes_per_day",
    "wire.bomb_ms",
)
AIM_READING_BYTES = 1.5
AIM_SCAN_BYTES = 36.0
AIM_BOMB_MS = 20.0
BOMB_BYTES = 200 * 1024 * KIB
BOMBS = 101

DAY_S = 86_400
INTERVAL_S = 10
JITTER_MS = 3
"""A driver's answer comes a few milliseconds early or late."""
AT_ONCE = 512
SCANS = 256
SHIPPERS = 4
FACTS_BEFORE = 200
"""A device with a history asks the hub about some of it in each hello."""
PING_BYTES = 4
"""A ping and its answer."""
SEED = 11


def figures(folder: Path) -> Iterator[Figure]:
    """Measure."""
    yield _reading_bytes(folder / "readings")
    yield _scan_bytes(folder / "scans")
    yield _batches(folder / "mixed", "wire.scan_bytes_mixed", scans(SCANS, label), SCANS)
    yield _batches(folder / "ten", "wire.scan_bytes_10", scans(SCANS), 10)
    yield _batches(folder / "one", "wire.scan_bytes_1", scans(SCANS), 1)
    yield _live_day(folder / "live")
    yield _idle_day(folder / "idle")
    yield _bomb()


# -- what is captured ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one sensor."""

    sensor: str
    quantity: Quantity
    after_ms: int
    value: int


def day_of_readings(seconds: int, quantities: Sequence[Quantity]) -> Iterator[list[Sample]]:
    """What a probe in a cold box gives, in tenths as hundredths, all its quantities at a time."""
    box, chance = ColdBox(DoorPlan(SEED)), random.Random(SEED)
    for second in range(0, seconds, INTERVAL_S):
        state = box.at(second)
        values = {Quantity.TEMPERATURE_C: state.temperature_c, Quantity.HUMIDITY_RH: state.humidity_rh}
        after_ms = 1000 * second + chance.randrange(-JITTER_MS, JITTER_MS + 1)
        yield [Sample(f"{field.DEVICE}.probe.{q}", q, max(0, after_ms), 10 * round(10 * values[q])) for q in quantities]


Label = Callable[[int, int], Code]
"""A code by the seed of its shipper and its number."""


def label(seed: int, number: int) -> Code:
    """A label of any kind: SSCC, serialised item, postal item, carrier's own."""
    return next(code_stream(seed, start=number))[1]


def scans(count: int, made: Label = sscc) -> list[Scan]:
    """Parcels of a few shippers, with serial numbers at random, loaded into a van; each with position and cold budget."""
    chance = random.Random(SEED)
    shippers = [chance.randrange(MAX_SEED) for _ in range(SHIPPERS)]
    codes = [made(chance.choice(shippers), chance.randrange(1, MAX_NUMBER)) for _ in range(count)]
    return [
        scan_of(
            code,
            Step.LOADED,
            fix=Fix(
                519_244_000 + chance.randrange(9000), 44_777_000 + chance.randrange(9000), chance.randrange(2, 9), 1
            ),
            cold_budget_s=7200 - chance.randrange(3600),
        )
        for code in codes
    ]


# -- the peers -------------------------------------------------------------------------------------------------------


def json_bytes(messages: Sequence[object], deflated: bool) -> int:
    """These as MQTT messages of JSON at QoS 0."""
    return sum(_framed(_json(message, deflated)) for message in messages)


def _json(message: object, deflated: bool) -> bytes:
    text = json.dumps(message, separators=(",", ":")).encode()
    if not deflated:
        return text
    deflater = zlib.compressobj(level=6, wbits=-15)
    return deflater.compress(text) + deflater.flush()


def _framed(payload: bytes) -> int:
    return len(packets.publish(up_topic(field.DEVICE), payload))


def _plain_reading(sample: Sample) -> dict[str, object]:
    return {"s": sample.sensor, "t": 1_780_000_000_000 + sample.after_ms, "v": sample.value / 100}


def _plain_scan(scan: Scan, number: int) -> dict[str, object]:
    fix = scan.fix or Fix(0, 0)
    return {
        "id": f"{random.Random(number).getrandbits(128):032x}",
        "t": 1_780_000_000_000 + 1500 * number,
        "code": scan.code.decode(),
        "aim": scan.aim,
        "kind": scan.kind,
        "parcel": scan.parcel,
        "step": scan.step,
        "place": scan.place,
        "port": scan.port,
        "lat": fix.lat_e7 / 1e7,
        "lon": fix.lon_e7 / 1e7,
        "acc": fix.accuracy_m,
        "age": fix.age_s,
        "budget": scan.cold_budget_s,
    }


# -- a real agent through a counting relay -----------------------------------------------------------------------------


Fill = Callable[[Outbox, VirtualTime], None]


@contextmanager
def _counted(folder: Path) -> Iterator[Callable[[float, Fill], tuple[int, int]]]:
    """A hub, a real agent and a relay between them.

    Yields:
        A function that fills the agent's outbox so many seconds ago, lets it drain, and tells the bytes up and down, from the
        first connection to the last acknowledgement.
    """
    with field.running_hub(folder) as hub, Relay("127.0.0.1", hub.mqtt_port) as relay:
        config = field.enrol(hub, folder, port=relay.port)

        def drained(past_s: float, fill: Fill) -> tuple[int, int]:
            up, down = relay.bytes_to_target, relay.bytes_from_target
            with field.past(config.parent, past_s) as (outbox, time):
                fill(outbox, time)
            field.drain(config, folder)
            return relay.bytes_to_target - up, relay.bytes_from_target - down

        yield drained


def _reading_bytes(folder: Path) -> Figure:
    quantities = (Quantity.TEMPERATURE_C, Quantity.HUMIDITY_RH)
    taken = list(day_of_readings(DAY_S, quantities))
    flat = [sample for samples in taken for sample in samples]

    def fill(outbox: Outbox, time: VirtualTime) -> None:
        for start in range(0, len(taken), AT_ONCE):
            readings = []
            for sample in (s for samples in taken[start : start + AT_ONCE] for s in samples):
                time.elapsed_ms = 1000 + sample.after_ms
                readings.append(_sensor_reading(sample, outbox.clock))
            outbox.add_readings(readings)
            outbox.seal_due(in_contact=False)

    with _counted(folder) as drained:
        up, down = drained(DAY_S, fill)
    by_sensor = [[s for s in flat if s.quantity is q] for q in quantities]
    parcels = [
        [_plain_reading(s) for s in series[i : i + AT_ONCE]]
        for series in by_sensor
        for i in range(0, len(series), AT_ONCE)
    ]
    value, count = (up + down) / len(flat), len(flat)
    deflated = json_bytes(parcels, deflated=True) / count
    plain = json_bytes([_plain_reading(s) for s in flat], deflated=False) / count
    note = f"{count} readings, {up} bytes up, {down} down; plain JSON, one message a reading: {plain:.1f}"
    met = value <= AIM_READING_BYTES
    return Figure(
        "wire.reading_bytes", value, "bytes", "deflated JSON, 512 a message", deflated, "at most 1.5", met, note
    )


def _sensor_reading(sample: Sample, clock: DeviceClock) -> SensorReading:
    return SensorReading(sample.sensor, sample.quantity, clock.stamp(), sample.value, 1000 * INTERVAL_S)


def _scan_bytes(folder: Path) -> Figure:
    made = scans(SCANS)

    def fill(outbox: Outbox, time: VirtualTime) -> None:
        chance = random.Random(SEED)
        for scan in made:
            time.elapsed_ms += chance.randrange(900, 6000)
            outbox.append([scan], actor="w.chen", stamp=outbox.clock.stamp())

    with _counted(folder) as drained:
        # What the same agent needs to come in contact with nothing to send is no cost of a scan.
        empty_up, empty_down = drained(7200, lambda _outbox, _time: None)
        up, down = drained(3600, fill)
    rows = [_plain_scan(scan, i) for i, scan in enumerate(made)]
    value = (up - empty_up + down - empty_down) / SCANS
    deflated = json_bytes([rows], deflated=True) / SCANS
    plain = json_bytes(rows, deflated=False) / SCANS
    logging_in = f"less {empty_up} and {empty_down} to log in"
    note = f"{SCANS} scans: {up} bytes up, {down} down, {logging_in}; plain JSON, one message a scan: {plain:.0f}"
    return Figure(
        "wire.scan_bytes",
        value,
        "bytes",
        "deflated JSON, one message",
        deflated,
        "at most 36",
        value <= AIM_SCAN_BYTES,
        note,
    )


# -- the agent's own parts in virtual time -----------------------------------------------------------------------------


class CountedWire(MemoryWire):
    """Counts what MQTT would carry, pings included, and never waits beyond `until_ms`."""

    until_ms = 0
    up = down = pings = 0
    last_in_ms = last_out_ms = 0

    def publish(self, payload: bytes) -> None:
        """Send."""
        if self.connected:
            self.up += len(packets.publish(up_topic(field.DEVICE), payload))
            self.last_out_ms = self.time.elapsed_ms
            known = len(self.incoming)
            super().publish(payload)
            self.published.clear()
            self.down += sum(
                len(packets.publish(down_topic(field.DEVICE), arrived.payload))
                for arrived in self.incoming[known:]  # type: ignore[union-attr]  # answers of the hub
            )

    def poll(self, timeout_s: float) -> list[Incoming]:
        """Wait in virtual time."""
        if self.incoming:
            self.last_in_ms = self.time.elapsed_ms
        arrived = super().poll(min(timeout_s, max(0, self.until_ms - self.time.elapsed_ms) / 1000))
        now_ms, keepalive_ms = self.time.elapsed_ms, 1000 * KEEPALIVE_S
        if now_ms - self.last_in_ms >= keepalive_ms or now_ms - self.last_out_ms >= keepalive_ms:
            self.pings += PING_BYTES
            self.last_in_ms = self.last_out_ms = now_ms
        return arrived

    @property
    def total(self) -> int:
        """Both directions."""
        return self.up + self.down + self.pings


class Rig:
    """The shipped outbox and uplink of one device, the hub's core in memory between them and the counted wire."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.time = VirtualTime()
        self.clock = DeviceClock(field.BOOT_BEFORE, self.time)
        self.outbox = Outbox.open(folder, field.DEVICE, clock=self.clock)
        self.latest: tuple[LatestReading, ...] = ()
        ledger = MemoryLedger()

        def hub(payload: bytes) -> Sequence[bytes]:
            if isinstance(decode_up(unseal(KEY, Direction.UP, field.DEVICE, payload)), Live):
                return []
            return ledger.take(field.DEVICE, payload, now_ms=self.time.wall_ms())

        self.wire = CountedWire(self.time, hub)
        self.uplink = Uplink(
            device=field.DEVICE,
            key=KEY,
            store=self.outbox,
            inbox=Inbox(lambda: self.outbox.shelf),
            clock=self.clock,
            wire=self.wire,
            entropy=SeededEntropy(SEED),
            latest=lambda: self.latest,
            live_ms=LIVE_INTERVAL_MS,
        )

    def run_until(self, ms: int) -> None:
        """Let the uplink do its work up to a moment."""
        self.wire.until_ms = ms
        self.uplink.turn()
        while self.time.elapsed_ms < ms or self.wire.incoming:
            self.uplink.turn()

    def settle(self) -> None:
        """Come in contact and be done with what that brings."""
        self.run_until(self.time.elapsed_ms + 1000)

    def close(self) -> None:
        """End."""
        self.outbox.close()


def _batches(folder: Path, name: str, made: list[Scan], size: int) -> Figure:
    rig = Rig(folder)
    rig.settle()
    chance = random.Random(SEED)
    cost = 0
    for start in range(0, len(made) - size + 1, size):
        rig.time.elapsed_ms += chance.randrange(900, 6000)
        rig.settle()
        before = rig.wire.up + rig.wire.down
        for scan in made[start : start + size]:
            rig.outbox.append([scan], actor="w.chen", stamp=rig.clock.stamp())
            rig.time.elapsed_ms += chance.randrange(20)
        rig.uplink.appended()
        rig.uplink.turn()
        rig.uplink.turn()
        cost += rig.wire.up + rig.wire.down - before
    rig.close()
    count = len(made) // size * size
    rows = [_plain_scan(scan, i) for i, scan in enumerate(made[:count])]
    messages = rows if size == 1 else [rows[i : i + size] for i in range(0, count, size)]
    against = "one plain JSON message" if size == 1 else f"one deflated JSON message of {size}"
    peer = json_bytes(messages, deflated=size > 1) / count
    return Figure(name, cost / count, "bytes", against, peer)


def _live_day(folder: Path) -> Figure:
    rig = Rig(folder)
    rig.settle()
    start_ms, before, plain = rig.time.elapsed_ms, rig.wire.total, 0
    for [sample] in day_of_readings(DAY_S, (Quantity.TEMPERATURE_C,)):
        rig.run_until(start_ms + sample.after_ms)
        reading = _sensor_reading(sample, rig.clock)
        rig.outbox.add_readings([reading])
        rig.latest = (LatestReading(reading.sensor, reading.quantity, reading.stamp.at_ms, reading.value),)
        if rig.outbox.seal_due(in_contact=True):
            rig.uplink.appended()
        plain += json_bytes([_plain_reading(sample)], deflated=False)
    rig.close()
    note = f"{rig.wire.up} bytes up, {rig.wire.down} down, {rig.wire.pings} pings"
    value = rig.wire.total - before
    return Figure("wire.live_bytes_per_sensor_day", value, "bytes", "plain JSON readings", plain, note=note)


def _idle_day(folder: Path) -> Figure:
    rig = Rig(folder)
    for scan in scans(FACTS_BEFORE):
        rig.outbox.append([scan], actor="w.chen", stamp=rig.clock.stamp())
    rig.settle()
    before = rig.wire.total
    rig.run_until(rig.time.elapsed_ms + 1000 * DAY_S)
    rig.close()
    limit = IDLE_HELLO_BYTES * 1000 * DAY_S / HELLO_INTERVAL_MS
    note = f"{rig.wire.up} bytes up, {rig.wire.down} down, {rig.wire.pings} pings"
    value = rig.wire.total - before
    return Figure("wire.idle_bytes_per_day", value, "bytes", "a 400-byte hello a minute", limit, note=note)


# -- what an attacker sends --------------------------------------------------------------------------------------------


def _bomb() -> Figure:
    """The time that a genuine statement takes up which would inflate to far more than is read."""
    deflater = zlib.compressobj(level=9, wbits=-15)
    body = deflater.compress(bytes(BOMB_BYTES)) + deflater.flush()
    payload = bytes([DEFLATED]) + _mac(KEY, Direction.UP, field.DEVICE, DEFLATED, body) + body
    refused_ms = []
    for _ in range(BOMBS):
        began_s = perf_counter()
        with suppress(TooLarge):
            unseal(KEY, Direction.UP, field.DEVICE, payload)
        refused_ms.append(1000 * (perf_counter() - began_s))
    began_s = perf_counter()
    zlib.decompress(body, wbits=-15)
    whole_ms = 1000 * (perf_counter() - began_s)
    value = median(refused_ms)
    note = f"{len(payload)} bytes that would inflate to {BOMB_BYTES}; slowest of {BOMBS}: {max(refused_ms):.1f} ms"
    met = max(refused_ms) < AIM_BOMB_MS
    return Figure("wire.bomb_ms", value, "ms", "inflating all of it", whole_ms, "under 20, each", met, note)
