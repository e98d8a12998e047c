"""How long devices wait after an outage; measured here, judged by journeys and by the bench."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from contract.event import Lane, Step
from contract.local import DeviceStatus, GetStatus, Kept, RecordScan
from firmware_sim.processes import AgentProcess
from tests.journeys.world import PATIENCE_S, Site, ask

LOOK_S = 0.01


def status_of(config: Path) -> DeviceStatus:
    """What a running agent says of itself, without the start of a command."""
    answer = ask(config, GetStatus())
    assert isinstance(answer, DeviceStatus)
    return answer


def committed(config: Path) -> int:
    """How far the hub has acknowledged the custody lane."""
    return next(lane.committed for lane in status_of(config).lanes if lane.lane is Lane.CUSTODY)


def scan_now(config: Path, code: str) -> int:
    """Record a scan with a running agent; its position."""
    answer = ask(config, RecordScan(os.urandom(16), code.encode(), Step.RECEIVED))
    assert isinstance(answer, Kept), answer
    return answer.n


def seconds_until(reached: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> float:
    """How long it takes until that is so."""
    began_s = time.monotonic()
    while not reached():
        assert time.monotonic() - began_s < timeout_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(LOOK_S)
    return time.monotonic() - began_s


def kill_to_ack_s(site: Site, agent: AgentProcess, code: str) -> float:
    """From `kill -9` of the hub, which is started again at once, to the acknowledgement of a scan made meanwhile."""
    config = agent.config
    n = scan_now(config, f"{code}-BEFORE")
    seconds_until(lambda: committed(config) >= n, "the device is in contact", 90)
    began_s = time.monotonic()
    site.hub.kill()
    site.hub.start()
    n = scan_now(config, f"{code}-AWAY")
    seconds_until(lambda: committed(config) >= n, "the scan made while the hub was dead is acknowledged", 90)
    took_s = time.monotonic() - began_s
    site.hub.wait_ready()
    return took_s
