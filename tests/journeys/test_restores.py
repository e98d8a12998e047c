"""Copies of real folders come back to life: clones, restored devices, restored hubs. Nothing is lost, and it shows."""

import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from contract.topics import down_topic
from firmware_sim.processes import AgentProcess, run_command
from tests.journeys.visitors import listening, publish
from tests.journeys.world import Site, copy_folder, credential_of, is_drained, keep, scan, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

SECOND_SELF = {"fork", "device_regressed"}
"""How it shows that a device met its own past or its clone; whoever comes second and shorter cannot tell them apart."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


@pytest.fixture
def van(site: Site) -> AgentProcess:
    return site.add_device("van-1")


def arrived_once(site: Site, *codes: str) -> None:
    """All these scans are at the hub, each as one fact, and nothing else is."""
    wait_until(lambda: set(codes) <= set(site.scanned()), f"the hub has {codes}")
    assert sorted(site.scanned()) == sorted(codes)


def drained(*agents: AgentProcess) -> None:
    for agent in agents:
        wait_until(lambda agent=agent: is_drained(agent), "the device has nothing left to send")


def put_back(folder: Path, copy: Path) -> None:
    """Restore a folder from a copy of it, literally."""
    shutil.rmtree(folder)
    copy_folder(copy, folder)


def copied_while_stopped(site: Site, target: Path) -> Path:
    """A plain copy of the hub's folder; the hub runs on."""
    assert site.hub.stop() == 0
    copy = copy_folder(site.hub.data, target)
    site.restart_hub()
    return copy


def set_back(site: Site, copy: Path) -> None:
    """The hub dies and comes back on a copy of its folder."""
    site.hub.kill()
    put_back(site.hub.data, copy)
    site.restart_hub()


def kinds(site: Site) -> set[str]:
    return {incident["kind"] for incident in site.incidents()}


# -- the hub ---------------------------------------------------------------------------------------------------------


def test_p2_p6_f047_hub_restored_by_its_tool_gets_everything_back_and_says_so(
    site: Site, van: AgentProcess, tmp_path: Path
) -> None:
    backup = tmp_path / "hub.tar"
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
        run_command("holdfast-hub", "backup", str(backup), "--data", str(site.hub.data))
        scan(van.config, "AFTER-1", "loaded")
        scan(van.config, "AFTER-2", "loaded")
        drained(van)
        assert site.hub.stop() == 0
        run_command("holdfast-hub", "restore", str(backup), "--data", str(site.hub.data))
        scan(van.config, "MEANWHILE", "loaded")
        site.restart_hub()
        arrived_once(site, "BEFORE", "AFTER-1", "AFTER-2", "MEANWHILE")
        assert kinds(site) == {"hub_regressed"}
        site.shows("AFTER-1", "loaded")
        drained(van)
    run_command("holdfast-hub", "verify", "--data", str(site.hub.data))


def test_p2_p6_f048_hub_restored_by_plain_copy_gets_everything_back_from_a_quiet_device(
    site: Site, van: AgentProcess, tmp_path: Path
) -> None:
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
        copy = copied_while_stopped(site, tmp_path / "copy")
        scan(van.config, "AFTER-1", "loaded")
        scan(van.config, "AFTER-2", "loaded")
        drained(van)
        set_back(site, copy)
        arrived_once(site, "BEFORE", "AFTER-1", "AFTER-2")
        assert kinds(site) == {"hub_regressed"}
        drained(van)
    run_command("holdfast-hub", "verify", "--data", str(site.hub.data))


def test_p7_f030_acknowledgement_from_before_a_hub_restore_frees_nothing(
    site: Site, van: AgentProcess, tmp_path: Path
) -> None:
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
        copy = copied_while_stopped(site, tmp_path / "copy")
        with listening(site.hub.mqtt_port, credential_of(van.config), down_topic("van-1")) as tap:
            scan(van.config, "FORGOTTEN")
            drained(van)
            stale = [payload for _, payload in tap.heard]
        assert stale
        set_back(site, copy)
        for payload in stale:
            assert publish(site.hub.mqtt_port, site.insider(), down_topic("van-1"), payload)
        arrived_once(site, "BEFORE", "FORGOTTEN")
        drained(van)
        assert van.status()["lanes"]["custody"]["released"] == 0
    assert kinds(site) == {"hub_regressed"}


# -- devices ---------------------------------------------------------------------------------------------------------


def test_p2_p6_f054_f057_device_and_clone_that_both_scan_offline_are_both_kept_and_shown(
    site: Site, van: AgentProcess
) -> None:
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
    clone = site.agent("van-1", copy_folder(van.config.parent, site.folder / "clone") / "agent.toml")
    for code in ("ORIGINAL-1", "ORIGINAL-2"):
        scan(van.config, code)
    for code in ("CLONE-1", "CLONE-2", "CLONE-3"):
        scan(clone.config, code)
    with site.running(van), site.running(clone):
        drained(van, clone)
        # Both go on side by side, each in a record of its own by now.
        scan(van.config, "ORIGINAL-3")
        scan(clone.config, "CLONE-4")
        drained(van, clone)
        assert van.status()["incarnation"] != clone.status()["incarnation"]
    codes = [*(f"ORIGINAL-{i}" for i in (1, 2, 3)), *(f"CLONE-{i}" for i in (1, 2, 3, 4))]
    arrived_once(site, "BEFORE", *codes)
    assert SECOND_SELF & kinds(site)


def test_p2_f055_device_cloned_before_its_first_contact_loses_nothing_of_either(site: Site, van: AgentProcess) -> None:
    scan(van.config, "BOTH")
    clone = site.agent("van-1", copy_folder(van.config.parent, site.folder / "clone") / "agent.toml")
    scan(van.config, "ORIGINAL")
    scan(clone.config, "CLONE")
    with site.running(van), site.running(clone):
        drained(van, clone)
    arrived_once(site, "BOTH", "ORIGINAL", "CLONE")
    assert SECOND_SELF & kinds(site)


def test_p2_p6_f053_device_restored_from_a_whole_image_loses_and_doubles_nothing_and_shows(
    site: Site, van: AgentProcess, tmp_path: Path
) -> None:
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
    image = copy_folder(van.config.parent, tmp_path / "image")
    with site.running(van):
        scan(van.config, "FORGOTTEN")
        drained(van)
    put_back(van.config.parent, image)
    scan(van.config, "AFTER")
    with site.running(van):
        drained(van)
    arrived_once(site, "BEFORE", "FORGOTTEN", "AFTER")
    assert SECOND_SELF & kinds(site)


def test_p6_f053_database_set_back_behind_its_witness_shows(site: Site, van: AgentProcess, tmp_path: Path) -> None:
    database = van.config.parent / "device.db"
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
    shutil.copy(database, tmp_path / "device.db")
    with site.running(van):
        scan(van.config, "FORGOTTEN")
        drained(van)
    shutil.copy(tmp_path / "device.db", database)
    with site.running(van):
        scan(van.config, "AFTER")
        drained(van)
    arrived_once(site, "BEFORE", "FORGOTTEN", "AFTER")
    [incident] = site.incidents("device_damage", "van-1")
    assert "database_behind_witness" in incident["detail"]


def test_p4_p6_f015_device_database_gone_shows_and_the_device_goes_on(site: Site, van: AgentProcess) -> None:
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
    scan(van.config, "LOST-WITH-THE-DISK")
    for file in van.config.parent.glob("device.db*"):
        file.unlink()
    with site.running(van):
        scan(van.config, "AFTER")
        drained(van)
    arrived_once(site, "BEFORE", "AFTER")
    [incident] = site.incidents("device_damage", "van-1")
    assert "database_lost" in incident["detail"]


@pytest.mark.parametrize("left", [0.0, 0.3, 0.7])
def test_p2_f014_write_ahead_log_gone_or_cut_short_keeps_what_can_be_read(
    site: Site, van: AgentProcess, tmp_path: Path, left: float
) -> None:
    with site.running(van):
        scan(van.config, "BEFORE")
        drained(van)
    # Kept offline, and killed before the log was folded into the database.
    site.hub.kill()
    codes: list[str] = []
    folded: list[str] = []
    while codes == folded:
        van.start().wait_ready()
        for _ in range(12):
            codes.append(f"IN-THE-LOG-{len(codes):02}")
            keep(van.config, codes[-1])
        # The witness is at most a second behind; what a power cut takes within that second nobody can know.
        witness_is_written(van)
        van.kill()
        assert van.exit_status == -signal.SIGKILL
        # The log is folded in every few commits, of which a device that is alone makes some by itself.
        folded = [code for code in codes if code in without_log(van, tmp_path)]
    log = van.config.parent / "device.db-wal"
    size = log.stat().st_size
    with log.open("r+b") as file:
        file.truncate(int(size * left))
    site.restart_hub()
    with site.running(van):
        scan(van.config, "AFTER")
        drained(van)
    found = site.scanned()
    assert len(found) == len(set(found))
    assert {"BEFORE", "AFTER"} <= set(found)
    # A log is read from its front: what it still holds is a beginning of what was kept.
    survivors = [code for code in codes if code in found]
    assert survivors == codes[: len(survivors)]
    # The end of a log may be frames that were folded in long ago, whose loss is none.
    assert survivors == codes or site.incidents("device_damage", "van-1")
    assert survivors[: len(folded)] == folded
    assert left or survivors == folded


def witness_is_written(van: AgentProcess) -> None:
    now_ns = time.time_ns()
    witness = van.config.parent / "witness"
    wait_until(lambda: witness.stat().st_mtime_ns > now_ns, "the witness has seen all that was kept")


def without_log(van: AgentProcess, folder: Path) -> str:
    """What stands in a dead device's database itself."""
    alone = shutil.copy(van.config.parent / "device.db", folder / "alone.db")
    with closing(sqlite3.connect(f"file:{alone}?immutable=1", uri=True)) as database:
        return str([core for (core,) in database.execute("SELECT core FROM fact")])
