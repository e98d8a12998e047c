"""The wire to the hub: one MQTT 3.1.1 connection at QoS 0, clean session, nothing retained, no will.

It promises nothing: what is published may be lost, doubled or late. Delivery is the business of `contract.delivery`. All of it
runs in the thread that calls it, except `wake`, which any thread may call.
"""

import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from contract.limits import MAX_WIRE_BYTES
from contract.topics import down_topic, up_topic

if TYPE_CHECKING:
    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

KEEPALIVE_S: Final = 30
CONNECT_TIMEOUT_S: Final = 5.0
"""TCP, TLS and the broker's answer, each. A stop of the agent waits for no longer than this."""
READ_PACKETS: Final = 64
"""Read in one turn before it is looked at; a flood cannot keep the thread from sending."""


@dataclass(frozen=True, slots=True)
class Opened:
    """The broker took the connection and the subscription."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is gone, or could not be made. `credentials` says that trying again soon is of no use."""

    why: str
    credentials: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message came on this device's down topic."""

    payload: bytes
    retained: bool


Incoming = Opened | Closed | Arrived


class Wire(Protocol):
    """A connection as the uplink sees it; an in-memory one in tests."""

    def open(self) -> None:
        """Begin to connect; `Opened` or `Closed` follows from `poll`."""

    def publish(self, payload: bytes) -> None:
        """Send on the up topic. Silently does nothing where no connection is."""

    def poll(self, timeout_s: float) -> list[Incoming]:
        """What came, after waiting at most `timeout_s` or until `wake`."""

    def wake(self) -> None:
        """End the present or next `poll` at once; from any thread."""

    def close(self) -> None:
        """Drop the connection at once; the next `poll` is quiet."""

    def release(self) -> None:
        """Close for good."""


class MqttWire:
    """The wire over paho-mqtt, which is loaded at the first connection."""

    def __init__(self, host: str, port: int, *, device: str, password: str, client_id: str, tls: "Tls | None") -> None:
        self._host = host
        self._port = port
        self._device = device
        self._password = password
        self._client_id = client_id
        self._tls = tls
        self._client: Client | None = None
        self._arrivals: list[Incoming] = []
        self._opened = False
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)

    def open(self) -> None:
        """Connect: name, TCP, TLS; the broker's answer is awaited by `poll`."""
        self.close()
        try:
            client = self._new_client()
            client.connect(self._host, self._port, keepalive=KEEPALIVE_S)
        except ssl.SSLError as error:
            self._arrivals.append(Closed(f"TLS: {getattr(error, 'verify_message', '') or error.reason or error}"))
        except OSError as error:
            self._arrivals.append(Closed(f"{error.strerror or error}"))
        except (ValueError, UnicodeError) as error:
            # What a name lookup says to a host name that cannot be one.
            self._arrivals.append(Closed(f"host {self._host!r}: {error}"))
        else:
            self._client = client

    def publish(self, payload: bytes) -> None:
        """Send on this device's up topic."""
        if self._client is not None and self._opened:
            self._client.publish(up_topic(self._device), payload, qos=0, retain=False)

    def poll(self, timeout_s: float) -> list[Incoming]:
        """Wait for the network, for `wake` or for the time to pass; then move bytes both ways."""
        sock = self._client.socket() if self._client is not None else None
        if self._arrivals or self._has_read_ahead(sock):
            timeout_s = 0
        readers = [self._woken, *([sock] if sock is not None else [])]
        writers = [sock] if sock is not None and self._client is not None and self._client.want_write() else []
        readable, writable, _ = select.select(readers, writers, [], max(timeout_s, 0))
        if self._woken in readable:
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
        if self._client is not None:
            self._move(self._client, readable=sock in readable or self._has_read_ahead(sock), writable=bool(writable))
        arrivals, self._arrivals = self._arrivals, []
        return arrivals

    def _move(self, client: "Client", *, readable: bool, writable: bool) -> None:
        if writable:
            client.loop_write()
        if readable:
            for _ in range(READ_PACKETS):
                before = len(self._arrivals)
                client.loop_read()
                sock = client.socket()
                if sock is None or (len(self._arrivals) == before and not self._has_read_ahead(sock)):
                    break
        client.loop_misc()

    @staticmethod
    def _has_read_ahead(sock: object) -> bool:
        """Whether TLS holds decrypted bytes, which `select` does not see."""
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def wake(self) -> None:
        """End a wait in `poll`."""
        with contextlib.suppress(OSError):
            # A full pipe will wake the reader anyway; a closed one has none.
            self._waker.send(b"\0")

    def close(self) -> None:
        """Drop the connection; what was not read is forgotten."""
        client, self._client = self._client, None
        self._opened = False
        self._arrivals.clear()
        if client is not None:
            client.on_disconnect = None
            client.disconnect()
            # What a jammed line did not take of the farewell is not waited for.
            if (sock := client.socket()) is not None:
                sock.close()

    def release(self) -> None:
        """Close for good."""
        self.close()
        self._waker.close()
        self._woken.close()

    def _new_client(self) -> "Client":
        # Costs a tenth of a second on a small device: only where there is a hub to speak to.
        from paho.mqtt.client import Client, MQTTv311  # noqa: PLC0415 not for commands that only look
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415 not for commands that only look

        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=True,
            protocol=MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.username_pw_set(self._device, self._password)
        if self._tls is not None:
            client.tls_set_context(self._tls())
        client.on_socket_open = _without_delay
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _on_connect(
        self, client: "Client", _data: object, _flags: "ConnectFlags", reason: "ReasonCode", _more: "Properties | None"
    ) -> None:
        if reason.is_failure:
            refused = reason.getName() in CREDENTIAL_REFUSALS
            self._arrivals.append(Closed(f"the broker refused: {reason.getName()}", credentials=refused))
            return
        client.subscribe(down_topic(self._device), qos=0)

    def _on_subscribe(
        self, _client: "Client", _data: object, _mid: int, reasons: "list[ReasonCode]", _more: "Properties | None"
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._arrivals.append(Closed("the broker refused the subscription", credentials=True))
            return
        self._opened = True
        self._arrivals.append(Opened())

    def _on_message(self, _client: "Client", _data: object, message: "MQTTMessage") -> None:
        # Larger than the contract allows is not even held.
        if len(message.payload) <= MAX_WIRE_BYTES:
            self._arrivals.append(Arrived(bytes(message.payload), message.retain))

    def _on_disconnect(
        self,
        _client: "Client",
        _data: object,
        _flags: "DisconnectFlags",
        reason: "ReasonCode",
        _more: "Properties | None",
    ) -> None:
        self._opened = False
        if not any(isinstance(arrival, Closed) for arrival in self._arrivals):
            self._arrivals.append(Closed(f"connection lost: {reason.getName()}"))


Tls = Callable[[], ssl.SSLContext]
"""Makes the trust for one connection: read anew each time, so that renewed certificates are used."""

CREDENTIAL_REFUSALS: Final = frozenset({"Bad user name or password", "Not authorized", "Banned"})
"""paho's names of MQTT 3.1.1 return codes 4 and 5 (section 3.2.2.3)."""


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """What a broker's certificate is checked against.

    Raises:
        OSError: the file cannot be read or holds no certificate.
    """
    return ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)


def _without_delay(_client: object, _data: object, sock: object) -> None:
    # With Nagle's algorithm one message in flight makes 40 round trips a second, without it over 390.
    if isinstance(sock, socket.socket):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
