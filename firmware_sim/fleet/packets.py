"""The few MQTT packets that a device needs: QoS 0, clean session, nothing retained, no will. Bytes in, packets out.

References:
    MQTT 3.1.1 (OASIS), section 2.2 (fixed header), 3.1 to 3.14 (packets).
"""

from dataclasses import dataclass
from typing import Final

from contract.limits import KIB, MAX_WIRE_BYTES
from firmware_sim.errors import SimulatorError

RETAIN: Final = 0x01
QOS: Final = 0x06
FAILURE: Final = 0x80
"""The return code of a refused subscription (3.9.3)."""
REFUSED_CREDENTIALS: Final = (4, 5)
"""CONNACK: bad user name or password, not authorised (3.2.2.3)."""
MAX_PACKET_BYTES: Final = MAX_WIRE_BYTES + KIB
"""The largest payload with its topic."""
LOW_BITS: Final = 0x7F
MORE: Final = 0x80
MAX_LENGTH_BYTES: Final = 4
"""The remaining length of a packet: seven bits a byte (2.2.3)."""

PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"


class MalformedPacket(SimulatorError):
    """The broker sent what is no packet, or none that a device asked for; the stream cannot be read on."""


@dataclass(frozen=True, slots=True)
class Connack:
    """The broker's answer to a connection; 0 is yes."""

    code: int


@dataclass(frozen=True, slots=True)
class Suback:
    """The broker's answer to the subscription."""

    refused: bool


@dataclass(frozen=True, slots=True)
class Publish:
    """A message for this device."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Pingresp:
    """The broker is there."""


Packet = Connack | Suback | Publish | Pingresp


def connect(client_id: str, user: str, password: str, keepalive_s: int) -> bytes:
    """The first packet of a connection."""
    # User name, password and clean session; protocol level 4 is 3.1.1.
    head = _text("MQTT") + bytes([4, 0xC2]) + keepalive_s.to_bytes(2, "big")
    return _packet(0x10, head + _text(client_id) + _text(user) + _text(password))


def subscribe(topic: str) -> bytes:
    """Ask for everything on a topic."""
    return _packet(0x82, b"\x00\x01" + _text(topic) + b"\x00")


def publish(topic: str, payload: bytes) -> bytes:
    """A message of this device."""
    return _packet(0x30, _text(topic) + payload)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(kind: int, body: bytes) -> bytes:
    length, rest = bytearray(), len(body)
    while rest > LOW_BITS:
        length.append(rest & LOW_BITS | MORE)
        rest >>= 7
    length.append(rest)
    return bytes([kind]) + bytes(length) + body


class PacketReader:
    """Cuts a stream of bytes into packets; holds at most one unfinished packet."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """Take bytes in pieces of any size and return the packets they complete.

        Raises:
            MalformedPacket: What came cannot be read.
        """
        self._held += data
        packets = []
        while (head := self._head()) is not None:
            start, end = head
            if len(self._held) < end:
                break
            packets.append(_read(self._held[0], bytes(self._held[start:end])))
            del self._held[:end]
        return packets

    def _head(self) -> tuple[int, int] | None:
        """Where the body of the next packet begins and ends; None while its length has not come whole."""
        length = 0
        for i, byte in enumerate(self._held[1 : 1 + MAX_LENGTH_BYTES]):
            length |= (byte & LOW_BITS) << 7 * i
            if not byte & MORE:
                if length > MAX_PACKET_BYTES:
                    raise MalformedPacket(f"packet of {length} bytes announced; at most {MAX_PACKET_BYTES} are read")
                return 2 + i, 2 + i + length
        if len(self._held) > MAX_LENGTH_BYTES:
            raise MalformedPacket("the length of a packet does not end")
        return None


def _read(kind: int, body: bytes) -> Packet:
    match kind & 0xF0, len(body):
        case (0x20, 2):
            return Connack(body[1])
        case (0x90, 3):
            return Suback(refused=body[2] >= FAILURE)
        case (0xD0, 0):
            return Pingresp()
        case (0x30, size) if not kind & QOS and (start := 2 + int.from_bytes(body[:2], "big")) <= size:
            return Publish(body[2:start].decode("utf-8", "replace"), body[start:], bool(kind & RETAIN))
    raise MalformedPacket(f"a packet of kind 0x{kind:02x} with {len(body)} bytes is none that a device asks for")
