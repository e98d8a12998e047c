"""A plain MQTT client, as a device or a stranger would have."""

import os
import queue
import threading
from typing import Any, Self

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from hub.broker.address import Address


class Visitor:
    """A plain MQTT client that notes what happens to it."""

    def __init__(self, address: Address, user: str, password: str, client_id: str = "") -> None:
        self.connected: queue.Queue[bool] = queue.Queue()
        self.subscribed: queue.Queue[bool] = queue.Queue()
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.gone = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id or f"{user}-{os.urandom(4).hex()}")
        self.client.username_pw_set(user, password)
        self.client.on_connect = self._on_connect
        self.client.on_subscribe = self._on_subscribe
        self.client.on_message = self._on_message
        self.client.on_disconnect = lambda *_: self.gone.set()
        self.client.connect(address.host, address.port)
        self.client.loop_start()

    def _on_connect(self, _c: Client, _d: object, _f: object, reason: Any, _p: object) -> None:
        self.connected.put(not reason.is_failure)

    def _on_subscribe(self, _c: Client, _d: object, _m: int, reasons: Any, _p: object) -> None:
        self.subscribed.put(not any(r.is_failure for r in reasons))

    def _on_message(self, _c: Client, _d: object, message: MQTTMessage) -> None:
        self.heard.put((message.topic, bytes(message.payload)))

    def may_subscribe(self, topic: str) -> bool:
        self.client.subscribe(topic)
        return self.subscribed.get(timeout=60)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
