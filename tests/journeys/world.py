"""A hub, devices and whoever speaks to them, as real processes on 127.0.0.1; shared by the journeys.

Agent and hub are started only by their commands, and asked only through what outsiders have: API, socket, broker.
Most modules have the hub's commands forked off a process that has loaded them (fixture `warm_hub`), to spare the seconds.
"""

import atexit
import functools
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2
import pytest

from contract.escape import escape_id
from contract.event import Lane, Step
from contract.fact import Fact
from contract.local import (
    Answer,
    DeviceStatus,
    FrameReader,
    GetStatus,
    Happening,
    Kept,
    LaneStatus,
    RecordScan,
    Request,
    decode_answer,
    frame,
)
from contract.statement import password_of
from contract.topics import down_topic
from firmware_sim.facts import LedgerReader
from firmware_sim.processes import AgentProcess, HubProcess, run_command
from tests.journeys.brokers import EMBEDDED, MosquittoProcess

T = TypeVar("T")

LOOK_S = 0.05
PATIENCE_S = 90.0
"""What takes a moment may take long on two cores that others use, too; nothing waits so long when all is well."""
VARIABLE = "HOLDFAST_FAULTPOINT"
TRANSIENT = ("agent.sock", "hub.sock")
"""Sockets are no part of a copy."""


def wait_until(check: Callable[[], T | None], what: str, timeout_s: float = PATIENCE_S) -> T:
    """Look again and again until `check` gives something true; that is returned."""
    give_up_s = time.monotonic() + timeout_s
    while not (found := check()):
        assert time.monotonic() < give_up_s, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(LOOK_S)
    return found


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Show a figure to whoever runs the tests."""
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


def copy_folder(source: Path, target: Path) -> Path:
    """A literal copy, as of a disk."""
    return Path(shutil.copytree(source, target, ignore=shutil.ignore_patterns(*TRANSIENT)))


def kill_at(point: str, nth: int = 1) -> dict[str, str]:
    """The environment that makes a program die there."""
    return {VARIABLE: f"{point}:{nth}:kill"}


@dataclass(frozen=True, slots=True)
class Credential:
    """Who a broker client says it is."""

    user: str
    password: str


@functools.cache
def _initialised_hub() -> tuple[Path, str]:
    """A hub's folder after `init`, and a token of it: made once and copied for each site."""
    folder = Path(tempfile.mkdtemp(prefix="hf-hub-"))
    atexit.register(shutil.rmtree, folder)
    hub = HubProcess(folder / "hub", logs=folder)
    hub.init()
    return hub.data, hub.token("admin")


class Site:
    """One hub with its devices, and with a Mosquitto if asked for. A context manager; at its end all of it is gone."""

    def __init__(self, folder: Path, *, extra: Sequence[str] = (), broker: str = EMBEDDED) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir(parents=True)
        self.mosquitto = None if broker == EMBEDDED else MosquittoProcess(folder / "hub", logs=self.logs)
        words = () if self.mosquitto is None else self.mosquitto.hub_words
        self.hub = HubProcess(folder / "hub", logs=self.logs, extra=(*extra, *words))
        self.agents: list[AgentProcess] = []
        self.http = httpx2.Client(timeout=PATIENCE_S, trust_env=False)

    def __enter__(self) -> Self:
        try:
            initialised, self.token = _initialised_hub()
            copy_folder(initialised, self.hub.data)
            if self.mosquitto is not None:
                self.mosquitto.configure()
                self.mosquitto.start().wait_ready()
            self.hub.start().wait_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()
        for agent in self.agents:
            agent.kill()
        self.hub.kill()
        if self.mosquitto is not None:
            self.mosquitto.remove()

    @property
    def mqtt_port(self) -> int:
        """Where devices reach the broker."""
        return self.hub.mqtt_port if self.mosquitto is None else self.mosquitto.port

    def broker_log(self) -> str:
        """All that the broker has logged."""
        ours = self.hub.data / "broker" / "nats.log" if self.mosquitto is None else self.mosquitto.stderr_path
        return ours.read_text(errors="replace")

    # -- devices ---------------------------------------------------------------------------------------------------

    def add_device(self, device: str, toml: str = "", *, port: int | None = None, data: str = "") -> AgentProcess:
        """Enrol a device; it is not started. `port` is where it reaches the hub (a relay), `toml` what follows `[device]`."""
        folder = self.folder / device
        folder.mkdir()
        config = folder / "agent.toml"
        self.hub.add_device(device, config, place="Dock 4")
        if self.mosquitto is not None:
            who = credential_of(config)
            self.mosquitto.let_in(who.user, who.password, down_topic(device))
        text = config.read_text()
        if port is not None:
            text = text.replace(f":{self.mqtt_port}", f":{port}")
        config.write_text(f"{text}{data}\n{toml}")
        return self.agent(device, config)

    def agent(self, device: str, config: Path) -> AgentProcess:
        """The program of a device whose configuration is there already."""
        agent = AgentProcess(device, config, logs=self.logs)
        # Clones have one id and need logs of their own.
        agent.stdout_path = self.logs / f"{config.parent.name}.out"
        agent.stderr_path = self.logs / f"{config.parent.name}.err"
        self.agents.append(agent)
        return agent

    @contextmanager
    def running(self, agent: AgentProcess, env: Mapping[str, str] | None = None) -> Iterator[AgentProcess]:
        """The agent, ready; ended in order afterwards unless it is dead."""
        agent.env = dict(env or {})
        agent.start().wait_ready()
        try:
            yield agent
        finally:
            agent.stop()

    # -- the hub from outside --------------------------------------------------------------------------------------

    def restart_hub(self, env: Mapping[str, str] | None = None) -> None:
        """Start the hub again where it was."""
        self.hub.env = dict(env or {})
        self.hub.start().wait_ready()

    def get(self, path: str, **params: str | int) -> Any:
        """What the API answers."""
        answer = self.http.get(
            f"{self.hub.url}/api/v1/{path}", params=params, headers={"Authorization": f"Bearer {self.token}"}
        )
        answer.raise_for_status()
        return answer.json()

    def shows(self, parcel: str, step: str) -> dict[str, Any]:
        """Wait until a parcel is shown with this step, which follows its fact at once but not in one; the parcel."""

        def look() -> dict[str, Any] | None:
            try:
                shown: dict[str, Any] = self.get(f"parcels/{escape_id(parcel)}")
            except httpx2.HTTPStatusError as error:
                if error.response.status_code != HTTPStatus.NOT_FOUND:
                    raise
                return None
            return shown if shown["step"] is not None and shown["step"]["step"] == step else None

        return wait_until(look, f"{parcel} is shown as {step}")

    def rows(self, **params: str | int) -> list[dict[str, Any]]:
        """The ledger as the API shows it."""
        rows: list[dict[str, Any]] = []
        after = 0
        while True:
            page = self.get("facts", limit=500, after=after, **params)
            rows += page["items"]
            if page["next_cursor"] is None:
                return rows
            after = int(page["next_cursor"])

    def committed(self, device: str) -> int:
        """How far the hub has come with the custody lane of a device that had one incarnation only."""
        return max(
            (lane["committed"] for lane in self.get(f"devices/{device}")["lanes"] if lane["lane"] == "custody"),
            default=0,
        )

    def facts(self) -> list[Fact]:
        """All facts of the ledger, decoded from their bytes."""
        with LedgerReader(self.hub.url, self.token) as reader:
            return [row.fact for row in reader.rows() if row.fact is not None]

    def incidents(self, kind: str = "", device: str = "") -> list[dict[str, Any]]:
        """Open incidents of a kind, perhaps of one device."""
        items: list[dict[str, Any]] = self.get("incidents", limit=1000)["items"]
        return [i for i in items if kind in ("", i["kind"]) and device in ("", i["device"])]

    def quarantine(self) -> list[dict[str, Any]]:
        """What is held."""
        items: list[dict[str, Any]] = self.get("quarantine")["items"]
        return items

    def scanned(self, device: str = "") -> list[str]:
        """The codes of all scans at the hub, as text, one for each fact."""
        return [
            bytes.fromhex(row["fact"]["event"]["code"]).decode()
            for row in self.rows(**({"device": device} if device else {}))
            if row["fact"] is not None and "code" in row["fact"]["event"]
        ]

    def broker_pid(self) -> int | None:
        """The process id of the broker while there is one."""
        if self.mosquitto is not None:
            return self.mosquitto.pid if self.mosquitto.is_running else None
        return next((pid for pid in children(self.hub.pid or 0) if "nats-server" in program_of(pid)), None)

    def kill_broker(self) -> bool:
        """Kill the broker with -9, if there is one; the hub starts its own again, and we a Mosquitto, as an init would."""
        if self.mosquitto is not None:
            self.mosquitto.kill()
            self.mosquitto.start()
            return True
        pid = self.broker_pid()
        if pid is None:
            return False
        os.kill(pid, signal.SIGKILL)
        return True

    def insider(self) -> Credential:
        """The hub's own credential at the broker, as somebody finds it who can read the broker's files."""
        if self.mosquitto is not None:
            found = tomllib.loads((self.mosquitto.folder / "hub.toml").read_text())
            return Credential(found["user"], found["password"])
        for line in (self.folder / "hub/broker/nats.conf").read_text().splitlines():
            if 'user: "hub"' in line:
                return Credential("hub", line.partition('password: "')[2].partition('"')[0])
        raise AssertionError("the broker's configuration does not name the hub")


# -- devices from outside --------------------------------------------------------------------------------------------


def key_of(config: Path) -> bytes:
    """The device's own key."""
    return bytes.fromhex(tomllib.loads(config.read_text())["device"]["credential"])


def credential_of(config: Path) -> Credential:
    """What the device shows to the broker."""
    return Credential(tomllib.loads(config.read_text())["device"]["id"], password_of(key_of(config)))


def scan(config: Path, code: str, step: str = "received") -> str:
    """`holdfast-agent scan`; what it printed."""
    return run_command("holdfast-agent", "scan", code, "--step", step, "--config", str(config))


def ask(config: Path, request: Request) -> Answer | Happening:
    """Ask a running agent over its socket."""
    reader = FrameReader()
    descriptor = os.open(config.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(PATIENCE_S)
            line.connect(f"/proc/self/fd/{descriptor}/agent.sock")
            line.sendall(frame(request))
            while True:
                data = line.recv(65536)
                assert data, "the agent ended the conversation"
                for body in reader.feed(data):
                    return decode_answer(body)
    finally:
        os.close(descriptor)


def keep(config: Path, code: str, step: Step = Step.RECEIVED) -> None:
    """Have a running agent keep a scan: what `scan` does, without the start of a command."""
    answer = ask(config, RecordScan(os.urandom(16), code.encode(), step))
    assert isinstance(answer, Kept), answer


def status_of(agent: AgentProcess) -> DeviceStatus:
    """What a running agent says of itself, without the start of a command."""
    answer = ask(agent.config, GetStatus())
    assert isinstance(answer, DeviceStatus)
    return answer


def custody_of(agent: AgentProcess) -> LaneStatus:
    """The custody lane of a running agent."""
    return next(lane for lane in status_of(agent).lanes if lane.lane is Lane.CUSTODY)


def is_in_contact(agent: AgentProcess) -> bool:
    """Whether a running agent has heard the hub on its present connection."""
    return status_of(agent).link == "synced"


def is_drained(agent: AgentProcess) -> bool:
    """Whether the hub committed everything that a running agent keeps."""
    status = status_of(agent)
    return status.unsealed == status.blobs_pending == 0 and all(lane.committed == lane.kept for lane in status.lanes)


# -- processes -------------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """Process ids whose parent is `pid`."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            # It ended while we looked.
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def program_of(pid: int) -> str:
    """The command of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
