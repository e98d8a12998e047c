"""After an outage of any kind devices are served again in seconds, and a hub that was set back is whole again by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.recovery import backlog_s, in_ledger, kill_to_ack_s, restored_s
from tests.journeys.world import Site, tell

pytestmark = pytest.mark.slow

# Bounds for a machine that does much else; what a quiet one does is in the bench.
KILL_TO_ACK_S = 45.0
BACKLOG_FACTS = 2_500
BACKLOG_S = 60.0
DEVICES = 200
RESTORED_S = 150.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as site:
        yield site


def test_p2_f036_killed_hub_acknowledges_again_within_seconds(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
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
