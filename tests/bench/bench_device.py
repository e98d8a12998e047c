"""What keeping a scan costs, and how small and quick to start the device is."""

import os
import resource
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path

import msgspec
from sqlalchemy import Engine, MetaData, event
from sqlmodel import Field, Session, SQLModel, create_engine

from agent.capture import Capture, Port
from agent.clock import DeviceClock
from agent.drivers.frames import Code
from agent.drivers.sink import Signal
from agent.outbox import Outbox
from agent.store.chain import place_of
from contract.event import Lane, Scan, Step
from contract.fact import Fact, encode_core, fact_id, next_hash
from contract.limits import MAX_AUDIT
from firmware_sim.adapters.registers import Register
from firmware_sim.demo.cast import VANS, Ports, agent_toml
from firmware_sim.physics.codes import sscc
from firmware_sim.processes import AgentProcess, Program, find_command
from tests.bench.figure import Figure

IDS = (
    "capture.p50",
    "capture.p99",
    "capture.pages",
    "capture.rate",
    "capture.grouped",
    "capture.backlog",
    "agent.start_s",
    "agent.rss_mib",
)
AIM_P50 = 1.3
AIM_SLOWEST_P50_MS, AIM_SLOWEST_P99_MS = 5.0, 50.0
AIM_BACKLOG = 1.2
AIM_GROUPED = 4.0
AIM_START_S = 0.5
AIM_RSS_MIB = 40.0

DEVICE = "van-2"
SCANNER = "scanner"
SCANS = 2_000
PAGES_OVER = 30
"""Fewer captures than are between two checkpoints."""
WAL_HEADER_BYTES, WAL_FRAME_BYTES = 32, 24 + 4096
ROUNDS = 5
ROUND_SCANS = 200
PRODUCERS = 64
PRODUCER_SCANS = 30
FACTS_KEPT = 1_000_000
BACKLOG_SCANS = 1_200
INSERTED_AT_ONCE = 5_000
STARTS = 7
AT_WORK_S = 8.0
PEER_PROGRAM = "import sqlite3, paho.mqtt.client"
CREDENTIAL = f'[device]\ncredential = "{"6b" * 32}"\n'
KIB_A_MIB = 1024.0
SEED = 7


def figures(folder: Path) -> Iterator[Figure]:
    """Measure."""
    with device(folder / "alone") as alone:
        yield from _latency(alone, folder / "appended")
        yield _pages(alone)
        yield _rate(alone, folder / "session.db")
        yield _grouped(alone)
    with device(folder / "empty") as empty, device(folder / "full", facts=FACTS_KEPT) as full:
        yield _backlog(empty, full)
    yield _start(folder / "start")
    yield _resident(folder / "resident")


# -- a device at work --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bench:
    """The agent's capture function over an outbox on this machine's disk."""

    outbox: Outbox
    capture: Capture
    codes: Iterator[Code]

    def scan(self, driver: str = SCANNER) -> None:
        """Keep the next label as a driver does."""
        signal = self.capture.code(driver, next(self.codes))
        if signal is not Signal.KEPT:
            raise AssertionError(f"the scan was {signal}")


@contextmanager
def device(folder: Path, facts: int = 0) -> Iterator[Bench]:
    """A device that has kept so many facts that the hub does not know of."""
    clock = DeviceClock.of_system()
    if facts:
        with_past(folder, clock, facts)
    outbox = Outbox.open(folder, DEVICE, clock=clock, budget_bytes=1 << 40)
    ports = {name: Port(Step.LOADED) for name in (SCANNER, *map(str, range(PRODUCERS)))}
    labels = (Code(sscc(SEED, number).data, "]C1") for number in count(1))
    yield Bench(outbox, Capture(outbox, clock, place="dock-4", ports=ports), labels)
    outbox.close()


def with_past(folder: Path, clock: DeviceClock, facts: int) -> None:
    """Put scans into an outbox past its one-by-one way, but as right as if they had come by it."""
    outbox = Outbox.open(folder, DEVICE, clock=clock)
    (kept,) = outbox.append([_scan(b"0")], actor="w.chen", stamp=clock.stamp())
    (first,) = outbox.listing(1)
    ends = outbox.lane(Lane.CUSTODY)
    (stream,) = outbox.database.rows("SELECT id FROM stream WHERE lane = 'custody'")[0]
    outbox.close()
    if first.fact is None:
        raise AssertionError("the first fact cannot be read")
    rows = _rows(first.fact, stream, (kept.n, ends.head_hash))
    with sqlite3.connect(folder / "device.db", isolation_level=None) as database:
        database.execute("PRAGMA synchronous = OFF")
        for done in range(0, facts, INSERTED_AT_ONCE):
            part = islice(rows, min(INSERTED_AT_ONCE, facts - done))
            database.execute("BEGIN")
            database.executemany("INSERT INTO fact VALUES (?, ?, ?, ?, ?, NULL, ?)", part)
            database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


def _rows(like: Fact, stream: int, head: tuple[int, bytes]) -> Iterator[tuple[object, ...]]:
    n, previous = head
    replace = msgspec.structs.replace
    while True:
        n += 1
        fact = replace(like, ord=n, salt=n.to_bytes(8, "big"), event=_scan(b"00%018d" % n))
        core = encode_core(fact)
        identity = fact_id(core)
        previous = next_hash(previous, n, identity)
        yield place_of(stream, n), previous, identity, n, fact.at_ms, core


def _scan(code: bytes) -> Scan:
    return Scan(code, "]C1", "sscc", code.decode(), Step.LOADED, "dock-4", SCANNER)


def _took_ms(job: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    job()
    return 1000 * (time.perf_counter() - began_s)


def _percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


# -- keeping a scan ----------------------------------------------------------------------------------------------------


def _latency(bench: Bench, path: Path) -> Iterator[Figure]:
    """One scan at a time, each beside an append of as many bytes."""
    bench.scan()
    (listed,) = bench.outbox.listing(1)
    core = encode_core(listed.fact) if listed.fact is not None else b""
    # A label that a scanner reads is not computed by the device.
    bench = replace(bench, codes=iter(list(islice(bench.codes, SCANS + ROUND_SCANS))))
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def append() -> None:
        os.write(file, core)
        os.fdatasync(file)

    kept, appended = [], []
    for _ in range(SCANS):
        kept.append(_took_ms(bench.scan))
        appended.append(_took_ms(append))
    os.close(file)
    peer = f"append + fdatasync of the same {len(core)} bytes"
    p50, p99 = _percentile(kept, 0.50), _percentile(kept, 0.99)
    against = _percentile(appended, 0.50), _percentile(appended, 0.99)
    aim = f"at most {AIM_P50} times, and {AIM_SLOWEST_P50_MS:.0f} ms"
    met = p50 <= AIM_P50 * against[0] and p50 <= AIM_SLOWEST_P50_MS
    yield Figure("capture.p50", p50, "ms", peer, against[0], aim, met=met, note=_cpu_note(bench, append_ms=against[0]))
    slow = p99 <= AIM_SLOWEST_P99_MS
    yield Figure("capture.p99", p99, "ms", peer, against[1], f"at most {AIM_SLOWEST_P99_MS:.0f} ms", met=slow)


def _cpu_note(bench: Bench, append_ms: float) -> str:
    began = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(ROUND_SCANS):
        bench.scan()
    ended = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ms = 1000 * (ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime) / ROUND_SCANS
    return f"a capture needs {cpu_ms:.3f} ms of CPU, the append alone takes {append_ms:.3f} ms"


def _pages(bench: Bench) -> Figure:
    """What one commit writes: with one flush each, this is what wears a card out."""
    bench.outbox.database.checkpoint()
    for _ in range(PAGES_OVER):
        bench.scan()
    wal_bytes = bench.outbox.database.path.with_name("device.db-wal").stat().st_size - WAL_HEADER_BYTES
    pages = wal_bytes / WAL_FRAME_BYTES / PAGES_OVER
    return Figure("capture.pages", pages, "pages of 4 KiB", "the one block that an append touches", 1.0)


class Row(SQLModel, table=True):
    """The same scan as a row of the usual kind."""

    # Not among the hub's tables.
    metadata = MetaData()

    id: int | None = Field(default=None, primary_key=True)
    fact_id: bytes = Field(unique=True)
    at_ms: int
    mono_ms: int
    actor: str
    code: bytes
    aim: str
    kind: str
    parcel: str
    step: str
    place: str
    port: str
    verdict: str


def _session_engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}")

    @event.listens_for(engine, "connect")
    def _durable(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")

    Row.metadata.create_all(engine)
    return engine


def _rate(bench: Bench, path: Path) -> Figure:
    engine = _session_engine(path)
    numbers = count()

    def keep_row() -> None:
        code = f"00{next(numbers):018}"
        with Session(engine) as session:
            session.add(
                Row(
                    fact_id=os.urandom(32),
                    at_ms=time.time_ns() // 1_000_000,
                    mono_ms=time.monotonic_ns() // 1_000_000,
                    actor="w.chen",
                    code=code.encode(),
                    aim="]C1",
                    kind="sscc",
                    parcel=code,
                    step="loaded",
                    place="dock-4",
                    port=SCANNER,
                    verdict="unknown",
                )
            )
            session.commit()

    keep_row()
    ours = theirs = 0.0
    for _ in range(ROUNDS * ROUND_SCANS):
        ours += _took_ms(bench.scan)
        theirs += _took_ms(keep_row)
    engine.dispose()
    scans = 1000.0 * ROUNDS * ROUND_SCANS
    peer = "the same through an SQLModel session, synchronous=FULL"
    return Figure("capture.rate", scans / ours, "scans/s", peer, scans / theirs, "more", met=ours < theirs)


def _grouped(bench: Bench) -> Figure:
    single: list[float] = []
    grouped: list[float] = []
    for _ in range(ROUNDS):
        single.append(1000 * ROUND_SCANS / _took_ms(lambda: _scan_alone(bench)))
        grouped.append(1000 * PRODUCERS * PRODUCER_SCANS / _took_ms(lambda: _produce(bench)))
    value, against = statistics.median(grouped), statistics.median(single)
    aim = f"at least {AIM_GROUPED:.0f} times"
    peer = "one producer"
    return Figure("capture.grouped", value, "scans/s", peer, against, aim, met=value >= AIM_GROUPED * against)


def _scan_alone(bench: Bench) -> None:
    for _ in range(ROUND_SCANS):
        bench.scan()


def _produce(bench: Bench) -> None:
    codes = [list(islice(bench.codes, PRODUCER_SCANS)) for _ in range(PRODUCERS)]

    def produce(number: int) -> None:
        for code in codes[number]:
            bench.capture.code(str(number), code)

    threads = [threading.Thread(target=produce, args=(number,)) for number in range(PRODUCERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _backlog(empty: Bench, full: Bench) -> Figure:
    took: dict[str, list[float]] = {"empty": [], "full": []}
    for _ in range(BACKLOG_SCANS):
        took["full"].append(_took_ms(full.scan))
        took["empty"].append(_took_ms(empty.scan))
    value, against = statistics.median(took["full"]), statistics.median(took["empty"])
    asked = [_took_ms(partial(_ask, bench.outbox)) for bench in (full, empty)]
    return Figure(
        "capture.backlog",
        value,
        "ms",
        "the same beside an empty outbox",
        against,
        f"at most {AIM_BACKLOG} times",
        met=value <= AIM_BACKLOG * against,
        note=f"{FACTS_KEPT:,} facts kept; what a hello and a status ask takes {asked[0]:.1f} ms, empty {asked[1]:.1f} ms",
    )


def _ask(outbox: Outbox) -> None:
    """What a hello and a status want to know."""
    outbox.report(0)
    outbox.summary()
    outbox.release_candidates(MAX_AUDIT)


# -- the program -------------------------------------------------------------------------------------------------------


def _start(folder: Path) -> Figure:
    folder.mkdir()
    config = folder / "agent.toml"
    config.write_text(f'[device]\nid = "{DEVICE}"\nhub = "mqtt://127.0.0.1:9"\n{CREDENTIAL.partition(chr(10))[2]}')
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(STARTS):
        with AgentProcess(DEVICE, config, logs=folder) as agent:
            ours.append(_took_ms(lambda agent=agent: agent.start().wait_ready()) / 1000)  # type: ignore[misc]  # bound here
            agent.stop()
        theirs.append(_took_ms(lambda: subprocess.run([sys.executable, "-c", PEER_PROGRAM], check=True)) / 1000)
    value, against = statistics.median(ours), statistics.median(theirs)
    aim = f"at most {AIM_START_S} s"
    return Figure("agent.start_s", value, "s", f'python -c "{PEER_PROGRAM}"', against, aim, met=value <= AIM_START_S)


def _resident(folder: Path) -> Figure:
    """The demo's fullest van, with everything plugged in and at work, and no hub in reach."""
    member = VANS[1]
    ports = Ports(folder / "ports", DEVICE)
    ports.folder.mkdir(parents=True)
    config = folder / "agent.toml"
    config.write_text(agent_toml(CREDENTIAL, member, ports, hub="mqtt://127.0.0.1:9", probe_interval_s=1.0, seal_s=5))
    plugged = {ports.scanner: ["ssi", "--rate", "5"], ports.gps: ["gps"]}
    plugged |= {ports.probe(box): ["probe", "--registers", _registers(box.registers)] for box in member.boxes}
    with ExitStack() as stack:
        for number, (link, words) in enumerate(plugged.items()):
            command = [find_command("holdfast-sim"), words[0], "--link", str(link), *words[1:]]
            stack.enter_context(Program(f"sim-{number}", command, logs=folder)).start()
        while not all(link.exists() for link in plugged):
            time.sleep(0.05)
        agent = stack.enter_context(AgentProcess(DEVICE, config, logs=folder)).start()
        agent.wait_ready()
        time.sleep(AT_WORK_S)
        value = _resident_mib(agent.pid or 0)
        counters = {d["name"]: d["counters"].get("frames", 0) for d in agent.status()["drivers"]}
        agent.stop()
    if not all(counters.values()):
        raise AssertionError(f"not all drivers were at work: {counters}")
    program = f"{PEER_PROGRAM}; print(open('/proc/self/status').read())"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    against = _vm_rss_mib(told.stdout)
    aim = f"at most {AIM_RSS_MIB:.0f} MiB"
    return Figure("agent.rss_mib", value, "MiB", f'python -c "{PEER_PROGRAM}"', against, aim, met=value <= AIM_RSS_MIB)


def _registers(registers: Sequence[Register]) -> str:
    return ",".join(f"{r.quantity}@{r.address}:{r.form}:{r.scale}" for r in registers)


def _resident_mib(pid: int) -> float:
    return _vm_rss_mib(Path(f"/proc/{pid}/status").read_text())


def _vm_rss_mib(status: str) -> float:
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / KIB_A_MIB
