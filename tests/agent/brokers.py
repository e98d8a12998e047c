"""A real broker for tests (Debian's Mosquitto) and a hub behind it that keeps its ledger in memory."""

import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from contract.messages import Live, decode_up, encode_message
from contract.statement import Direction, password_of, seal, unseal
from contract.topics import UP_FILTER, device_of_up_topic, down_topic
from firmware_sim.processes import free_port
from tests.contract.delivery.memory import KEY, MemoryLedger

MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
HUB_PASSWORD = "hub-password"


class Broker:
    """Mosquitto on a port of its own; `kill` and `start` again as often as wanted."""

    def __init__(self, folder: Path, device: str = "van-1", more: str = "") -> None:
        self.port = free_port()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        for user, password in ((device, password_of(KEY)), ("hub", HUB_PASSWORD)):
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, password], check=True, capture_output=True)
        (folder / "mosquitto.conf").write_text(
            f"listener {self.port} 127.0.0.1\n{more}\nallow_anonymous false\npassword_file {passwords}\n"
            "set_tcp_nodelay true\nuser root\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")], stdout=log, stderr=log
            )
        until_s = time.monotonic() + 10
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError((self._folder / "log").read_text())

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class LedgerHub:
    """Answers devices from a ledger in memory."""

    def __init__(self, port: int) -> None:
        self.ledger = MemoryLedger()
        self.live = 0
        self.lock = threading.Lock()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="hub", reconnect_on_failure=True)
        self._client.username_pw_set("hub", HUB_PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(UP_FILTER)
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        device = device_of_up_topic(message.topic)
        with self.lock:
            if isinstance(decode_up(unseal(KEY, Direction.UP, device, message.payload)), Live):
                self.live += 1
                return
            replies = self.ledger.take(device, message.payload, now_ms=time.time_ns() // 1_000_000)
        for reply in replies:
            client.publish(down_topic(device), reply)

    def say(self, device: str, message: object, *, retain: bool = False) -> None:
        payload = seal(KEY, Direction.DOWN, device, encode_message(message))  # type: ignore[arg-type]  # any down message
        self._client.publish(down_topic(device), payload, retain=retain)

    def wait_taken(self) -> None:
        """Until the broker has everything that was said so far."""
        self._client.publish("nobody/listens", qos=1).wait_for_publish(10)

    def count(self) -> int:
        with self.lock:
            return len(self.ledger.arrived)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def hub_behind_broker(folder: Path) -> Iterator[tuple[Broker, LedgerHub]]:
    broker = Broker(folder)
    try:
        hub = LedgerHub(broker.port)
        try:
            yield broker, hub
        finally:
            hub.close()
    finally:
        broker.kill()
