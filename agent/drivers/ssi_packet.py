"""Packets of Zebra's Simple Serial Interface.

Source: Zebra, Simple Serial Interface Programmer's Guide (72E-40451), chapters on packet format and opcodes.
A packet is: length, opcode, source, status, data..., checksum (2 bytes, big-endian). The length counts itself up to the
last data byte; the checksum is the two's complement of the sum of those bytes.
"""

from enum import IntEnum

from msgspec import Struct

HEADER_BYTES = 4
CHECKSUM_BYTES = 2

DECODER = 0
HOST = 4

RETRANSMIT = 0x01
CONTINUES = 0x02


class Opcode(IntEnum):
    """The opcodes that matter here."""

    ACK = 0xD0
    NAK = 0xD1
    BEEP = 0xE6
    DECODE_DATA = 0xF3
    EVENT = 0xF6


class NakCause(IntEnum):
    """Why the host did not take a packet."""

    RESEND = 1
    DENIED = 6


class Beep(IntEnum):
    """Beeper patterns."""

    ONE_SHORT_HIGH = 0x00
    TWO_SHORT_HIGH = 0x01
    THREE_LONG_LOW = 0x11
    HIGH_LOW = 0x16


class Packet(Struct, frozen=True):
    """A packet whose checksum was right."""

    opcode: int
    source: int
    status: int
    data: bytes


def checksum(body: bytes) -> int:
    """Two's complement of the byte sum, 16 bits."""
    return -sum(body) & 0xFFFF


def encode(opcode: int, data: bytes = b"") -> bytes:
    """A packet of the host."""
    body = bytes((HEADER_BYTES + len(data), opcode, HOST, 0)) + data
    return body + checksum(body).to_bytes(CHECKSUM_BYTES, "big")


def decode(frame: bytes) -> Packet | None:
    """The packet in a frame of the right length, or None if its checksum is wrong."""
    body, check = frame[:-CHECKSUM_BYTES], frame[-CHECKSUM_BYTES:]
    if int.from_bytes(check, "big") != checksum(body):
        return None
    return Packet(body[1], body[2], body[3], body[HEADER_BYTES:])


AIM_OF_TYPE = {
    0x01: "]A0",
    0x02: "]F0",
    0x03: "]C0",
    0x04: "]S0",
    0x05: "]R0",
    0x06: "]I0",
    0x07: "]G0",
    0x08: "]E0",
    0x0A: "]E4",
    0x0B: "]E0",
    0x0C: "]H0",
    0x0E: "]M0",
    0x0F: "]C1",
    0x11: "]L0",
    0x13: "]A4",
    0x1A: "]L0",
    0x1B: "]d1",
    0x1C: "]Q1",
    0x25: "]U0",
    0x2C: "]Q1",
    0x2D: "]z0",
    0x30: "]e0",
    0x31: "]e0",
    0x32: "]e0",
    0xC1: "]d2",
    0xC2: "]Q3",
}
"""SSI code type to AIM symbology identifier (ISO/IEC 15424), where one follows from the other."""
