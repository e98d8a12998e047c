"""Devices that a hub knows, as their `agent.toml` files say."""

import socket
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from contract.statement import password_of
from firmware_sim.errors import SimulatorError
from firmware_sim.fleet import packets
from firmware_sim.processes import run_command

MQTT_PORT: Final = 1883
TAKES_EFFECT_S: Final = 20.0
"""A broker reads its users anew within moments; a loaded machine may need longer."""
TRY_AGAIN_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device with its key; a secret, so nothing prints it."""

    device: str
    key: bytes
    hub: str
    """Where it reaches the broker: `mqtt://HOST:PORT`."""

    def __repr__(self) -> str:
        return f"Enrolled({self.device!r}, {self.hub!r})"


def read_agents(folder: Path) -> list[Enrolled]:
    """The devices of all `*.toml` files in a folder, in order of their names.

    Raises:
        SimulatorError: There are none, or one is no `agent.toml` with a credential.
    """
    found = [_read(path) for path in sorted(folder.glob("*.toml"))]
    if not found:
        raise SimulatorError(
            f"{folder} holds no agent.toml files; `holdfast-hub device add ID ID --out {folder}` writes them"
        )
    return found


def _read(path: Path) -> Enrolled:
    try:
        table = tomllib.loads(path.read_text("utf-8"))["device"]
        return Enrolled(str(table["id"]), bytes.fromhex(table["credential"]), str(table["hub"]))
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise SimulatorError(f"{path} is no agent.toml with id, hub and credential: {error}") from error


def enrol(data: Path, names: Sequence[str], folder: Path) -> list[Enrolled]:
    """Register devices at the hub of a data folder on this machine and wait until its broker takes them.

    Args:
        data: The hub's data folder.
        names: The devices' ids.
        folder: Where their `agent.toml` files go; it holds no others.

    Raises:
        SimulatorError: The hub refuses, or its broker does not take them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    where = ["--out", str(folder if len(names) > 1 else folder / f"{names[0]}.toml")]
    run_command("holdfast-hub", "device", "add", *names, "--data", str(data), *where)
    agents = read_agents(folder)
    _wait_until_taken(agents[-1])
    return agents


def broker_of(url: str) -> tuple[str, int]:
    """Host and port of `mqtt://HOST[:PORT]`.

    Raises:
        SimulatorError: It is not of that form.
    """
    parts = urlsplit(url)
    try:
        if parts.scheme == "mqtt" and parts.hostname:
            return parts.hostname, parts.port or MQTT_PORT
    except ValueError:
        pass
    raise SimulatorError(f"hub {url!r}: expected mqtt://HOST:PORT (a fleet speaks no TLS)")


def _wait_until_taken(agent: Enrolled) -> None:
    give_up_s = time.monotonic() + TAKES_EFFECT_S
    while not _is_taken(agent):
        if time.monotonic() > give_up_s:
            raise SimulatorError(f"the broker at {agent.hub} does not take {agent.device}, which was just enrolled")
        time.sleep(TRY_AGAIN_S)


def _is_taken(agent: Enrolled) -> bool:
    reader = packets.PacketReader()
    try:
        with socket.create_connection(broker_of(agent.hub), timeout=TAKES_EFFECT_S) as line:
            line.sendall(packets.connect(f"{agent.device}-probe", agent.device, password_of(agent.key), 30))
            while data := line.recv(4096):
                for packet in reader.feed(data):
                    return packet == packets.Connack(0)
    except OSError:
        # A hub that starts has no broker yet.
        pass
    return False
