"""The hub's own connection to the broker: everything at QoS 0, clean session, nothing retained."""

import secrets
import socket
import ssl
import threading
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from contract.topics import UP_FILTER, down_topic
from hub.broker.address import Address
from hub.errors import Refused
from hub.intake import Incoming

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

KEEPALIVE_S: Final = 30
RETRY_S: Final = (0.1, 5.0)
"""The first wait for a broker that is away, and the longest after doublings."""
RETRY_CHILD_S: Final = (0.02, 0.02)
"""The same for a broker that the hub itself starts. A hello that a device says before the hub hears costs it five seconds."""


@dataclass(frozen=True, slots=True)
class Credential:
    """User and password at the broker; never printed."""

    user: str
    password: str
    ca_file: Path | None = None
    """Whom to trust for `mqtts`; without it the system's authorities."""

    def __repr__(self) -> str:
        return f"Credential({self.user!r})"


def read_credential(path: Path) -> Credential:
    """Read a credential file: TOML with `user`, `password` and perhaps `ca_file`.

    Raises:
        Refused: it cannot be read or lacks one of them.
    """
    try:
        table = tomllib.loads(path.read_text())
        ca_file = table.get("ca_file")
        return Credential(str(table["user"]), str(table["password"]), path.parent / ca_file if ca_file else None)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise Refused(f"{path} is no broker credential: {error}; expected TOML with `user` and `password`") from error


class BrokerLink:
    """Hands in every message of the devices, and publishes answers. Reconnects by itself.

    Args:
        address: the broker's.
        credential: the hub's own.
        retry_s: how long to wait before the second try to connect, and at most.
    """

    def __init__(self, address: Address, credential: Credential, retry_s: tuple[float, float] = RETRY_S) -> None:
        self._address = address
        self.refusal: str | None = None
        """Why the broker does not let the hub in; None while it does, or cannot be reached."""
        self.connects = 0
        """How often it came up. A broker that was started again has forgotten what it retained."""
        self._hear: Callable[[Incoming], None] | None = None
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=f"hub-{secrets.token_hex(8)}", clean_session=True)
        self._client.username_pw_set(credential.user, credential.password)
        if address.tls:
            cafile = str(credential.ca_file) if credential.ca_file else None
            self._client.tls_set_context(ssl.create_default_context(cafile=cafile))
        self._client.reconnect_delay_set(*retry_s)  # type: ignore[arg-type]  # typed as whole seconds, and only added up
        self._client.on_socket_open = _no_delay
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self, hear: Callable[[Incoming], None]) -> None:
        """Connect, in a thread of its own, until `stop`; `hear` is called there and must not wait."""
        self._hear = hear
        self._client.connect_async(self._address.host, self._address.port, KEEPALIVE_S)
        self._client.loop_start()

    def wait_until_up(self, timeout_s: float) -> bool:
        """Whether messages arrive within that time."""
        return self._subscribed.wait(timeout_s)

    @property
    def up(self) -> bool:
        """Whether messages arrive."""
        return self._subscribed.is_set()

    def publish(self, device: str, payload: bytes) -> None:
        """Send to a device; without a connection it is lost, and the device will ask again."""
        self._client.publish(down_topic(device), payload, qos=0, retain=False)

    def show(self, topic: str, payload: bytes) -> None:
        """Say something to displays, those that come later included; nothing (`b""`) takes back what was said there.

        Without a connection it is lost; whoever shows says everything anew when `connects` grew.
        """
        self._client.publish(topic, payload, qos=0, retain=True)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()
        # Left open where the end came in the middle of a try.
        if (sock := self._client.socket()) is not None:
            sock.close()

    def _on_connect(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            self._refuse(str(reason))
            return
        self._client.subscribe(UP_FILTER, qos=0)

    def _on_subscribe(self, _client: Client, _data: object, _mid: int, reasons: Any, _properties: object) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refuse(f"no subscription to {UP_FILTER}")
            return
        self.refusal = None
        self.connects += 1
        self._subscribed.set()

    def _refuse(self, why: str) -> None:
        # Said once: who stands at the port of a broker that died refuses each of fifty tries a second.
        if why != self.refusal:
            log.error("the broker refuses the hub", why=why)
        self.refusal = why

    def _on_disconnect(self, _client: Client, _data: object, _flags: object, reason: Any, _properties: object) -> None:
        if self._subscribed.is_set():
            log.warning("connection to the broker lost", why=str(reason))
        self._subscribed.clear()

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if self._hear is not None:
            self._hear(Incoming(message.topic, bytes(message.payload), message.retain))


def _no_delay(_client: Client, _data: object, sock: Any) -> None:
    # paho leaves Nagle on, which makes one message in flight 13 times slower.
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
