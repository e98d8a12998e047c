"""After an outage of any kind devices are served again in seconds, and a hub that was set back is whole again by itself."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus
from pathlib import Path

import pytest

from firmware_sim.processes import AgentProcess, run_command
from tests.journeys.recovery import backlog_s, in_ledger, kill_to_ack_s, restored_s, seconds_until
from tests.journeys.world import Site, custody_of, keep, tell, wait_until
from tests.warm.hub import warm_starts

pytestmark = pytest.mark.slow

# Bounds for a machine that does much else; what a quiet one does is in the bench.
KILL_TO_ACK_S = 45.0
BACKLOG_FACTS = 2_500
BACKLOG_S = 60.0
DEVICES = 200
RESTORED_S = 150.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with warm_starts(), Site(tmp_path / "site") as site:
        yield site


@pytest.fixture
def cold_site(tmp_path: Path) -> Iterator[Site]:
    """A hub that is started again as anybody starts it: it loads itself."""
    with ExitStack() as stack:
        with warm_starts():
            site = stack.enter_context(Site(tmp_path / "site"))
        yield site


def test_p2_f036_killed_hub_acknowledges_again_within_seconds(
    cold_site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    site = cold_site
    agent = site.add_device("van-1")
    with site.running(agent):
        took_s = [kill_to_ack_s(site, agent, f"KILL-{n}") for n in range(2)]
    tell(capsys, f"kill -9 of the hub to the first new acknowledgement: {', '.join(f'{s:.1f}' for s in took_s)} s")
    assert min(took_s) < KILL_TO_ACK_S
    assert len(site.scanned()) == 4


def test_backlog_of_a_device_comes_in_over_a_poor_line(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    took_s = backlog_s(site, BACKLOG_FACTS, tmp_path)
    tell(capsys, f"backlog of {BACKLOG_FACTS} scans over 20 kB/s and 300 ms: {took_s:.1f} s")
    assert took_s < BACKLOG_S
    assert len(in_ledger(site.hub.data)) >= BACKLOG_FACTS


def test_p2_p6_f048_hub_set_back_to_an_old_copy_is_whole_again_without_anyone(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    took_s = restored_s(site, DEVICES, tmp_path)
    tell(capsys, f"hub restored from an old copy has everything of {DEVICES} devices again after {took_s:.1f} s")
    assert took_s < RESTORED_S
    assert {i["kind"] for i in site.incidents()} == {"hub_regressed"}
    assert len({i["device"] for i in site.incidents()}) == DEVICES


def test_p2_p6_f052_lagging_replica_that_is_promoted_gets_what_it_lacks(site: Site, tmp_path: Path) -> None:
    agent = site.add_device("van-1")
    replica = tmp_path / "replica.db"
    with site.running(agent):
        made = [f"SCAN-{n}" for n in range(6)]
        for code in made[:3]:
            acknowledged(agent, code)
        # As a replica holds it: all that was committed up to a moment, taken from the running hub.
        with closing(sqlite3.connect(f"file:{site.hub.data}/hub.db?mode=ro", uri=True)) as running:
            running.execute("VACUUM INTO ?", (str(replica),)).close()
        for code in made[3:]:
            acknowledged(agent, code)
        site.hub.kill()
        for rest in site.hub.data.glob("hub.db*"):
            rest.unlink()
        replica.rename(site.hub.data / "hub.db")
        site.restart_hub()
        wait_until(lambda: set(site.scanned()) == set(made), "the hub has everything again")
    assert sorted(site.scanned()) == made
    assert {i["kind"] for i in site.incidents()} == {"hub_regressed"}
    run_command("holdfast-hub", "verify", "--data", str(site.hub.data))


def test_f039_hub_whose_database_another_program_holds_acknowledges_nothing_until_it_is_free(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = site.add_device("van-1")
    with site.running(agent):
        acknowledged(agent, "BEFORE")
        with closing(sqlite3.connect(site.hub.data / "hub.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE").close()
            keep(agent.config, "MEANWHILE")
            n = custody_of(agent).kept
            # Longer than the hub waits for a lock.
            wait_until(lambda: readiness(site) == HTTPStatus.SERVICE_UNAVAILABLE, "the hub says that it cannot work")
            assert custody_of(agent).committed < n
            assert "MEANWHILE" not in site.scanned()
            other.execute("ROLLBACK").close()
        took_s = seconds_until(lambda: custody_of(agent).committed >= n, "it is acknowledged", 90)
        tell(capsys, f"acknowledged {took_s:.1f} s after the database was free again")
        wait_until(lambda: readiness(site) == HTTPStatus.OK, "the hub says that it can work")
    assert sorted(site.scanned()) == ["BEFORE", "MEANWHILE"]


def test_sigterm_is_heard_while_the_hub_starts(cold_site: Site) -> None:
    hub = cold_site.hub
    hub.stop()
    for wait_s in (0.3, 0.8, 1.5):
        hub.start()
        time.sleep(wait_s)
        # Before Python runs our code the signal's own meaning holds.
        assert hub.stop() in (0, -signal.SIGTERM)
    with warm_starts():
        cold_site.restart_hub()


def acknowledged(agent: AgentProcess, code: str) -> None:
    keep(agent.config, code)
    n = custody_of(agent).kept
    seconds_until(lambda: custody_of(agent).committed >= n, f"{code} is acknowledged")


def readiness(site: Site) -> int:
    return site.http.get(f"{site.hub.url}/readyz").status_code
