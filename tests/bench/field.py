"""A hub and a real agent with a past: its outbox is filled under a clock that is moved, then the program starts on it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.clock import DeviceClock
from agent.outbox import Outbox
from contract.local import DeviceStatus, GetStatus
from firmware_sim.processes import AgentProcess, HubProcess
from tests.agent.store.kit import VirtualTime
from tests.journeys.world import ask

DEVICE = "van-1"
BOOT_BEFORE = bytes(16)
"""The boot in which the past took place: the agent's own is another one."""
LOOK_S = 0.2
"""Asking costs the agent a little; a drain takes much longer."""
PATIENCE_S = 240.0


@contextmanager
def running_hub(folder: Path) -> Iterator[HubProcess]:
    """A new hub that can take work."""
    folder.mkdir(parents=True, exist_ok=True)
    hub = HubProcess(folder / "hub", logs=folder)
    hub.init()
    with hub:
        hub.start().wait_ready()
        yield hub


def enrol(hub: HubProcess, folder: Path, *, port: int | None = None) -> Path:
    """A device's `agent.toml`; `port` is where it reaches the broker, such as a relay."""
    config = folder / DEVICE / "agent.toml"
    hub.add_device(DEVICE, config)
    if port is not None:
        config.write_text(config.read_text().replace(f":{hub.mqtt_port}", f":{port}"))
    return config


@contextmanager
def past(folder: Path, began_s_ago: float) -> Iterator[tuple[Outbox, VirtualTime]]:
    """The outbox of a device's folder at a time that lies so far back; move `elapsed_ms` on to now."""
    moved = VirtualTime()
    moved.epoch_ms = int(1000 * (time.time() - began_s_ago))
    outbox = Outbox.open(folder, DEVICE, clock=DeviceClock(BOOT_BEFORE, moved))
    yield outbox, moved
    outbox.close()


def drain(config: Path, logs: Path) -> float:
    """Start the agent, wait until the hub has acknowledged everything, end it; how long that took from its start."""
    with AgentProcess(DEVICE, config, logs=logs) as agent:
        began_s = time.monotonic()
        agent.start().wait_ready()
        while not is_drained(config):
            if time.monotonic() - began_s > PATIENCE_S:
                raise TimeoutError(f"not drained within {PATIENCE_S:.0f} s: {agent.last_words()}")
            time.sleep(LOOK_S)
        took_s = time.monotonic() - began_s
        agent.stop()
    return took_s


def is_drained(config: Path) -> bool:
    """Whether a running agent waits for nothing any more."""
    status = ask(config, GetStatus())
    if not isinstance(status, DeviceStatus):
        raise TypeError(f"the agent answered {status!r} to the question for its status")
    # Before it has met the hub it does not know yet that it will state so.
    met = status.last_contact_at_ms is not None
    return met and not status.unsealed and all(lane.committed == lane.kept for lane in status.lanes)
