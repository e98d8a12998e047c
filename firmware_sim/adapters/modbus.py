"""A Modbus RTU slave's frames: checksum, requests, answers and exceptions.

References:
    MODBUS over Serial Line V1.02, sections 2.5.1 (RTU framing, CRC); MODBUS Application Protocol V1.1b3,
    sections 6.3, 6.4 (read registers) and 7 (exceptions).
"""

from dataclasses import dataclass
from enum import IntEnum

READ_HOLDING, READ_INPUT = 0x03, 0x04
EXCEPTION_BIT = 0x80
MAX_REGISTERS = 125
READ_REQUEST_BYTES = 8
MIN_FRAME_BYTES = 4
MAX_FRAME_BYTES = 256
# The standard asks for 3.5 characters of silence; a pty has no baud rate, so allow for a busy machine.
GAP_MS = 50


class ExceptionCode(IntEnum):
    """Why a slave refuses."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request for ``count`` registers from ``address`` (as on the wire, base 0)."""

    function: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """A well-formed request for something this slave cannot do."""

    function: int


def crc(body: bytes) -> bytes:
    """Return the CRC-16 of a frame's other bytes, low byte first as on the wire."""
    value = 0xFFFF
    for byte in body:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")


def frame(unit: int, pdu: bytes) -> bytes:
    """Return a whole frame."""
    body = bytes([unit]) + pdu
    return body + crc(body)


def answer(unit: int, function: int, registers: list[int]) -> bytes:
    """Return the answer to a read."""
    data = b"".join(register.to_bytes(2, "big") for register in registers)
    return frame(unit, bytes([function, len(data)]) + data)


def refusal(unit: int, function: int, code: ExceptionCode) -> bytes:
    """Return an exception answer."""
    return frame(unit, bytes([function | EXCEPTION_BIT, code]))


class RequestReader:
    """Finds the requests meant for one unit in bytes that come in any pieces.

    What is damaged or meant for others is met with silence, as the standard asks.
    """

    def __init__(self, unit: int) -> None:
        self._unit = unit
        self._buffer = b""
        self._last_ms = 0

    def feed(self, data: bytes, now_ms: int) -> list[ReadRequest | OtherRequest]:
        """Take bytes and return the requests they complete."""
        if now_ms - self._last_ms > GAP_MS:
            self._buffer = b""
        self._last_ms = now_ms
        self._buffer = (self._buffer + data)[-MAX_FRAME_BYTES:]
        found: list[ReadRequest | OtherRequest] = []
        while (raw := self._whole_frame()) is not None:
            self._buffer = self._buffer[len(raw) :]
            if raw[0] == self._unit:
                found.append(_request(raw))
        return found

    def _whole_frame(self) -> bytes | None:
        head = self._buffer[:READ_REQUEST_BYTES]
        for raw in (head, self._buffer):
            if len(raw) >= MIN_FRAME_BYTES and crc(raw[:-2]) == raw[-2:]:
                return raw
        return None


def _request(raw: bytes) -> ReadRequest | OtherRequest:
    function = raw[1]
    if function not in (READ_HOLDING, READ_INPUT) or len(raw) != READ_REQUEST_BYTES:
        return OtherRequest(function)
    return ReadRequest(function, int.from_bytes(raw[2:4], "big"), int.from_bytes(raw[4:6], "big"))
