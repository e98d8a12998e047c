"""One hub under many devices, and one device with much to tell."""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from agent.outbox import Outbox
from contract.event import Lane
from firmware_sim.fleet.enrolment import enrol
from firmware_sim.fleet.fleet import Fleet, percentile
from firmware_sim.fleet.load import Diary, Load
from firmware_sim.processes import HubProcess
from tests.agent.store.kit import VirtualTime
from tests.bench import field
from tests.bench.cpu import cpu_s
from tests.bench.figure import Figure
from tests.journeys.world import children, program_of

IDS = ("drain.facts_per_s", "hub.devices_1000_cpu", "storm.back_p99_s")

BACKLOG = 100_000
AT_ONCE = 256
CONNECTED = 1000
WARM_UP_S = 15.0
WATCHED_S = 60.0
"""Each device seals one block and says one hello in this time."""
STORM = 2000
FEW = 20
PATIENCE_S = 180.0


def figures(folder: Path) -> Iterator[Figure]:
    """Measure."""
    yield _drain(folder / "drain")
    yield _idle_cost(folder / "connected")
    yield _storm(folder / "storm")


# -- one device with a backlog ---------------------------------------------------------------------------------------


def _drain(folder: Path) -> Figure:
    with field.running_hub(folder) as hub:
        config = field.enrol(hub, folder)
        with field.past(config.parent, 86_400) as (outbox, moved):
            _fill(outbox, moved)
            cores = _cores(outbox)
        took_s = field.drain(config, folder)
    raw = len(cores) / _raw_seconds(folder / "raw.db", cores)
    note = f"{len(cores)} facts in {took_s:.1f} s, the start of the agent included"
    return Figure("drain.facts_per_s", len(cores) / took_s, "facts/s", "raw SQLite", raw, note=note)


def _fill(outbox: Outbox, moved: VirtualTime) -> None:
    diary = Diary(field.DEVICE, 1, Load(), seed=7, start_ms=0)
    for _ in range(0, BACKLOG, AT_ONCE):
        moved.elapsed_ms += 100 * AT_ONCE
        outbox.append([diary.scan() for _ in range(AT_ONCE)], actor="w.chen", stamp=outbox.clock.stamp())


def _cores(outbox: Outbox) -> list[bytes]:
    cores: list[bytes] = []
    while part := outbox.read(Lane.CUSTODY, len(cores), AT_ONCE, 10**6):
        cores += [position.core or b"" for position in part]
    return cores


def _raw_seconds(path: Path, cores: Sequence[bytes]) -> float:
    """The least that a hub's disk must do for these facts."""
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE fact (seq INTEGER PRIMARY KEY, core BLOB NOT NULL)")
        began_s = time.perf_counter()
        for start in range(0, len(cores), AT_ONCE):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO fact (core) VALUES (?)", [(c,) for c in cores[start : start + AT_ONCE]])
            connection.execute("COMMIT")
        took_s = time.perf_counter() - began_s
    connection.close()
    return took_s


# -- many devices ----------------------------------------------------------------------------------------------------


def _idle_cost(folder: Path) -> Figure:
    with field.running_hub(folder) as hub:
        agents = enrol(hub.data, [f"sim-{i:04}" for i in range(CONNECTED)], folder / "agents")
        with Fleet(agents, load=Load(readings_s=10), seed=2) as fleet:
            _check(fleet.wait_in_contact(PATIENCE_S), fleet)
            fleet.run_load()
            time.sleep(WARM_UP_S)
            pids = _pids(hub)
            # What was captured while all came into contact is no sign of how it goes on.
            fleet.forget_latencies()
            before = fleet.tally()
            spent_s, began_s = [cpu_s(pid) for pid in pids], time.monotonic()
            time.sleep(WATCHED_S)
            used = [now - then for now, then in zip(map(cpu_s, pids), spent_s, strict=True)]
            watched_s = time.monotonic() - began_s
            after = fleet.tally()
    percent = 100 * sum(used) / watched_s
    each = ", ".join(
        f"{program} {100 * s / watched_s:.1f} %" for program, s in zip(("hub", "broker"), used, strict=True)
    )
    late_ms = percentile(after.latencies_ms, 0.99)
    facts = after.committed - before.committed
    note = f"{each}; {facts} facts in {watched_s:.0f} s, capture to acknowledgement p99 {late_ms:.0f} ms"
    return Figure("hub.devices_1000_cpu", percent, "% of a core", "one core", 100.0, note=note)


def _pids(hub: HubProcess) -> tuple[int, int]:
    pid = hub.pid or 0
    return pid, next(child for child in children(pid) if "nats-server" in program_of(child))


def _storm(folder: Path) -> Figure:
    few_s, _ = _storm_of(folder / "few", FEW)
    many_s, note = _storm_of(folder / "many", STORM)
    return Figure("storm.back_p99_s", many_s, "s", f"the same with {FEW} devices", few_s, note=note)


def _storm_of(folder: Path, devices: int) -> tuple[float, str]:
    """How long all but 1 % needed to be back after their broker was killed, with a scan each waiting."""
    with field.running_hub(folder) as hub:
        agents = enrol(hub.data, [f"sim-{i:04}" for i in range(devices)], folder / "agents")
        with Fleet(agents, seed=random.Random(devices).randrange(1000)) as fleet:
            _check(fleet.wait_in_contact(PATIENCE_S), fleet)
            fleet.scan()
            _check(fleet.wait_drained(PATIENCE_S), fleet)
            _, broker = _pids(hub)
            before = fleet.tally().outages
            fleet.expect_outage()
            os.kill(broker, signal.SIGKILL)
            fleet.scan()
            _check(fleet.wait_in_contact(PATIENCE_S), fleet)
            _check(fleet.wait_drained(PATIENCE_S), fleet)
            back_s = fleet.came_back_s()
            tries = fleet.tally().outages - before
    note = f"p50 {percentile(back_s, 0.5):.1f} s, last {back_s[-1]:.1f} s, {tries / devices:.1f} failed connections a device"
    return percentile(back_s, 0.99), note


def _check(happened: bool, fleet: Fleet) -> None:
    if not happened:
        tally = fleet.tally()
        raise TimeoutError(f"{tally.in_contact} of {tally.devices} devices in contact, {tally.waiting} facts wait")
