"""A wire that loses, doubles, shuffles, holds back or plays back whole MQTT messages between devices and their broker.

Everything travels at QoS 0, so that a PUBLISH packet can be left out or repeated without breaking the connection.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from contract.errors import ContractError
from contract.messages import Down, Up, decode_down, decode_up
from contract.statement import Direction, unseal
from contract.topics import down_topic, up_topic
from firmware_sim.relay import Count, Relay

PUBLISH = 3
"""Control packet type, MQTT 3.1.1 section 2.2.1."""


@dataclass(frozen=True, slots=True)
class Message:
    """One PUBLISH packet, byte for byte."""

    packet: bytes
    topic: str
    payload: bytes

    @property
    def is_up(self) -> bool:
        """From a device to the hub."""
        return self.topic.startswith("hf1/up/")


Rule = Callable[[Message], Sequence[Message]]
"""What goes on in a message's place, on the same connection."""


def let_through(message: Message) -> Sequence[Message]:
    """A good wire."""
    return (message,)


class Bridge(Relay):
    """A relay that hands every message to its `rule`, which may be set at any time; all other packets pass untouched."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.rule: Rule = let_through

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Count) -> None:
        while packet := await _packet(reader):
            count(len(packet))
            message = _message(packet)
            writer.writelines([packet] if message is None else [m.packet for m in self.rule(message)])
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


async def _packet(reader: asyncio.StreamReader) -> bytes:
    """One control packet (MQTT 3.1.1 section 2.2); empty at the end."""
    try:
        head = await reader.readexactly(1)
        size = shift = 0
        more = True
        while more:
            head += await reader.readexactly(1)
            size |= (head[-1] & 0x7F) << shift
            shift, more = shift + 7, head[-1] >= 0x80
        return head + await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return b""


def _message(packet: bytes) -> Message | None:
    if packet[0] >> 4 != PUBLISH:
        return None
    at = 2
    while packet[at - 1] >= 0x80:
        at += 1
    end = at + 2 + int.from_bytes(packet[at : at + 2], "big")
    return Message(packet, packet[at + 2 : end].decode(), packet[end:])


# -- rules -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Opener:
    """Reads the messages of one device with its key, as neither the network nor the broker could."""

    device: str
    key: bytes

    def opened(self, message: Message) -> Up | Down | None:
        """What it says; None for another device's message."""
        try:
            if message.topic == up_topic(self.device):
                return decode_up(unseal(self.key, Direction.UP, self.device, message.payload))
            if message.topic == down_topic(self.device):
                return decode_down(unseal(self.key, Direction.DOWN, self.device, message.payload))
        except ContractError as error:
            raise AssertionError(f"what passes is authentic: {error}") from error
        return None


@dataclass(slots=True)
class Swallow:
    """Loses the messages that a test chooses, and keeps them to be played back."""

    chosen: Callable[[Message], bool]
    swallowed: list[Message] = field(default_factory=list)

    def __call__(self, message: Message) -> Sequence[Message]:
        """Nothing in place of a chosen one."""
        if self.chosen(message):
            self.swallowed.append(message)
            return ()
        return (message,)


@dataclass(slots=True)
class PlayBack:
    """Says old messages again, `times` each, with the first one that goes the same way."""

    old: list[Message]
    times: int = 1

    def __call__(self, message: Message) -> Sequence[Message]:
        """The old ones before the new one."""
        again = [m for m in self.old if m.topic == message.topic]
        self.old = [m for m in self.old if m.topic != message.topic]
        return (*again * self.times, message)


@dataclass(slots=True)
class Repeat:
    """Delivers everything so many times."""

    times: int

    def __call__(self, message: Message) -> Sequence[Message]:
        """One after the other."""
        return (message,) * self.times


class Shuffle:
    """Of the messages that a test chooses loses some, and delivers others late, out of their order, or again."""

    def __init__(self, seed: int, chosen: Callable[[Message], bool], *, memory: int = 12) -> None:
        self._random = random.Random(seed)
        self._chosen = chosen
        self._memory = memory
        self._past: dict[str, deque[Message]] = {}
        self.out_of_order = 0
        """Messages that came behind a later one."""

    def __call__(self, message: Message) -> Sequence[Message]:
        """Some of the last ones."""
        if not self._chosen(message):
            return (message,)
        past = self._past.setdefault(message.topic, deque(maxlen=self._memory))
        past.append(message)
        drawn = [self._random.choice(past) for _ in range(self._random.choice((0, 1, 2, 2, 3)))]
        self.out_of_order += sum(one is not message for one in drawn)
        return drawn
