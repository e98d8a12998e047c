"""The configuration of the embedded broker: who may connect, and on which topics they may speak and hear."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contract.statement import password_of
from contract.topics import down_topic, up_topic
from hub.broker.address import Address
from hub.registry import DisplayUser, EnrolledDevice

MAX_PAYLOAD: Final = "300KB"
"""Nothing of ours is bigger (contract.limits.MAX_WIRE_BYTES); larger is cut off before it reaches the hub."""
MAX_CONNECTIONS: Final = 20_000
"""Twice the largest fleet; a flood of connections ends here, and not at the descriptors of the hub's machine."""
MAX_SUBSCRIPTIONS: Final = 1_000
"""Of one connection. A device needs one, a display one or one for each thing that it shows."""
HUB_USER: Final = "hub"


@dataclass(frozen=True, slots=True)
class BrokerUser:
    """Who may connect, and the exact subjects (a topic with `.` for `/`) of publishing and subscribing; none means none."""

    name: str
    password: str
    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


def device_user(device: EnrolledDevice) -> BrokerUser:
    """A device speaks on its own up topic and hears its own down topic, and nothing else."""
    return BrokerUser(
        device.id, password_of(device.key), (_subject(up_topic(device.id)),), (_subject(down_topic(device.id)),)
    )


def hub_user(password: str) -> BrokerUser:
    """The hub hears all devices and speaks to all."""
    # NATS takes `a/b/#` for two subscriptions.
    return BrokerUser(HUB_USER, password, ("hf1.down.*", "hf1.display.>"), ("hf1.up", "hf1.up.>"))


def screen_user(display: DisplayUser) -> BrokerUser:
    """A display hears what is said to displays, and says nothing."""
    return BrokerUser(display.user, display.password, (), ("hf1.display", "hf1.display.>"))


def _subject(topic: str) -> str:
    return topic.replace("/", ".")


def nats_config(folder: Path, mqtt: Address, users: Iterable[BrokerUser]) -> str:
    """The whole configuration file.

    Passwords stand in it as they are: the file is 0600 in the data folder, which holds the keys they derive from anyway, and
    checking a bcrypt hash at each connection would make a returning fleet of thousands wait for minutes.
    """
    lines = [
        # Its own protocol is not used; on loopback and any port, and no user may do more there than here.
        'listen: "127.0.0.1:-1"',
        'server_name: "holdfast"',
        f"max_payload: {MAX_PAYLOAD}",
        f"log_file: {_quoted(folder / 'nats.log')}",
        "logfile_size_limit: 4MB",
        "logfile_max_num: 2",
        # MQTT needs it to be on. Everything of ours travels at QoS 0 in clean sessions, so next to nothing is stored.
        "jetstream {",
        f"  store_dir: {_quoted(folder / 'store')}",
        "  max_memory_store: 64MB",
        "  max_file_store: 256MB",
        # Sessions are consumers, and 1,000 are allowed by default.
        "  limits { default_max_consumers: -1 }",
        "}",
        f'mqtt {{ listen: "{mqtt.bind}" }}',
        f"max_connections: {MAX_CONNECTIONS}",
        f"max_subscriptions: {MAX_SUBSCRIPTIONS}",
        "authorization {",
        "  timeout: 10",
        "  users = [",
        *(_user(user) for user in users),
        "  ]",
        "}",
        "",
    ]
    return "\n".join(lines)


def _user(user: BrokerUser) -> str:
    # An empty list would allow everything.
    publish = _quoted_list(user.publish) if user.publish else '{ deny: ">" }'
    permissions = f"publish: {publish}, subscribe: {_quoted_list(user.subscribe)}"
    return f"    {{ user: {_quoted(user.name)}, password: {_quoted(user.password)}, permissions: {{ {permissions} }} }}"


def _quoted(text: object) -> str:
    return json.dumps(str(text), ensure_ascii=False)


def _quoted_list(texts: Iterable[str]) -> str:
    return f"[{', '.join(map(_quoted, texts))}]"
