"""A real hub process, and a real device core that speaks to it over its broker."""

import atexit
import functools
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Self

from contract.delivery.device_states import Connected, Disconnected
from contract.errors import NotAuthentic
from contract.statement import Direction, password_of, seal, unseal
from contract.topics import down_topic, up_topic
from firmware_sim.processes import wait_free
from hub.broker.address import parse_bind, parse_broker
from tests.contract.delivery.memory import KEY, Device
from tests.hub.broker.visitor import Visitor
from tests.warm.hub import launch, run

HUB = Path(sys.executable).with_name("holdfast-hub")


def run_hub(*words: object, said: str = "", **environment: str) -> "subprocess.CompletedProcess[str]":
    """One administration command, to which `said` is typed."""
    return run([str(HUB), *map(str, words)], said, **environment)


def run_hub_cold(*words: object) -> "subprocess.CompletedProcess[str]":
    """One as a person's shell starts it, which takes seconds: what it loads, it loads by itself."""
    return subprocess.run([HUB, *map(str, words)], capture_output=True, text=True, check=False, timeout=120)


@functools.cache
def initialised_hub() -> Path:
    """A hub's folder after `init`: made once. Copy it."""
    folder = Path(tempfile.mkdtemp(prefix="hf-hub-"))
    atexit.register(shutil.rmtree, folder)
    done = run_hub("init", "--data", folder / "hub")
    assert done.returncode == 0, done.stderr
    return folder / "hub"


class ServedHub:
    """`holdfast-hub serve`; leaving the block sends SIGTERM and waits."""

    def __init__(self, data: Path, *options: str, mqtt: str = "127.0.0.1:0", faultpoint: str = "") -> None:
        environment = os.environ | ({"HOLDFAST_FAULTPOINT": faultpoint} if faultpoint else {})
        command = [str(HUB), "serve", "--data", str(data), "--http", "127.0.0.1:0", "--mqtt", mqtt, *options]
        # The broker of a hub that was killed ends a moment after it.
        wait_free(parse_bind(mqtt).port)
        self.data = data
        self.log = (data.parent / f"{data.name}.log").open("ab")
        said, saying = os.pipe()
        with os.fdopen(saying, "wb") as out:
            self.process = launch(command, out=out, err=self.log, env=environment)
        with os.fdopen(said) as words:
            line = words.readline()
        assert line, Path(self.log.name).read_text()
        self.ready: dict[str, str] = json.loads(line)
        self.mqtt = parse_broker(self.ready["mqtt"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(timeout=60)
        self.log.close()
        return code


class WiredDevice:
    """A device core whose messages travel through a broker."""

    def __init__(self, device: Device, key: bytes) -> None:
        self.device = device
        self.key = key
        self.visitor: Visitor | None = None

    @classmethod
    def of_config(cls, path: Path, seed: int = 1) -> Self:
        table = tomllib.loads(path.read_text())["device"]
        return cls(Device(table["id"], seed), bytes.fromhex(table["credential"]))

    def connect(self, hub: ServedHub) -> None:
        self.visitor = Visitor(hub.mqtt, self.device.name, password_of(self.key))
        assert self.visitor.connected.get(timeout=60)
        assert self.visitor.may_subscribe(down_topic(self.device.name))
        self.device.mono_ms += 1000
        self.device.feed(Connected())

    def disconnect(self) -> None:
        assert self.visitor is not None
        self.visitor.close()
        self.device.feed(Disconnected())
        self.device.outgoing.clear()

    def exchange(self, until_acked: int, seconds: float = 60, hub: ServedHub | None = None) -> bool:
        """Carry messages until so many custody positions are acknowledged, or this hub is dead; whether they were."""
        until_s = time.monotonic() + seconds
        lane = next(iter(self.device.store.lanes))
        while self.device.store.lane(lane).acked_n < until_acked and time.monotonic() < until_s:
            if hub is not None and hub.process.poll() is not None:
                break
            self._send()
            self._hear(0.05)
        return self.device.store.lane(lane).acked_n >= until_acked

    def _send(self) -> None:
        assert self.visitor is not None
        for payload in self.device.outgoing:
            # The core in memory seals with its own fixed key; over the wire the enrolled one counts.
            body = unseal(KEY, Direction.UP, self.device.name, payload)
            self.visitor.client.publish(
                up_topic(self.device.name), seal(self.key, Direction.UP, self.device.name, body)
            )
        self.device.outgoing.clear()

    def _hear(self, seconds: float) -> None:
        assert self.visitor is not None
        try:
            _, payload = self.visitor.heard.get(timeout=seconds)
        except queue.Empty:
            return
        try:
            body = unseal(self.key, Direction.DOWN, self.device.name, payload)
        except NotAuthentic as error:
            raise AssertionError("the hub's own answer must be authentic") from error
        self.device.hear(seal(KEY, Direction.DOWN, self.device.name, body))
