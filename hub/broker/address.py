"""Network addresses as people write them: `HOST:PORT`, `[::1]:PORT`, `mqtt://HOST:PORT`."""

import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from hub.errors import Refused

MQTT_PORT: Final = 1883
MQTTS_PORT: Final = 8883


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect."""

    host: str
    port: int
    tls: bool = False

    @property
    def bind(self) -> str:
        """`HOST:PORT`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def reach(self) -> "Address":
        """Where this machine reaches what listens here: an address that means "all" by loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound
        return Address(host, self.port, self.tls)

    def url(self, scheme: str) -> str:
        """As a URL that reaches it."""
        return f"{scheme}://{self.reach.bind}"


def parse_bind(text: str) -> Address:
    """`HOST:PORT`; port 0 lets the kernel choose.

    Raises:
        Refused: it is not of that form.
    """
    try:
        url = urlsplit(f"//{text}")
        if url.hostname and url.port is not None and not (url.path or url.query or url.username):
            return Address(url.hostname, url.port)
    except ValueError:
        pass
    raise Refused(f"address {text!r}: expected HOST:PORT, such as 127.0.0.1:1883")


def parse_broker(text: str) -> Address:
    """`mqtt://HOST[:PORT]` or `mqtts://HOST[:PORT]`.

    Raises:
        Refused: it is not of that form.
    """
    try:
        url = urlsplit(text)
        if url.scheme in {"mqtt", "mqtts"} and url.hostname and not (url.path.strip("/") or url.username):
            tls = url.scheme == "mqtts"
            return Address(url.hostname, url.port or (MQTTS_PORT if tls else MQTT_PORT), tls)
    except ValueError:
        pass
    raise Refused(f"broker {text!r}: expected `embedded`, mqtt://HOST:PORT or mqtts://HOST:PORT")


def with_free_port(address: Address) -> Address:
    """The same with port 0 replaced by one that is free now.

    Raises:
        Refused: the address is taken, or not of this machine.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As the broker will: connections of an earlier process that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address.host, address.port))
        except OSError as error:
            raise Refused(f"cannot listen on {address.bind}: {error.strerror}") from error
        return Address(address.host, probe.getsockname()[1], address.tls)
