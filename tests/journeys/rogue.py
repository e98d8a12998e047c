"""An enrolled device whose program says what a test wants."""

import os
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from contract.event import Lane, Scan, Step
from contract.fact import Clock, Fact, encode_core, fact_id, next_hash, root_hash
from contract.limits import MAX_WIRE_BYTES
from contract.messages import MARK_HASH_BYTES, Batch, encode_message
from contract.statement import DEFLATED, Direction, _mac, seal
from contract.topics import up_topic
from hub.broker.address import Address
from tests.hub.broker.visitor import Visitor
from tests.journeys.visitors import publish
from tests.journeys.world import Site, credential_of, key_of


class Rogue:
    """An enrolled device whose program says what the test wants."""

    def __init__(self, site: Site, name: str) -> None:
        self.site, self.name = site, name
        config = site.add_device(name).config
        self.key = key_of(config)
        self.who = credential_of(config)
        self.incarnation = os.urandom(16)
        self._ord = 0

    def say(self, payload: bytes) -> None:
        """Publish these bytes as they are."""
        assert publish(self.site.mqtt_port, self.who, up_topic(self.name), payload)

    @contextmanager
    def connected(self) -> Iterator[Callable[[bytes], None]]:
        """Publish on one connection, which takes thousands; what is given to it returns when it was written."""
        with Visitor(Address("127.0.0.1", self.site.mqtt_port), self.who.user, self.who.password) as visitor:
            assert visitor.connected.get(timeout=60)
            topic = up_topic(self.name)
            yield lambda payload: visitor.client.publish(topic, payload).wait_for_publish(60)

    def core(self, code: str, key: str = "", **changes: Any) -> bytes:
        """A fact; `changes` make it a strange one."""
        self._ord += 1
        event = Scan(code.encode(), "", "plain", key or code, Step.LOADED, "dock", "line")
        fields: dict[str, Any] = {
            "version": 1,
            "device": self.name,
            "incarnation": self.incarnation,
            "boot": os.urandom(16),
            "ord": self._ord,
            "salt": os.urandom(8),
            "at_ms": time.time_ns() // 1_000_000,
            "mono_ms": 1,
            "clock": Clock.SYNCED,
            "actor": "",
            "event": event,
        }
        return encode_core(Fact(**(fields | changes)))

    def marks(self, cores: Sequence[bytes]) -> list[bytes]:
        """The chain of its custody lane, from its root to behind the last of these cores."""
        marks = [root_hash(self.name, self.incarnation, Lane.CUSTODY)]
        for n, core in enumerate(cores, 1):
            marks.append(next_hash(marks[-1], n, fact_id(core)))
        return marks

    def batch(self, items: Sequence[bytes], after: Sequence[bytes] = ()) -> bytes:
        """A batch of its custody lane, behind the cores `after`."""
        return self.batch_behind(len(after), self.marks(after)[-1], items)

    def batch_behind(self, n: int, mark: bytes, items: Sequence[bytes]) -> bytes:
        """A batch behind position `n`, where the chain has this mark."""
        return encode_message(Batch(self.incarnation, Lane.CUSTODY, n + 1, mark[:MARK_HASH_BYTES], tuple(items)))

    def sealed(self, body: bytes) -> bytes:
        """A genuine statement."""
        return seal(self.key, Direction.UP, self.name, body)

    def bomb(self, size: int) -> bytes:
        """A genuine statement that inflates to `size` zeros."""
        deflater = zlib.compressobj(level=9, wbits=-15)
        body = deflater.compress(bytes(size)) + deflater.flush()
        assert len(body) < MAX_WIRE_BYTES - 17
        return bytes([DEFLATED]) + _mac(self.key, Direction.UP, self.name, DEFLATED, body) + body
