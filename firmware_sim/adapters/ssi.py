"""Packets of Zebra's Simple Serial Interface (SSI).

``length opcode source status data... checksum``: the length counts itself up to the data, the checksum is
the two's complement of the sum of those bytes, big-endian in two bytes.

References:
    Zebra, Simple Serial Interface Programmer's Guide (72E-40451), chapters "SSI Commands" and "SSI
    Transactions".
"""

from dataclasses import dataclass
from enum import IntEnum

HEADER_BYTES = 4
CHECKSUM_BYTES = 2
# The length is one byte and counts the header too.
MAX_DATA_BYTES = 255 - HEADER_BYTES
# Silence after which a started packet is given up: resynchronising inside one would take data for a length.
GAP_MS = 200

DECODER, HOST = 0x00, 0x04
# Bits of the status byte.
RETRANSMIT, CONTINUES = 0x01, 0x02


class Opcode(IntEnum):
    """The commands simulated here."""

    REQUEST_REVISION = 0xA3
    REPLY_REVISION = 0xA4
    ACK = 0xD0
    NAK = 0xD1
    FLUSH_QUEUE = 0xD2
    BEEP = 0xE6
    LED_ON = 0xE7
    LED_OFF = 0xE8
    SCAN_ENABLE = 0xE9
    SCAN_DISABLE = 0xEA
    DECODE_DATA = 0xF3


class NakCause(IntEnum):
    """Why a packet was not accepted."""

    RESEND = 0x01
    BAD_CONTEXT = 0x02
    DENIED = 0x06


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet."""

    opcode: int
    source: int
    status: int = 0
    data: bytes = b""

    def encode(self) -> bytes:
        """Return the packet's bytes.

        Raises:
            ValueError: The data does not fit.
        """
        if len(self.data) > MAX_DATA_BYTES:
            raise ValueError(f"{len(self.data)} data bytes: an SSI packet holds at most {MAX_DATA_BYTES}")
        body = bytes([HEADER_BYTES + len(self.data), self.opcode, self.source, self.status]) + self.data
        return body + checksum(body)


@dataclass(frozen=True, slots=True)
class BadChecksum:
    """Bytes of a packet's length whose checksum is wrong."""

    raw: bytes


def checksum(body: bytes) -> bytes:
    """Return the two checksum bytes of a packet's other bytes."""
    return (-sum(body) & 0xFFFF).to_bytes(CHECKSUM_BYTES, "big")


class PacketReader:
    """Finds packets in bytes that come in any pieces."""

    def __init__(self) -> None:
        self._buffer = b""
        self._last_ms = 0

    def feed(self, data: bytes, now_ms: int) -> list[Packet | BadChecksum]:
        """Take bytes and return the packets they complete."""
        if now_ms - self._last_ms > GAP_MS:
            self._buffer = b""
        self._last_ms = now_ms
        # A host may send zeros to wake a scanner up.
        self._buffer = self._buffer + data if self._buffer else data.lstrip(b"\0")
        found: list[Packet | BadChecksum] = []
        while self._buffer:
            length = self._buffer[0]
            end = length + CHECKSUM_BYTES
            if len(self._buffer) < end:
                break
            raw, self._buffer = self._buffer[:end], self._buffer[end:].lstrip(b"\0")
            if length < HEADER_BYTES or checksum(raw[:length]) != raw[length:]:
                found.append(BadChecksum(raw))
                self._buffer = b""
            else:
                found.append(Packet(raw[1], raw[2], raw[3], raw[HEADER_BYTES:length]))
        return found
