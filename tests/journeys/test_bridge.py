"""Messages lost, doubled, shuffled, suppressed and played back on either broker: the ledger has what was scanned, once."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from contract.messages import Ack, Batch, Nack
from firmware_sim.processes import AgentProcess
from tests.journeys.bridge import Bridge, Message, Opener, PlayBack, Repeat, Shuffle, Swallow, let_through
from tests.journeys.brokers import BROKERS
from tests.journeys.world import (
    PATIENCE_S,
    Site,
    copy_folder,
    custody_of,
    is_drained,
    is_in_contact,
    keep,
    key_of,
    wait_until,
)

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

OUT_OF_ORDER = 12
HARMLESS = {"stale_hello"}
"""What a doubled hello shows as; see docs/operations.md."""


@pytest.fixture(scope="module", params=BROKERS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("bridge"), broker=request.param) as site:
        yield site


class Bridged:
    """A device in contact over a bridge."""

    def __init__(self, site: Site, agent: AgentProcess, bridge: Bridge) -> None:
        self.site, self.agent, self.bridge = site, agent, bridge
        self.opener = Opener(agent.name, key_of(agent.config))
        self.codes: list[str] = []

    def scan(self, *codes: str) -> None:
        for code in codes:
            keep(self.agent.config, code)
            self.codes.append(code)

    def is_any(self, *kinds: type) -> Callable[[Message], bool]:
        """Whether a message of this device is of one of these kinds."""
        return lambda message: isinstance(self.opener.opened(message), kinds)

    def reconnect(self) -> None:
        """Break the connection, whose next one begins with a hello: it would come by itself within a minute or so."""
        self.bridge.cut()
        self.bridge.resume()

    def arrived_once(self, timeout_s: float = PATIENCE_S) -> None:
        """Everything that was scanned is at the hub, once, in one branch, in order; and the device knows."""
        wait_until(lambda: is_drained(self.agent), "the device has nothing left to send", timeout_s)
        rows = self.site.rows(device=self.agent.name, lane="custody")
        assert self.site.scanned(self.agent.name) == self.codes
        assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
        assert {row["branch"] for row in rows} == {0}
        assert {i["kind"] for i in self.site.incidents(device=self.agent.name)} <= HARMLESS


@contextmanager
def bridged(site: Site, name: str) -> Iterator[Bridged]:
    with Bridge(site.mqtt_port) as bridge:
        agent = site.add_device(name, port=bridge.port)
        with site.running(agent):
            wait_until(lambda: is_in_contact(agent), "the device is in contact")
            yield Bridged(site, agent, bridge)


def test_p3_f022_batch_that_is_lost_behind_the_device_is_sent_again(site: Site) -> None:
    with bridged(site, "loser") as van:
        lost = van.bridge.rule = Swallow(van.is_any(Batch))
        van.scan("LOST-1", "LOST-2")
        wait_until(lambda: lost.swallowed, "a batch is lost")
        assert custody_of(van.agent).sent > custody_of(van.agent).committed
        van.bridge.rule = let_through
        van.arrived_once()


def test_p3_f023_everything_delivered_ten_times_is_one_row_each(site: Site) -> None:
    with bridged(site, "doubler") as van:
        van.bridge.rule = Repeat(10)
        van.scan(*(f"TEN-TIMES-{i}" for i in range(5)))
        van.arrived_once()


def test_p3_f024_f029_messages_lost_doubled_and_out_of_order_converge(site: Site) -> None:
    with bridged(site, "shuffler") as van:
        # Hellos and welcomes come through, or the test would only wait for their timers.
        shuffle = van.bridge.rule = Shuffle(24, van.is_any(Batch, Ack, Nack))
        while shuffle.out_of_order < OUT_OF_ORDER:
            van.scan(f"SHUFFLED-{len(van.codes)}")
            van.reconnect()
            wait_until(lambda: is_in_contact(van.agent), "the device is in contact")
        van.bridge.rule = let_through
        van.reconnect()
        van.arrived_once()


def test_p3_f029_acknowledgements_lost_doubled_and_very_late_cost_only_traffic(site: Site) -> None:
    with bridged(site, "unheard") as van:
        acks = van.bridge.rule = Swallow(van.is_any(Ack))
        van.scan("UNHEARD-1", "UNHEARD-2")
        wait_until(lambda: set(van.codes) <= set(site.scanned("unheard")), "the scans are at the hub")
        wait_until(lambda: len(acks.swallowed) >= 2, "they are sent and acknowledged again")
        assert custody_of(van.agent).committed < custody_of(van.agent).kept
        late = van.bridge.rule = PlayBack(acks.swallowed, times=3)
        van.scan("HEARD")
        wait_until(lambda: not late.old, "the late acknowledgements come")
        van.arrived_once()


def test_p7_f030_acknowledgements_from_before_a_hub_restore_free_nothing(site: Site, tmp_path: Path) -> None:
    with bridged(site, "stale") as van:
        van.scan("BEFORE")
        van.arrived_once()
        assert site.hub.stop() == 0
        copy = copy_folder(site.hub.data, tmp_path / "copy")
        site.restart_hub()
        kept: list[Message] = []

        def listen(message: Message) -> list[Message]:
            if isinstance(van.opener.opened(message), Ack):
                kept.append(message)
            return [message]

        van.bridge.rule = listen
        van.scan("FORGOTTEN")
        wait_until(lambda: is_drained(van.agent), "the scan is at the hub")
        assert kept
        site.hub.kill()
        shutil.rmtree(site.hub.data)
        copy_folder(copy, site.hub.data)
        stale = van.bridge.rule = PlayBack(kept, times=3)
        site.restart_hub()
        van.reconnect()
        wait_until(lambda: set(van.codes) == set(site.scanned("stale")), "the device says again what was forgotten")
        wait_until(lambda: not stale.old, "the stale acknowledgements come")
        wait_until(lambda: is_drained(van.agent), "the device has nothing left to send")
        assert site.scanned("stale") == van.codes
        assert custody_of(van.agent).released == 0
        assert {i["kind"] for i in site.incidents()} - HARMLESS == {"hub_regressed"}


def test_p4_f103_what_a_broker_suppresses_shows_as_claimed_and_missing(site: Site) -> None:
    with bridged(site, "censored") as van:
        van.scan("BEFORE")
        van.arrived_once()
        censor = van.bridge.rule = Swallow(van.is_any(Batch))
        van.scan("SUPPRESSED-1", "SUPPRESSED-2")
        wait_until(lambda: censor.swallowed, "a batch is suppressed")
        van.reconnect()
        missing = wait_until(lambda: claimed_and_missing(site, "censored"), "the hub knows that it lacks something")
        assert missing["last"] - missing["first"] == 1
        assert missing["cause"] is None
        van.bridge.rule = let_through
        van.arrived_once()


def claimed_and_missing(site: Site, device: str) -> dict[str, int] | None:
    for lane in site.get(f"devices/{device}")["lanes"]:
        if lane["lane"] == "custody" and lane["missing"]:
            found: dict[str, int] = lane["missing"][-1]
            return found
    return None
