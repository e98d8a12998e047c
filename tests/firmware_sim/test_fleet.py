"""A fleet and a real hub: killed, storms; nothing is lost."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.facts import LedgerReader
from firmware_sim.fleet.enrolment import enrol
from firmware_sim.fleet.fleet import Fleet, percentile
from firmware_sim.fleet.load import Load
from firmware_sim.fleet.run import Compared, compare, drain
from firmware_sim.processes import run_command
from tests.journeys.world import Site, tell

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

PATIENCE_S = 90.0
STORM_DEVICES = 300


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("fleet")) as site:
        yield site


def compared(site: Site, fleet: Fleet) -> Compared:
    with LedgerReader(site.hub.url, site.token) as ledger:
        return compare(fleet.captured_ids(), ledger)


def test_f028_a_fleet_that_lost_its_broker_comes_back_spread_out_and_loses_nothing(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agents = enrol(site.hub.data, [f"storm-{i:04}" for i in range(STORM_DEVICES)], tmp_path / "agents")
    with Fleet(agents, load=Load(scans_per_min=20), seed=3) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        fleet.run_load()
        time.sleep(1)
        before = fleet.tally().outages
        broker = site.broker_pid()
        assert broker is not None
        fleet.expect_outage()
        os.kill(broker, signal.SIGKILL)
        fleet.scan()
        assert fleet.wait_in_contact(PATIENCE_S)
        back_s = fleet.came_back_s()
        tries = fleet.tally().outages - before
        fleet.stop_load()
        assert drain(fleet)

    tell(
        capsys, f"{STORM_DEVICES} devices back in contact: p50 {percentile(back_s, 0.5):.1f} s, {back_s[-1]:.1f} s all"
    )
    assert compared(site, fleet) == Compared(lost=0, doubled=0)
    # The broker is away for a moment; whoever doubles its waits needs few tries.
    assert tries <= 20 * STORM_DEVICES


def test_a_hub_that_is_killed_under_load_loses_and_doubles_nothing(site: Site, tmp_path: Path) -> None:
    agents = enrol(site.hub.data, [f"load-{i:02}" for i in range(50)], tmp_path / "agents")
    with Fleet(agents, load=Load(scans_per_min=60, readings_s=1, seal_s=2), seed=5, offline_s=60) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        fleet.run_load()
        time.sleep(1)
        fleet.expect_outage()
        site.hub.kill()
        site.hub.start().wait_ready()
        assert fleet.wait_in_contact(PATIENCE_S)
        fleet.stop_load()
        assert drain(fleet)
        tally = fleet.tally()

    assert tally.committed == tally.captured > 3000
    assert tally.dropped == 0
    assert compared(site, fleet) == Compared(lost=0, doubled=0)


def test_the_command_tells_what_it_did_and_compares_the_ledger(site: Site) -> None:
    words = ["--data", str(site.hub.data), "--hub", site.hub.url, "--devices", "20", "--seconds", "2"]
    told = json.loads(
        run_command(
            "holdfast-sim", "fleet", *words, "--readings", "1", "--offline-s", "600", "--reconnect-storm", "--json"
        )
    )

    assert told["captured"] == told["committed"] > 1000
    assert told["lost"] == told["doubled"] == 0
    assert told["outages"] == 20
    assert told["latency_ms"]["p50"] > 0
    assert told["reconnect_s"]["max"] >= told["reconnect_s"]["p50"] > 0
