"""The process dies at a named place; the next start finds each fact whole or not at all, and every confirmed one."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.faultpoint import FAULTPOINTS
from agent.outbox import Outbox
from agent.store import chain
from contract.event import Lane
from contract.fact import fact_id
from tests.agent.store.kit import Bench, everything, keep

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
VICTIM = Path(__file__).with_name("victim.py")
KILLED = -9


def run(folder: Path, deed: str, argument: int = 0, faultpoint: str | None = None) -> tuple[list[str], int]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("HOLDFAST_FAULTPOINT", None)
    if faultpoint is not None:
        environment["HOLDFAST_FAULTPOINT"] = faultpoint
    done = subprocess.run(
        [sys.executable, str(VICTIM), str(folder), deed, str(argument)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.splitlines(), done.returncode


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path / "device")
    yield bench
    bench.close()


def confirmed(lines: list[str]) -> list[str]:
    return [line.removeprefix("kept ") for line in lines if line.startswith("kept ")]


def stored(outbox: Outbox, lane: Lane = Lane.CUSTODY) -> list[str]:
    positions = everything(outbox, lane)
    assert all(p.core is None or fact_id(p.core) == p.fact_id for p in positions)
    return [p.fact_id.hex() for p in positions if p.core is not None]


@pytest.mark.parametrize("nth", [3, 4, 9])
def test_p1_f001_crash_before_the_commit_confirms_nothing_that_is_not_there(bench: Bench, nth: int) -> None:
    lines, code = run(bench.folder, "capture", 20, f"pre_commit:{nth}:kill")

    assert code == KILLED
    assert stored(bench.open()) == confirmed(lines)


@pytest.mark.parametrize("nth", [3, 4, 9])
def test_p1_f002_crash_after_the_commit_keeps_one_more_than_was_confirmed(bench: Bench, nth: int) -> None:
    lines, code = run(bench.folder, "capture", 20, f"post_commit:{nth}:kill")

    assert code == KILLED
    found = stored(bench.open())
    assert found[:-1] == confirmed(lines)


def test_failure_before_the_commit_refuses_and_the_next_capture_goes_on(bench: Bench) -> None:
    lines, code = run(bench.folder, "capture", 5, "pre_commit:4:raise")

    assert code == 1
    assert stored(bench.open()) == confirmed(lines)


def test_f006_crash_during_release_lets_go_of_all_named_or_none(bench: Bench) -> None:
    lines, code = run(bench.folder, "release", 10, "release:1:kill")

    assert code == KILLED
    assert stored(bench.open()) == confirmed(lines)


def test_crash_while_sealing_leaves_the_readings(bench: Bench) -> None:
    _lines, code = run(bench.folder, "seal", 0, "sealing:1:kill")

    outbox = bench.open()
    assert code == KILLED
    assert outbox.summary().unsealed == 3
    assert stored(outbox, Lane.TELEMETRY) == []


@pytest.mark.parametrize("step", [1, 2, 3])
def test_crash_while_a_new_incarnation_takes_over_is_carried_on_by_the_next_start(bench: Bench, step: int) -> None:
    lines, code = run(bench.folder, "reincarnate", chain.CARRY_MOST + 100, f"reincarnate:{step}:kill")

    outbox = bench.open()
    damage, *carried = stored(outbox)
    assert code == KILLED
    assert carried == confirmed(lines)
    assert [fact.fact_id.hex() for fact in outbox.listing(2_000)] == [*reversed(carried), damage]
    assert keep(outbox, "afterwards")


def test_crash_during_a_salvage_is_completed_by_the_next_start(bench: Bench) -> None:
    lines, code = run(bench.folder, "repair", 5, "salvage:1:kill")

    assert code == KILLED
    assert set(stored(bench.open())) >= set(confirmed(lines))


def test_f019_crash_during_a_migration_leaves_a_folder_that_opens(bench: Bench) -> None:
    lines, code = run(bench.folder, "capture", 5, "migrate:1:kill")

    assert (lines, code) == ([], KILLED)
    assert len(keep(bench.open(), 1)) == 1


def test_f019_crash_during_an_upgrade_leaves_the_old_version_with_every_fact_and_the_next_upgrade_succeeds(
    bench: Bench,
) -> None:
    lines, _code = run(bench.folder, "capture", 9)

    assert run(bench.folder, "upgrade", 0, "migrate:1:kill") == ([], KILLED)

    assert stored(bench.open()) == confirmed(lines)
    bench.close()
    assert run(bench.folder, "upgrade") == (["upgraded"], 0)
    lines, _code = run(bench.folder, "capture", 1)
    assert lines[0].startswith("refused FutureSchema")


def test_f007_second_agent_exits_with_a_sentence_and_writes_nothing(bench: Bench) -> None:
    outbox = bench.open()
    keep(outbox, 1)
    before = {p.name: p.read_bytes() for p in bench.folder.iterdir() if p.is_file() and not p.name.endswith("-shm")}

    lines, _code = run(bench.folder, "capture", 5)

    (line,) = lines
    assert line == (
        f"refused FolderInUse Another Holdfast agent (process {os.getpid()}) works in {bench.folder}. "
        "Stop it first, or give this one another folder; nothing was changed."
    )
    after = {p.name: p.read_bytes() for p in bench.folder.iterdir() if p.is_file() and not p.name.endswith("-shm")}
    assert before == after


def small_disk(folder: Path) -> bool:
    """Put a file system of 3 MB where the folder will be; False where we may not mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(mount, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("disk", ["limit", "tmpfs"])
def test_p1_f008_f009_f010_full_disk_refuses_keeps_what_it_has_and_recovers_by_releasing(
    bench: Bench, disk: str
) -> None:
    """A limit on files fails with SQLITE_IOERR_WRITE, a full file system with SQLITE_FULL; both mean the same."""
    mounted = disk == "tmpfs" and small_disk(bench.folder)
    try:
        refuses_and_recovers(bench, "full" if mounted else "limited")
    finally:
        bench.close()
        if mounted:
            subprocess.run(["umount", str(bench.folder)], check=True)


def refuses_and_recovers(bench: Bench, deed: str) -> None:
    lines, code = run(bench.folder, deed, 3_000_000)

    assert code == 0
    refused = [line for line in lines if line.startswith("refused ")]
    assert refused == [
        "refused full Not kept: the device's storage is full. Bring it into contact with the hub, or free space on it."
    ]
    (released,) = (int(line.removeprefix("left ")) for line in lines if line.startswith("left "))
    assert released > 0
    kept = confirmed(lines)
    assert set(stored(bench.open())) >= set(kept[released:])


@pytest.mark.parametrize("clean", [True, False])
def test_f012_read_only_folder_refuses_captures_and_still_gives_what_it_has(clean: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hf-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        run(folder / "device", "capture", 5, None if clean else "post_commit:7:kill")
        for path in folder.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)

        lines, code = run(folder / "device", "nobody")

        assert code == 0
        assert lines[:2] == ["open", "readable 5"]
        assert lines[2].startswith("refused read_only Not kept: the device's storage cannot be written to.")
    finally:
        shutil.rmtree(folder)


def test_f018_capture_without_file_handles_says_kept_only_what_is_kept(bench: Bench) -> None:
    lines, _code = run(bench.folder, "files", 5)

    assert stored(bench.open()) == confirmed(lines)


def test_f018_capture_without_memory_says_kept_only_what_is_kept(bench: Bench) -> None:
    lines, code = run(bench.folder, "memory", 20)

    assert code != 0 or any(line.startswith("refused") for line in lines), "the memory was not too small"
    found, told = stored(bench.open()), confirmed(lines)
    assert found[: len(told)] == told
    assert len(found) - len(told) <= 1


def test_every_faultpoint_of_the_store_is_hit(bench: Bench) -> None:
    deeds = {
        "pre_commit": "capture",
        "post_commit": "capture",
        "migrate": "capture",
        "sealing": "seal",
        "release": "release",
        "reincarnate": "reincarnate",
        "salvage": "repair",
    }
    assert set(deeds) <= set(FAULTPOINTS)
    for name, deed in deeds.items():
        _lines, code = run(bench.folder.with_name(name), deed, 3, f"{name}:1:kill")
        assert code == KILLED, name
