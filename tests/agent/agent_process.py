"""Real `holdfast-agent` processes for tests."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

KEY_HEX = "6b" * 32
"""The key of the in-memory ledger's devices."""
START_S = 60.0


def write_config(folder: Path, *, hub: str | None = None, drivers: str = "", device: str = "van-1") -> Path:
    """An `agent.toml` whose data folder is beside it."""
    path = folder / "agent.toml"
    connection = f'hub = "{hub}"\ncredential = "{KEY_HEX}"\n' if hub else ""
    path.write_text(f'[device]\nid = "{device}"\nplace = "dock-4"\n{connection}\n{drivers}')
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "agent.cli", *map(str, arguments)]


def run_cli(*arguments: object, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(env or {})}
    )


def run_json(*arguments: object) -> Any:
    """What a command answers to a script."""
    done = run_cli(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


class RunningAgent:
    """`holdfast-agent run`, ready."""

    def __init__(self, config: Path, env: Mapping[str, str] | None = None) -> None:
        self.config = config
        self.errors = config.parent / "stderr.txt"
        started_s = time.monotonic()
        with self.errors.open("w") as stderr:
            self.process = subprocess.Popen(
                command("run", "--config", config),
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                env={**os.environ, **(env or {})},
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.start_s = time.monotonic() - started_s
        if not line:
            self.wait()
        assert line, self.errors.read_text()
        assert json.loads(line) == {"event": "ready"}

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.wait()

    def end(self) -> float:
        """Ask it to end; how long that took."""
        began_s = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert self.wait() == 0, self.errors.read_text()
        return time.monotonic() - began_s

    def wait(self) -> int:
        code = self.process.wait(timeout=START_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@contextlib.contextmanager
def running(config: Path, env: Mapping[str, str] | None = None) -> Iterator[RunningAgent]:
    """An agent that is gone afterwards, whatever happened."""
    agent = RunningAgent(config, env)
    try:
        yield agent
    finally:
        if agent.process.poll() is None:
            agent.process.kill()
        agent.wait()
