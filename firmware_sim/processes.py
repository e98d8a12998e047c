"""The programs under test as child processes: started by their commands, killed without mercy, started again.

They are real processes on purpose: `kill -9` and a restart must mean here what they mean in the field.
"""

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol, Self

from firmware_sim.errors import SimulatorError

LOOK_S = 0.02
# A cold import of the hub on a busy machine takes seconds, not tenths.
READY_TIMEOUT_S = 120.0
# The hub promises to end within 10 s; more tells a busy machine from a hanging program.
STOP_TIMEOUT_S = 45.0
COMMAND_TIMEOUT_S = 120.0
# A killed hub's broker ends a moment after it, when the kernel comes to it.
PORT_FREE_TIMEOUT_S = 20.0
# How much of a program's last words is worth showing.
LAST_WORDS_CHARS = 600

# Below the ports that the kernel hands to outgoing connections: one of those could be gone when its program comes back.
LASTING_PORTS = range(15_000, 30_000)
PORT_TRIES = 100

PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


class ProcessFailed(SimulatorError):
    """A program under test did not start, did not answer, or ended by itself."""


class Running(Protocol):
    """A process that was started; what `subprocess.Popen` has."""

    @property
    def pid(self) -> int:
        """Its number."""

    def poll(self) -> int | None:
        """How it ended, None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises `subprocess.TimeoutExpired`."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it without asking."""


class Launch(Protocol):
    """How processes are started."""

    def __call__(self, command: Sequence[str], *, out: IO[bytes], err: IO[bytes], env: Mapping[str, str]) -> Running:
        """Start a command in a session of its own, so that the kernel kills it when whoever started it ends."""


def launch_cold(command: Sequence[str], *, out: IO[bytes], err: IO[bytes], env: Mapping[str, str]) -> Running:
    """Start a command as anybody would."""
    parent = os.getpid()

    def die_with_parent() -> None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        env=env,
        start_new_session=True,
        preexec_fn=die_with_parent,  # noqa: PLW1509 calls nothing but the kernel
    )


launch: Launch = launch_cold
"""The one in use; tests that start many hubs have a quicker one."""


def find_command(name: str) -> str:
    """Return the path of an installed command, this environment's own first.

    Raises:
        ProcessFailed: It is not installed.
    """
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProcessFailed(f"the command {name} is not installed: run `make setup`")
    return found


def free_port() -> int:
    """Return a local TCP port that is free now, and that nobody is given by chance.

    Raises:
        ProcessFailed: All that were tried are taken.
    """
    for _ in range(PORT_TRIES):
        # Not from a seed: several runs side by side must not draw the same one.
        port = random.SystemRandom().choice(LASTING_PORTS)
        if is_free(port):
            return port
    raise ProcessFailed(f"no free TCP port found from {LASTING_PORTS.start} to {LASTING_PORTS.stop}")


def is_free(port: int) -> bool:
    """Whether a server could listen on a local TCP port."""
    with socket.socket() as probe:
        # As servers do; otherwise connections of a moment ago would count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wait_free(port: int) -> None:
    """Wait until a server could listen there, but not for ever: who finds it taken can say so better."""
    give_up_s = time.monotonic() + PORT_FREE_TIMEOUT_S
    while not is_free(port) and time.monotonic() < give_up_s:
        time.sleep(LOOK_S)


def run_command(name: str, *args: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed; Ctrl-C at the terminal does not reach it.

    Raises:
        ProcessFailed: It failed or took too long; the message holds its last words.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        running = launch([find_command(name), *args], out=out, err=err, env={**os.environ, **(env or {})})
        try:
            status = running.wait(COMMAND_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            running.kill()
            running.wait()
            raise ProcessFailed(f"`{' '.join([name, *args])}` did not end within {COMMAND_TIMEOUT_S:.0f} s") from error
        if status != 0:
            words = _text_of(err).strip()[-LAST_WORDS_CHARS:]
            raise ProcessFailed(f"`{' '.join([name, *args])}` failed with {status}: {words}")
        return _text_of(out)


def _text_of(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class Program:
    """One long-running command whose first line of JSON on stdout says that it is ready.

    Its output goes to two files beside each other, so that nothing has to be read for it to go on. It has a
    session of its own, so that Ctrl-C at a terminal reaches only whoever started it, and it is killed by the kernel
    when the thread that started it ends: start it from the main thread.
    """

    def __init__(self, name: str, command: Sequence[str], *, logs: Path, env: Mapping[str, str] | None = None) -> None:
        """Describe a program without starting it.

        Args:
            name: For messages and log files.
            command: Name of the command and its arguments.
            logs: The folder for `NAME.out` (of the present run) and `NAME.err` (of all runs).
            env: Environment variables beside the inherited ones.
        """
        self.name = name
        self.command = list(command)
        self.env = dict(env or {})
        """For the next start; such as HOLDFAST_FAULTPOINT."""
        self.stdout_path = logs / f"{name}.out"
        self.stderr_path = logs / f"{name}.err"
        self.ready: dict[str, Any] = {}
        """What the program said when it was ready."""
        self._process: Running | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int | None:
        """Process id of the present run."""
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        """How the last run ended; negative for a signal, None while it runs."""
        return None if self._process is None else self._process.poll()

    def start(self) -> Self:
        """Start it and return at once.

        Raises:
            ProcessFailed: It runs already, or the command is not installed.
        """
        if self.is_running:
            raise ProcessFailed(f"{self.name} is running already")
        command = [find_command(self.command[0]), *self.command[1:]]
        self.ready = {}
        with self.stdout_path.open("wb") as out, self.stderr_path.open("ab") as err:
            self._process = launch(command, out=out, err=err, env={**os.environ, **self.env})
        return self

    def poll_ready(self) -> bool:
        """Whether it has said that it is ready; what it said is then in `ready`.

        Raises:
            ProcessFailed: It ended instead.
        """
        if not self.ready:
            ended = not self.is_running
            self.ready = _ready_line(self.stdout_path)
            if ended and not self.ready:
                raise ProcessFailed(
                    f"{self.name} ended with {self.exit_status} before it was ready: {self.last_words()}"
                )
        return bool(self.ready)

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> dict[str, Any]:
        """Wait until it is ready and return what it said.

        Raises:
            ProcessFailed: It ended instead, or was not ready in time.
        """
        give_up_s = time.monotonic() + timeout_s
        while not self.poll_ready():
            if time.monotonic() > give_up_s:
                raise ProcessFailed(f"{self.name} was not ready within {timeout_s:.0f} s: {self.last_words()}")
            time.sleep(LOOK_S)
        return self.ready

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Ask it to end (SIGTERM) and return its exit status.

        Raises:
            ProcessFailed: It did not end in time; it was killed then.
        """
        if self._process is None:
            return 0
        self.ask_to_stop()
        return self.wait_stopped(timeout_s)

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()

    def wait_stopped(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Wait for the end and return the exit status.

        Raises:
            ProcessFailed: It did not end in time; it was killed then.
        """
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ProcessFailed(
                f"{self.name} did not end within {timeout_s:.0f} s after SIGTERM: {self.last_words()}"
            ) from None

    def wait_end(self, timeout_s: float) -> int | None:
        """Wait for it to end by itself, such as at a fault point; return its exit status, or None while it runs."""
        if self._process is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout_s)
        return None

    def kill(self) -> None:
        """Kill it (SIGKILL) as a power cut would, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        """Return the end of what it wrote to stderr."""
        try:
            text = self.stderr_path.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            text = ""
        return text[-LAST_WORDS_CHARS:] or "it said nothing"


class HubProcess(Program):
    """`holdfast-hub serve` on this machine with its administration commands; keeps its ports over restarts."""

    def __init__(
        self,
        data: Path,
        *,
        logs: Path,
        http_port: int | None = None,
        mqtt_port: int | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        """Describe a hub.

        Args:
            data: Its data folder.
            logs: Where its output goes.
            http_port: Port of pages and API; None takes a free one.
            mqtt_port: Port of the broker, likewise.
            extra: More words for `serve`, such as `--backup-dir DIR`.
        """
        self.data = data
        self.http_port = free_port() if http_port is None else http_port
        self.mqtt_port = free_port() if mqtt_port is None else mqtt_port
        where = ("--data", str(data), "--http", f"127.0.0.1:{self.http_port}", "--mqtt", f"127.0.0.1:{self.mqtt_port}")
        super().__init__("hub", ("holdfast-hub", "serve", *where, *extra), logs=logs)

    def start(self) -> Self:
        """Start it and return at once; after a kill as soon as its broker is gone."""
        if not self.is_running:
            wait_free(self.mqtt_port)
        return super().start()

    @property
    def url(self) -> str:
        """Address of pages and API, without a slash at the end."""
        return f"http://127.0.0.1:{self.http_port}"

    def init(self) -> dict[str, Any]:
        """Make the data folder and its administrator; return what `init --json` says."""
        answer: dict[str, Any] = json.loads(run_command("holdfast-hub", "init", "--data", str(self.data), "--json"))
        return answer

    def add_device(self, device: str, out: Path, *, place: str = "") -> None:
        """Register a device and write the connection part of its `agent.toml`."""
        words = ["device", "add", device, "--data", str(self.data), "--out", str(out)]
        run_command("holdfast-hub", *words, *(["--place", place] if place else []))

    def add_devices(self, devices: Sequence[str], folder: Path, *, place: str = "") -> None:
        """Register devices of one place and write the connection part of each as `ID.toml` into the folder."""
        # With one device the option is a file.
        out = folder if len(devices) > 1 else folder / f"{devices[0]}.toml"
        words = ["device", "add", *devices, "--data", str(self.data), "--out", str(out)]
        run_command("holdfast-hub", *words, *(["--place", place] if place else []))

    def token(self, role: str) -> str:
        """Make an API token."""
        answer = run_command("holdfast-hub", "token", "create", "--role", role, "--data", str(self.data))
        return answer.strip().rpartition("\n")[2].strip()


class AgentProcess(Program):
    """`holdfast-agent run` of one device."""

    def __init__(self, device: str, config: Path, *, logs: Path) -> None:
        """Describe a device.

        Args:
            device: Its id, for messages and log files.
            config: Its `agent.toml`.
            logs: Where its output goes.
        """
        super().__init__(device, ("holdfast-agent", "run", "--config", str(config)), logs=logs)
        self.config = config

    def status(self) -> dict[str, Any]:
        """Return what `status --json` says, while it runs or not."""
        answer: dict[str, Any] = json.loads(
            run_command("holdfast-agent", "status", "--config", str(self.config), "--json")
        )
        return answer


def _ready_line(path: Path) -> dict[str, Any]:
    try:
        lines = path.read_text("utf-8", "replace").split("\n")[:-1]
    except FileNotFoundError:
        return {}
    for line in lines:
        with contextlib.suppress(ValueError):
            said = json.loads(line)
            if isinstance(said, dict) and said.get("event") == "ready":
                return said
    return {}
