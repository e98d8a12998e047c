"""Modbus RTU as a master needs it to read registers.

Source: Modbus over Serial Line V1.02, section 2.5.1 (RTU framing, CRC), and Modbus Application Protocol V1.1b3, sections 6.3
and 6.4 (read holding and input registers) and 7 (exceptions). Own code, because importing pymodbus brings asyncio: 70 ms and
7 MiB on a device that should start in half a second.
"""

from msgspec import Struct

# Section 6.3: quantity of registers in one request.
MAX_REGISTERS = 125
EXCEPTION_FLAG = 0x80
EXCEPTION_BYTES = 5
_HEADER_BYTES = 3
_CRC_BYTES = 2


class Read(Struct, frozen=True):
    """A request for `count` registers from `address` of one unit (function 3 holding, 4 input)."""

    unit: int
    function: int
    address: int
    count: int

    @property
    def frame(self) -> bytes:
        """The request on the wire."""
        body = bytes((self.unit, self.function, *self.address.to_bytes(2, "big"), *self.count.to_bytes(2, "big")))
        return body + crc16(body)

    @property
    def answer_bytes(self) -> int:
        """Length of a full answer."""
        return _HEADER_BYTES + 2 * self.count + _CRC_BYTES


class Answer(Struct, frozen=True):
    """What a unit answered: register values, or an exception code."""

    words: tuple[int, ...]
    exception: int | None
    before: int
    """Bytes of noise (or the adapter's echo of the request) ahead of it."""


def crc16(data: bytes) -> bytes:
    """CRC-16/MODBUS in the order of the wire, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def find_answer(request: Read, received: bytes) -> Answer | None:
    """The first valid answer to `request` in what was received since it was sent, or None so far."""
    for start in range(len(received) - EXCEPTION_BYTES + 1):
        head = received[start : start + _HEADER_BYTES]
        if head == bytes((request.unit, request.function, 2 * request.count)):
            length, exception = request.answer_bytes, None
        elif head[:2] == bytes((request.unit, request.function | EXCEPTION_FLAG)):
            length, exception = EXCEPTION_BYTES, head[2]
        else:
            continue
        frame = received[start : start + length]
        if len(frame) < length or crc16(frame[:-_CRC_BYTES]) != frame[-_CRC_BYTES:]:
            continue
        data = b"" if exception is not None else frame[_HEADER_BYTES:-_CRC_BYTES]
        words = tuple(int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2))
        return Answer(words, exception, start)
    return None
