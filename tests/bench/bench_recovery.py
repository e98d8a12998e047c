"""How soon devices are served again after an outage: the hub killed, a backlog on a poor line, the hub set back."""

from collections.abc import Iterator
from pathlib import Path
from statistics import median

from tests.bench.figure import Figure
from tests.journeys.brokers import EMBEDDED, MOSQUITTO
from tests.journeys.recovery import RELAY_BYTES_PER_S, backlog_s, kill_to_ack_s, restored_s
from tests.journeys.world import Site

IDS = (
    "recovery.kill_to_ack_s",
    "recovery.backlog_10000_s",
    "recovery.hub_restore_s",
    "recovery.hub_restore_quiet_s",
)
KILLS = 5
AIM_KILL_TO_ACK_S = 3.0
BACKLOG_FACTS = 10_000
AIM_BACKLOG_S = 60.0
DEVICES = 200
AIM_RESTORED_S = 150.0


def figures(folder: Path) -> Iterator[Figure]:
    """Measure."""
    with Site(folder / "killed") as site:
        agent = site.add_device("van-1")
        with site.running(agent):
            took_s = sorted(kill_to_ack_s(site, agent, f"KILL-{n}") for n in range(KILLS))
        note = f"of {KILLS} times the shortest {took_s[0]:.2f} s, the longest {took_s[-1]:.2f} s"
        yield _figure("kill_to_ack_s", median(took_s), AIM_KILL_TO_ACK_S, note)
    with Site(folder / "far") as site:
        took = backlog_s(site, BACKLOG_FACTS, folder / "far-agents")
        note = f"at most {took * RELAY_BYTES_PER_S / BACKLOG_FACTS:.0f} bytes a fact passed the line"
        yield _figure("backlog_10000_s", took, AIM_BACKLOG_S, note)
    for name, broker, note in (
        ("hub_restore_s", EMBEDDED, "the broker goes with the hub, so devices come back and say hello at once"),
        ("hub_restore_quiet_s", MOSQUITTO, "devices stay connected and notice at their next hello"),
    ):
        with Site(folder / name, broker=broker) as site:
            yield _figure(name, restored_s(site, DEVICES, folder / f"{name}-agents"), AIM_RESTORED_S, note)


def _figure(name: str, value: float, aim_s: float, note: str) -> Figure:
    return Figure(
        id=f"recovery.{name}",
        value=value,
        unit="s",
        against="the aim",
        against_value=aim_s,
        aim=f"at most {aim_s:g}",
        met=value <= aim_s,
        note=note,
    )
