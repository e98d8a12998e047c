"""Debian's Mosquitto beside the embedded broker: set up by `holdfast-hub broker-config` alone, and killed as easily."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from firmware_sim.processes import Program, free_port, run_command

EMBEDDED, MOSQUITTO = "embedded", "mosquitto"
BROKERS = (EMBEDDED, MOSQUITTO)

# Debian puts it where only root's PATH leads.
PATHS = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
SERVICE_USER = "mosquitto"
LOOK_S = 0.02
LET_IN_TIMEOUT_S = 60.0


class MosquittoProcess(Program):
    """A Mosquitto for one hub. Its configuration is what the command writes, to the letter."""

    def __init__(self, hub_data: Path, *, logs: Path) -> None:
        """Describe a broker for the hub with this data folder; `configure` before the first start."""
        self.port = free_port()
        # The user that it becomes must get there, and pytest's folders are closed to others.
        self.folder = Path(tempfile.mkdtemp(prefix="hf-broker-", dir="/tmp"))
        self.folder.chmod(0o755)
        self._hub_data = hub_data
        program = shutil.which("mosquitto", path=PATHS)
        assert program is not None, "Mosquitto is not installed: run `make setup`"
        command = (*_as_service(), program, "-c", str(self.folder / "mosquitto.conf"))
        super().__init__("mosquitto", command, logs=logs)

    @property
    def url(self) -> str:
        """Where devices and the hub reach it."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def hub_words(self) -> tuple[str, ...]:
        """What `serve` needs to use it."""
        return ("--broker", self.url, "--broker-credential", str(self.folder / "hub.toml"))

    def configure(self, hub_data: Path | None = None) -> None:
        """Write its files for the devices that a hub has now, or for the hub alone."""
        words = ("--out", str(self.folder), "--listen", f"127.0.0.1:{self.port}")
        data = () if hub_data is None else ("--data", str(hub_data))
        run_command("holdfast-hub", "broker-config", "mosquitto", *words, *data)

    def let_in(self, user: str, password: str, topic: str) -> None:
        """Make a device known that was just enrolled, and wait until it could connect."""
        self.configure(self._hub_data)
        assert self.pid is not None
        os.kill(self.pid, signal.SIGHUP)
        # Leaves as soon as the broker has answered its subscription.
        visit = [
            "mosquitto_sub",
            "-E",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-u",
            user,
            "-P",
            password,
            "-t",
            topic,
        ]
        give_up_s = time.monotonic() + LET_IN_TIMEOUT_S
        while subprocess.run(visit, check=False, capture_output=True, timeout=LET_IN_TIMEOUT_S).returncode:
            assert time.monotonic() < give_up_s, f"{user} is not let in: {self.last_words()}"
            time.sleep(LOOK_S)

    def poll_ready(self) -> bool:
        """Whether it takes connections; it prints no line that says so."""
        assert self.is_running, f"mosquitto ended with {self.exit_status}: {self.last_words()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=LET_IN_TIMEOUT_S).close()
        except OSError:
            return False
        self.ready = {"event": "ready"}
        return True

    def remove(self) -> None:
        """End it and take its folder away."""
        self.kill()
        shutil.rmtree(self.folder)


def _as_service() -> tuple[str, ...]:
    """How root starts it as its own user at once: whoever changes user later would outlive the test."""
    try:
        pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return ()
    if os.geteuid() != 0:
        return ()
    return ("setpriv", f"--reuid={SERVICE_USER}", f"--regid={SERVICE_USER}", "--init-groups", "--pdeathsig=KILL")
