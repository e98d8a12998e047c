"""More than a hundred kills with -9, at every named place and at any moment: what beeped is at the hub, once."""

import itertools
import json
import os
import sqlite3
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from agent.faultpoint import FAULTPOINTS as AGENT_POINTS
from contract.escape import escape_id
from contract.event import Outcome, Proof
from contract.local import Kept, RecordProof
from firmware_sim.checker import compare, ledger_values
from firmware_sim.processes import AgentProcess, run_command
from hub.faultpoint import FAULTPOINTS as HUB_POINTS
from tests.journeys.brokers import BROKERS, EMBEDDED, MOSQUITTO
from tests.journeys.hands import Bench, Outside
from tests.journeys.storm import BrokerVictim, Deaths, Trap, Victim
from tests.journeys.world import PATIENCE_S, Site, ask, copy_folder, is_drained, keep, kill_at, scan, tell, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("warm_hub")]

SEED = 20
KILLS = {EMBEDDED: 100, MOSQUITTO: 40}
"""The broker changes what a kill of it means, and of the hub that no longer takes it along."""
LEAST_KILLS_OF_EACH = 3
STORM_LIMIT_S = 300.0
"""On a machine that does much else; a quiet one needs a sixth of it."""

# Places that ordinary work passes all the time, with how many passages may go by.
AGENT_TRAPS = (
    Trap("pre_commit", 25),
    Trap("post_commit", 25),
    Trap("sealing", 2),
    Trap("sent", 12),
    Trap("welcome", 1),
)
HUB_TRAPS = (
    Trap("hub_project", 15),
    Trap("hub_project_commit", 10),
    Trap("hub_post_commit", 12),
    Trap("hub_pre_commit", 12),
    Trap("hub_before_reply", 15),
)
FIRST_TRAP = Trap("migrate", 1)
"""Every database is made by migrating an empty one."""
IN_THE_STORM = {trap.point for trap in (*AGENT_TRAPS, *HUB_TRAPS, FIRST_TRAP)}

PROVOKED: dict[str, str] = {}
"""Places that need provoking, each with the test that does."""

Test = Callable[..., None]


def provokes(point: str) -> Callable[[Test], Test]:
    def note(test: Test) -> Test:
        PROVOKED[point] = test.__name__
        return test

    return note


def died_at(agent_or_hub: Any, point: str) -> None:
    """Wait for a program to die by itself at the trap that was set."""
    assert agent_or_hub.env == kill_at(point)
    assert agent_or_hub.wait_end(PATIENCE_S) == -9, f"{point} was not passed: {agent_or_hub.last_words()}"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as site:
        yield site


def test_every_fault_point_has_a_journey_that_dies_there() -> None:
    assert IN_THE_STORM | PROVOKED.keys() == {*AGENT_POINTS, *HUB_POINTS}
    assert not IN_THE_STORM & PROVOKED.keys()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("broker", BROKERS)
def test_p1_p2_p3_f001_f002_f004_f005_f020_f035_f036_f037_a_hundred_kills_lose_and_double_nothing(
    broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Site(tmp_path / "site", broker=broker) as site:
        a_storm_loses_and_doubles_nothing(site, broker, tmp_path, capsys)


def is_enough(deaths: Deaths, broker: str) -> bool:
    """Whether a storm may end: on the embedded broker every place was hit, on the other one broker and hub died often."""
    if broker == EMBEDDED:
        return deaths.total >= KILLS[broker] and deaths.at_points.keys() >= IN_THE_STORM
    of_hub = deaths.at_any_moment["hub"] + sum(deaths.at_points[trap.point] for trap in HUB_TRAPS)
    return deaths.total >= KILLS[broker] and min(of_hub, deaths.at_any_moment["broker"]) >= LEAST_KILLS_OF_EACH


def a_storm_loses_and_doubles_nothing(
    site: Site, broker: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = tmp_path / "ports"
    ports.mkdir()
    benches = [Bench(f"van-{i}", ports, seed=SEED + i) for i in range(1, 5)]
    deaths = Deaths()
    victims: list[Victim] = []
    for i, bench in enumerate(benches):
        agent = site.add_device(bench.device, bench.toml)
        traps = (FIRST_TRAP, *AGENT_TRAPS[i:], *AGENT_TRAPS[:i], *AGENT_TRAPS)
        victim = Victim(agent, traps, (0.4, 2.0), deaths, seed=SEED * 100 + i)
        bench.breaks_ms = victim.breaks_ms
        victims.append(victim)
    hub = Victim(site.hub, HUB_TRAPS, (2.0, 5.0), deaths, seed=SEED)
    broker_victim = BrokerVictim(site, (2.0, 6.0), deaths, seed=SEED)

    began_s = time.monotonic()
    with Outside(benches) as outside:
        for victim in victims:
            victim.live()
        hub.kill()
        hub.live()
        while time.monotonic() < began_s + STORM_LIMIT_S:
            for victim in (*victims, hub, broker_victim):
                victim.look()
            if is_enough(deaths, broker):
                break
            time.sleep(0.02)
        stormed_s = time.monotonic() - began_s

        for victim in (hub, *victims):
            victim.calm()
        for victim in (hub, *victims):
            victim.program.wait_ready()
        wait_until(lambda: sum(len(bench.beeped()) for bench in benches) > KILLS[broker], "enough scans beep")
        for bench in benches:
            bench.shift.closing = True
        wait_until(lambda: not any(bench.shift.has_work for bench in benches), "all parcels in hand beep")
        outside.unplug()
        assert not outside.failures
    for victim in victims:
        agent = victim.program
        assert isinstance(agent, AgentProcess)
        wait_until(lambda agent=agent: is_drained(agent), f"{agent.name} hands everything over")

    facts = site.facts()
    compared = compare([b.scanner() for b in benches], [b.probe() for b in benches], facts)
    tell(
        capsys,
        f"{deaths.total} kills in {stormed_s:.0f} s, {deaths.at_points.total()} at fault points "
        f"{dict(sorted(deaths.at_points.items()))}, others {dict(sorted(deaths.at_any_moment.items()))}; "
        f"scans {compared.scans}; readings {compared.readings}",
    )
    assert compared.is_right, compared.complaints
    assert compared.scans.captured > KILLS[broker]
    assert compared.readings.captured > KILLS[broker] // 2
    assert site.quarantine() == []
    assert site.incidents() == []
    assert is_enough(deaths, broker), deaths
    for bench in benches:
        for parcel, step in bench.last_steps().items():
            assert site.shows(parcel, step)["step"]["device"] == bench.device, parcel
        last = ledger_values(facts, bench.sensor)[-1]
        assert last is not None
        wait_until(
            lambda s=bench.sensor, v=last: site.get(f"sensors/{s}")["latest"]["value"] == v / 100,
            f"{bench.sensor} shows the last reading that was kept",
        )
    assert run_command("holdfast-hub", "verify", "--data", str(site.hub.data))


def test_f002_kill_9_between_commit_and_answer_then_the_persons_rescan_is_a_second_fact_marked_as_one(
    site: Site,
) -> None:
    agent = site.add_device("van-1")
    # A device that talks with nobody commits nothing but scans once it is ready.
    site.hub.kill()
    agent.env = kill_at("post_commit", 12)
    agent.start().wait_ready()
    answered = list(answered_scans(agent))
    assert agent.wait_end(PATIENCE_S) == -9, agent.last_words()
    unanswered = f"P-{len(answered)}"
    assert held_scans(agent) == [unanswered, *reversed(answered)]

    site.restart_hub()
    with site.running(agent):
        keep(agent.config, unanswered)
        wait_until(lambda: is_drained(agent), "the scans are at the hub")
    assert sorted(site.scanned()) == sorted([*answered, unanswered, unanswered])
    wait_until(lambda: site.shows(unanswered, "received")["events"] == 2, "both scans are in the chain of custody")
    first, second = custody_events(site, unanswered)
    assert (first["rescan_of"], second["rescan_of"]) == (None, first["fact_id"])
    assert [event["rescan_of"] for code in answered for event in custody_events(site, code)] == [None] * len(answered)


def answered_scans(agent: AgentProcess) -> Iterator[str]:
    """Scan one parcel after the other (`P-0`, `P-1`, ...) until the device dies instead of answering."""
    for n in itertools.count():
        try:
            keep(agent.config, f"P-{n}")
        except (AssertionError, OSError):
            return
        yield f"P-{n}"


def custody_events(site: Site, parcel: str) -> list[dict[str, Any]]:
    """The chain of custody of a parcel that is shown."""
    items: list[dict[str, Any]] = site.get(f"parcels/{escape_id(parcel)}/events")["items"]
    return items


# -- places that need provoking --------------------------------------------------------------------------------------


@provokes("release")
def test_p7_f006_kill_while_content_is_let_go_lets_go_only_what_two_backups_hold(tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    with Site(tmp_path / "site", extra=("--backup-dir", str(backups))) as site:
        agent = site.add_device("van-1")
        with site.running(agent):
            for i in range(5):
                scan(agent.config, f"SAFE-{i}")
            wait_until(lambda: is_drained(agent), "the scans are at the hub")
            for name in ("one.tar", "two.tar"):
                run_command("holdfast-hub", "backup", str(tmp_path / name), "--data", str(site.hub.data))
            scan(agent.config, "NEWER")
            wait_until(lambda: is_drained(agent), "the last scan is at the hub")
        with closing(sqlite3.connect(agent.config.parent / "device.db")) as database:
            # A month later, as far as the device's policy can see.
            database.execute("UPDATE fact SET at_ms = at_ms - 30 * 86400000")
            database.commit()
        agent.env = kill_at("release")
        agent.start()
        died_at(agent, "release")
        with site.running(agent):
            wait_until(lambda: agent.status()["lanes"]["custody"]["released"] >= 5, "content is let go")
            assert is_drained(agent)
        assert held_scans(agent) == ["NEWER"]
        assert sorted(site.scanned()) == ["NEWER", *(f"SAFE-{i}" for i in range(5))]
        assert site.incidents() == []


@provokes("reincarnate")
def test_p6_f054_kill_while_a_clone_begins_anew_loses_neither_side(site: Site) -> None:
    one = site.add_device("van-1")
    with site.running(one):
        scan(one.config, "BEFORE")
        wait_until(lambda: is_drained(one), "the scan is at the hub")
    other = site.agent("van-1", copy_folder(one.config.parent, site.folder / "clone") / "agent.toml")
    scan(one.config, "ONE")
    scan(other.config, "OTHER")
    with site.running(one):
        wait_until(lambda: is_drained(one), "the original's scan is at the hub")
        other.env = kill_at("reincarnate")
        other.start()
        died_at(other, "reincarnate")
        with site.running(other):
            wait_until(lambda: is_drained(other), "the clone's scan is at the hub")
    assert sorted(site.scanned()) == ["BEFORE", "ONE", "OTHER"]


@provokes("salvage")
def test_p2_f014_kill_while_a_damaged_database_is_replaced_loses_nothing_readable(site: Site) -> None:
    agent = site.add_device("van-1")
    codes = [f"KEPT-{i}" for i in range(5)]
    for code in codes:
        scan(agent.config, code)
    with (agent.config.parent / "device.db").open("r+b") as database:
        database.write(b"no SQLite database")
    agent.env = kill_at("salvage")
    agent.start()
    died_at(agent, "salvage")
    with site.running(agent):
        wait_until(lambda: is_drained(agent), "what was rescued is at the hub")
        wait_until(lambda: site.incidents("device_damage", "van-1"), "the damage shows")
    assert sorted(site.scanned()) == codes


@provokes("hub_blob_rename")
def test_f081_hub_killed_before_a_picture_gets_its_name_has_it_once(site: Site) -> None:
    agent = site.add_device("van-1")
    picture = png(64, 64)
    name = sha256(picture).hexdigest()
    stored = site.hub.data / "blobs" / name[:2] / name
    site.hub.kill()
    with site.running(agent):
        (agent.config.parent / "incoming").mkdir(exist_ok=True)
        (agent.config.parent / "incoming/door.png").write_bytes(picture)
        proof = Proof("stop-1", Outcome.DELIVERED, delivered=("P1",), recipient="A. Jansen")
        assert isinstance(ask(agent.config, RecordProof(os.urandom(16), proof, photos=("door.png",))), Kept)
        site.hub.env = kill_at("hub_blob_rename")
        site.hub.start()
        died_at(site.hub, "hub_blob_rename")
        assert not stored.exists()
        site.restart_hub()
        wait_until(lambda: is_drained(agent), "the picture is at the hub")
    assert stored.read_bytes() == picture
    assert len([r for r in site.rows() if r["fact"]["event"]["kind"] == "proof"]) == 1
    assert site.incidents() == []


@provokes("hub_backup")
def test_f047_hub_killed_before_a_backup_gets_its_name_makes_another(tmp_path: Path) -> None:
    backups = tmp_path / "backups"
    with Site(tmp_path / "site", extra=("--backup-dir", str(backups))) as site:
        wait_until(lambda: list(backups.glob("*.tar")), "a first backup")
        first = set(backups.glob("*.tar"))
        site.hub.kill()
        site.hub.env = kill_at("hub_backup")
        site.hub.start()
        died_at(site.hub, "hub_backup")
        assert set(backups.glob("*.tar")) == first
        site.restart_hub()
        [second] = wait_until(lambda: set(backups.glob("*.tar")) - first, "the next backup")
        restored = tmp_path / "restored"
        run_command("holdfast-hub", "restore", str(second), "--data", str(restored))
        assert run_command("holdfast-hub", "verify", "--data", str(restored))
        # What the killed one had begun does not pile up.
        wait_until(
            lambda: not [p for p in backups.iterdir() if p.name.startswith(".")], "no rest of the killed backup", 5
        )


def held_scans(agent: AgentProcess) -> list[str]:
    """Codes of the scans whose content is on the device, from its own list."""
    answer = json.loads(run_command("holdfast-agent", "outbox", "--config", str(agent.config), "--json"))
    return [item["event"]["code"] for item in answer["items"] if item["kind"] == "scan"]


def png(width: int, height: int) -> bytes:
    """A grey picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + os.urandom(width) for _ in range(height))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body
