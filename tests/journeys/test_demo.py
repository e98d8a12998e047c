import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from contract.event import Outcome, Proof, Scan, Verdict
from contract.fact import Fact
from firmware_sim.checker import Courier, Probe, Scanner, compare, read_journal
from firmware_sim.demo.cast import REAR, VANS, WITH_SCANNER
from firmware_sim.demo.depot import Depot
from firmware_sim.demo.show import Show
from firmware_sim.demo.words import Summary
from firmware_sim.facts import LedgerReader
from firmware_sim.processes import HubProcess, find_command

pytestmark = pytest.mark.slow

# Other tests share the machine.
START_S = 120
END_S = 60


# -- a timed run ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def depot(tmp_path_factory: pytest.TempPathFactory, warm_hub: None) -> Depot:
    """Its hubs start from one that is loaded already; below, a person's demo starts all of them from nothing."""
    return Depot(tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return []


@pytest.fixture(scope="module")
def summary(depot: Depot, lines: list[str]) -> Summary:
    ended = Show(depot, seed=7, seconds=25, say=lines.append).run(threading.Event())
    assert ended is not None
    return ended


def facts_at_hub(depot: Depot) -> list[Fact]:
    with HubProcess(depot.folder / "hub", logs=depot.logs).start() as hub:
        hub.wait_ready()
        with LedgerReader(hub.url, hub.token("auditor")) as ledger:
            facts = [row.fact for row in ledger.rows() if row.fact is not None]
        assert hub.stop() == 0
    return facts


@pytest.fixture(scope="module")
def facts(depot: Depot, summary: Summary) -> list[Fact]:
    return facts_at_hub(depot)


def scanners(depot: Depot) -> list[Scanner]:
    folder = depot.folder / "journals"
    return [Scanner(member.device, read_journal(folder / f"{member.device}-scanner.jsonl")) for member in WITH_SCANNER]


def couriers(depot: Depot) -> list[Courier]:
    folder = depot.folder / "journals"
    return [Courier(van.device, read_journal(folder / f"{van.device}-proofs.jsonl")) for van in VANS]


def test_timed_demo_with_outages_and_crashes_loses_nothing_and_doubles_nothing(summary: Summary) -> None:
    total = summary.comparison.total

    assert summary.comparison.complaints == ()
    assert (total.lost, total.doubled) == (0, 0)
    assert (summary.outages, summary.agent_kills, summary.hub_kills) == (3, 1, 1)
    # Even a very busy machine comes this far.
    assert summary.comparison.scans.captured > 100
    assert summary.comparison.readings.captured > 100
    assert summary.comparison.proofs.captured > 5
    assert summary.pictures > 0
    assert summary.pictures_missing == 0


def test_people_are_told_how_it_goes(summary: Summary, lines: list[str]) -> None:
    said = "\n".join(lines)

    assert "/tracking" in said
    assert "sign in as admin with" in said
    assert "van-3 without network" in said
    assert "van-1 was killed; starting it again" in said
    assert "hub was killed; starting it again" in said
    assert "somebody leaves the door of van-2's rear box open" in said
    assert "the van that was out of contact: happened and known" in said
    assert "/report.pdf   the trip's report" in said
    assert "Van 1, Van 2, Van 3 have their routes" in said
    assert "van-1 will be late there" in said
    assert "Van 12 waits for you" in said
    assert "ended with" not in said


def test_parcels_have_a_story_from_the_dock_to_the_door(facts: list[Fact]) -> None:
    stories: dict[str, list[str]] = {}
    for fact in sorted(facts, key=lambda fact: fact.at_ms):
        if isinstance(event := fact.event, Scan):
            stories.setdefault(event.parcel, []).append(event.step.value)
        elif isinstance(event, Proof):
            for parcel in event.delivered:
                stories.setdefault(parcel, []).append(event.outcome.value)

    whole = ["received", "loaded", "out_for_delivery", "delivered"]
    assert sum(story == whole for story in stories.values()) > 5


def test_couriers_had_every_kind_of_day(facts: list[Fact]) -> None:
    outcomes = {fact.event.outcome for fact in facts if isinstance(fact.event, Proof)}

    assert {Outcome.DELIVERED, Outcome.ATTEMPTED, Outcome.REFUSED} <= outcomes


def test_what_was_planned_was_expected(facts: list[Fact]) -> None:
    """The plan reached dock and vans before their scanners read the first parcel."""
    verdicts = [fact.event.verdict for fact in facts if isinstance(fact.event, Scan)]

    assert set(verdicts) == {Verdict.EXPECTED, Verdict.UNKNOWN}
    assert verdicts.count(Verdict.EXPECTED) > 0.8 * len(verdicts)


def test_a_deleted_ledger_row_is_found(depot: Depot, facts: list[Fact], summary: Summary) -> None:
    before = compare(scanners(depot), [], facts, couriers(depot)).scans
    victim = next(record["sent"] for record in scanners(depot)[0].records if record.get("step") == "received")
    with contextlib.closing(sqlite3.connect(depot.folder / "hub" / "hub.db")) as database, database:
        words = (
            "DELETE FROM fact WHERE instr(core, ?) > 0 AND stream_id IN (SELECT id FROM stream WHERE device = 'dock')"
        )
        deleted = database.execute(words, (bytes.fromhex(victim),)).rowcount

    after = compare(scanners(depot), [], facts_at_hub(depot), couriers(depot))

    assert before == summary.comparison.scans
    assert deleted >= 1
    assert after.scans == replace(before, committed=before.committed - deleted, lost=deleted)
    assert len(after.complaints) == deleted


def test_a_deleted_journal_line_is_found(depot: Depot, facts: list[Fact], summary: Summary) -> None:
    dock, *vans = scanners(depot)
    line = next(i for i, record in enumerate(dock.records) if record.get("step") == "received")
    cut = replace(dock, records=[*dock.records[:line], *dock.records[line + 1 :]])

    after = compare([cut, *vans], [], facts).scans

    before = summary.comparison.scans
    assert after == replace(before, captured=before.captured - 1, committed=before.committed - 1, doubled=1)


def test_a_deleted_line_of_a_couriers_journal_is_found(depot: Depot, facts: list[Fact], summary: Summary) -> None:
    first, *others = couriers(depot)
    line = next(i for i, record in enumerate(first.records) if "asked" in record)
    cut = replace(first, records=[*first.records[:line], *first.records[line + 1 :]])

    after = compare([], [], facts, [cut, *others]).proofs

    before = summary.comparison.proofs
    assert after == replace(before, captured=before.captured - 1, committed=before.committed - 1, doubled=1)


def test_a_deleted_line_of_a_probes_journal_is_found(depot: Depot, facts: list[Fact]) -> None:
    van = VANS[0]
    records = read_journal(depot.folder / "journals" / f"{van.device}-{REAR.name}.jsonl")
    breaks = [
        record["t_ms"]
        for record in read_journal(depot.folder / "journals" / "demo.jsonl")
        if record.get("broke") == van.device
    ]
    probe = Probe(van.sensors(REAR), records, breaks, silence_ms=2_250)

    whole = compare([], [probe], facts).readings
    cut = compare([], [replace(probe, records=[*records[:5], *records[6:]])], facts).readings

    assert (whole.lost, whole.doubled) == (0, 0)
    assert (cut.captured, cut.doubled) == (whole.captured - 2, 2)


# -- beginning and end -----------------------------------------------------------------------------------------------


class RunningDemo:
    """`holdfast-sim demo` as a person starts it at a terminal."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [find_command("holdfast-sim"), "demo", "--data", str(data)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []

    def wait_live(self) -> None:
        """Read on until somebody scans."""
        assert self.process.stdout is not None
        watchdog = threading.Timer(START_S, self.process.kill)
        watchdog.start()
        for line in self.process.stdout:
            self.said.append(line)
            if line.startswith("00:"):
                break
        watchdog.cancel()
        assert self.process.poll() is None, "".join(self.said)

    def end(self, number: int) -> int:
        """Send a signal, wait, and return the exit status."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=END_S)
        self.said.append(rest)
        return self.process.returncode


def descendants(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(ValueError, OSError):
            number = int(entry.name)
            parents[number] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    found, fresh = set(), {pid}
    while fresh:
        fresh = {child for child, parent in parents.items() if parent in fresh}
        found |= fresh
    return found


def eventually(is_true: Callable[[], bool]) -> bool:
    give_up_s = time.monotonic() + END_S
    while not is_true():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.05)
    return True


def is_there(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False


def test_ctrl_c_ends_everything_and_a_killed_demo_starts_again(tmp_path: Path) -> None:
    killed = RunningDemo(tmp_path / "data")
    killed.wait_live()
    children = descendants(killed.process.pid)
    # The hub with its broker, and five devices.
    assert len(children) >= 7

    assert killed.end(signal.SIGKILL) == -signal.SIGKILL

    assert eventually(lambda: not any(map(is_there, children)))

    again = RunningDemo(tmp_path / "data")
    again.wait_live()
    children = descendants(again.process.pid)

    assert again.end(signal.SIGINT) == 0

    assert not any(map(is_there, children))
    assert list((tmp_path / "data" / "ports").iterdir()) == []
    assert list((tmp_path / "data").rglob("*.sock")) == []
    said = "".join(again.said)
    logs = "".join(log.read_text() for log in (tmp_path / "data" / "logs").glob("*.err"))
    assert said.rstrip().endswith("Everything has ended.")
    assert "ended with" not in said
    assert "Traceback" not in said + logs
    login = json.loads((tmp_path / "data" / "admin.json").read_text())
    assert f"sign in as admin with {login['password']}" in said
    assert login["password"] in "".join(killed.said)
