"""Statements: a message with the proof that it comes from this device, or from the hub for this device.

Wire form: one format byte, 16 bytes of MAC, then the body, deflated when that makes it shorter. The MAC is HMAC-SHA256
truncated to 128 bits (RFC 2104, section 5) with the device's own key over direction, device id, format byte and body as sent;
so a broker insider can neither forge what is kept nor what is acknowledged.
"""

import hmac
import zlib
from enum import StrEnum
from hashlib import sha256
from typing import Final

from contract.errors import Malformed, NotAuthentic, TooLarge
from contract.limits import MAX_DECODED_BYTES, MAX_WIRE_BYTES

PLAIN: Final = 0x10
DEFLATED: Final = 0x11
"""Raw deflate (RFC 1951), no zlib header."""
MAC_BYTES: Final = 16
HEADER_BYTES: Final = 1 + MAC_BYTES
DEFLATE_FROM_BYTES: Final = 64
"""Shorter bodies do not shrink."""


class Direction(StrEnum):
    """Who speaks; it is part of the MAC, so nothing can be played back to its own sender."""

    UP = "hf1.up"
    DOWN = "hf1.down"


def password_of(key: bytes) -> str:
    """The MQTT password of a device, derived from its key so that the broker's configuration does not reveal the key."""
    return hmac.new(key, b"hf1.mqtt", sha256).hexdigest()


def _mac(key: bytes, direction: Direction, device: str, form: int, body: bytes) -> bytes:
    name = device.encode()
    head = direction.encode() + bytes([len(name)]) + name + bytes([form])
    return hmac.new(key, head + body, sha256).digest()[:MAC_BYTES]


def seal(key: bytes, direction: Direction, device: str, body: bytes) -> bytes:
    """The bytes to publish.

    Raises:
        TooLarge: more than MAX_WIRE_BYTES even after deflating; send fewer items.
    """
    form = PLAIN
    if len(body) >= DEFLATE_FROM_BYTES:
        deflater = zlib.compressobj(level=6, wbits=-15)
        shorter = deflater.compress(body) + deflater.flush()
        if len(shorter) < len(body):
            form, body = DEFLATED, shorter
    if len(body) + HEADER_BYTES > MAX_WIRE_BYTES:
        raise TooLarge(f"statement of {len(body) + HEADER_BYTES} bytes; at most {MAX_WIRE_BYTES} may travel")
    return bytes([form]) + _mac(key, direction, device, form, body) + body


def unseal(key: bytes, direction: Direction, device: str, payload: bytes) -> bytes:
    """The body of a statement, checked before anything is inflated.

    Raises:
        TooLarge: beyond MAX_WIRE_BYTES as received or MAX_DECODED_BYTES inflated.
        NotAuthentic: the MAC does not fit.
        Malformed: no known form, or broken deflate data.
    """
    if len(payload) > MAX_WIRE_BYTES:
        raise TooLarge(f"statement of {len(payload)} bytes; at most {MAX_WIRE_BYTES} are read")
    if len(payload) < HEADER_BYTES or payload[0] not in (PLAIN, DEFLATED):
        raise Malformed("not a statement: expected a format byte and a MAC")
    form, mac, body = payload[0], payload[1:HEADER_BYTES], payload[HEADER_BYTES:]
    if not hmac.compare_digest(mac, _mac(key, direction, device, form, body)):
        raise NotAuthentic(f"MAC does not fit device {device!r}; enrol the device again if its key was changed")
    return body if form == PLAIN else _inflate(body)


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj(wbits=-15)
    try:
        body = inflater.decompress(data, MAX_DECODED_BYTES + 1)
    except zlib.error as error:
        raise Malformed(f"broken deflate data: {error}") from error
    if len(body) > MAX_DECODED_BYTES:
        raise TooLarge(f"statement inflates beyond {MAX_DECODED_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise Malformed("deflate data is cut short or has bytes behind it")
    return body
