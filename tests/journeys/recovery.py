"""How long devices wait after an outage; measured here, judged by journeys and by the bench."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from contract.statement import password_of
from contract.topics import down_topic
from firmware_sim.fleet.enrolment import enrol, read_agents
from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.load import Load
from firmware_sim.processes import AgentProcess, run_command
from firmware_sim.relay import Relay
from tests.journeys.world import Site, copy_folder, custody_of, keep

LOOK_S: Final = 0.01
PATIENCE_S: Final = 90.0
RELAY_DELAY_S: Final = 0.15
RELAY_BYTES_PER_S: Final = 20_000
"""A poor mobile network: 300 ms for a round trip, 20 kB/s each way."""


def seconds_until(reached: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> float:
    """How long it takes until that is so."""
    began_s = time.monotonic()
    while not reached():
        assert time.monotonic() - began_s < timeout_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(LOOK_S)
    return time.monotonic() - began_s


def kill_to_ack_s(site: Site, agent: AgentProcess, code: str) -> float:
    """From `kill -9` of the hub, which is started again at once, to the acknowledgement of a scan made meanwhile."""

    def acknowledge(name: str) -> None:
        keep(agent.config, name)
        n = custody_of(agent).kept
        seconds_until(lambda: custody_of(agent).committed >= n, f"{name} is acknowledged")

    acknowledge(f"{code}-BEFORE")
    began_s = time.monotonic()
    site.hub.kill()
    site.hub.start()
    acknowledge(f"{code}-AWAY")
    took_s = time.monotonic() - began_s
    site.hub.wait_ready()
    return took_s


def backlog_s(site: Site, facts: int, folder: Path) -> float:
    """How long one device needs on a poor line, from its first connection on, to bring in so many scans."""
    (van,) = enrol(site.hub.data, ["van-far"], folder)
    with Relay("127.0.0.1", site.mqtt_port) as relay:
        relay.delay_s = RELAY_DELAY_S
        relay.bytes_per_s = RELAY_BYTES_PER_S
        # Scans come by chance: some more than asked for, so that they are never fewer.
        backlog = Load(scans_per_min=600)
        with Fleet([van], hub=f"mqtt://127.0.0.1:{relay.port}", load=backlog, offline_s=1.05 * facts / 10) as fleet:
            assert fleet.tally().captured >= facts
            return seconds_until(lambda: fleet.wait_drained(0), f"{facts} facts are acknowledged", 5 * PATIENCE_S)


def restored_s(site: Site, devices: int, folder: Path) -> float:
    """How long a hub that was set back to an old copy needs until it has everything again, from its start on.

    With a Mosquitto devices stay connected and notice nothing before their next hello.
    """
    enrol_fleet(site, [f"van-{n}" for n in range(devices)], folder / "agents")
    with Fleet(read_agents(folder / "agents")) as fleet:
        assert fleet.wait_in_contact(PATIENCE_S)
        fleet.scan(2)
        assert fleet.wait_drained(PATIENCE_S)
        assert site.hub.stop() == 0
        copy = copy_folder(site.hub.data, folder / "copy")
        site.restart_hub()
        fleet.scan(10)
        assert fleet.wait_drained(PATIENCE_S)
        site.hub.kill()
        shutil.rmtree(site.hub.data)
        copy_folder(copy, site.hub.data)
        assert not fleet.captured_ids() <= in_ledger(site.hub.data)
        began_s = time.monotonic()
        site.hub.start()
        seconds_until(lambda: fleet.captured_ids() <= in_ledger(site.hub.data), "everything is there again", 300)
        took_s = time.monotonic() - began_s
        site.hub.wait_ready()
        return took_s


def enrol_fleet(site: Site, names: list[str], folder: Path) -> None:
    """Enrol devices at whichever broker the site has."""
    if site.mosquitto is None:
        enrol(site.hub.data, names, folder)
        return
    folder.mkdir(parents=True)
    run_command("holdfast-hub", "device", "add", *names, "--data", str(site.hub.data), "--out", str(folder))
    last = read_agents(folder)[-1]
    site.mosquitto.let_in(last.device, password_of(last.key), down_topic(last.device))


def in_ledger(data: Path) -> set[bytes]:
    """The identities of all facts with content, as they stand in the hub's database."""
    with closing(sqlite3.connect(f"file:{data}/hub.db?mode=ro", uri=True)) as db:
        return {row[0] for row in db.execute("SELECT fact_id FROM fact WHERE core IS NOT NULL")}
