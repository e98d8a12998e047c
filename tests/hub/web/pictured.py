"""A served hub's own ledger with proofs and their pictures, behind the web side."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from contract.delivery.device_states import Appended
from contract.event import Outcome, Proof
from contract.limits import BLOB_CHUNK_BYTES
from contract.messages import Blob
from contract.signature import Signature, encode_signature
from hub.live import LiveBus
from hub.projections import all_projections
from tests.contract.delivery.memory import Device
from tests.hub.desk import Desk, connected, open_desk
from tests.hub.web.seeded import NOW_MS, HubClock, SeededHub


def png(width: int, height: int, grey: int) -> bytes:
    """A picture of one grey."""
    rows = (b"\0" + bytes([grey]) * width) * height
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    )
    told = (
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(told)


DOOR, SIGNED, SCRIPT, LATE = png(640, 480, 120), png(300, 100, 240), b"<svg onload='alert(1)'>", png(64, 64, 9)

STROKES = encode_signature(Signature(4_000, (((1_000, 1_000, 0), (9_000, 3_000, 40)),)))
"""A signature as couriers' apps state it."""


def named(data: bytes) -> str:
    return sha256(data).hexdigest()


@dataclass
class Pictured:
    """`hub`: its web side; `desk`: where devices speak; `device`: the van that proves."""

    hub: SeededHub
    desk: Desk
    device: Device

    def prove(self, parcel: str, *photos: bytes, signature: bytes | None = None, reason: str = "") -> None:
        """Delivered, as the device says it; its pictures come later."""
        digests = tuple(sha256(photo).digest() for photo in photos)
        signed = None if signature is None else sha256(signature).digest()
        for data in (*photos, *([signature] if signature else [])):
            self.device.store.blobs[sha256(data).digest()] = data
        self.device.store.keep(
            Proof(
                "stop-1", Outcome.DELIVERED, (parcel,), (), reason, recipient="Wang", signature=signed, photos=digests
            )
        )
        self.device.feed(Appended())
        self.desk.settle(self.device)

    def arrive(self, data: bytes) -> None:
        """A picture comes, chunk by chunk."""
        for at in range(0, len(data), BLOB_CHUNK_BYTES):
            part = data[at : at + BLOB_CHUNK_BYTES]
            self.desk.say("van-1", Blob(sha256(data).digest(), len(data), at, part, sha256(part).digest()))


@contextmanager
def pictured(folder: Path) -> Iterator[Pictured]:
    with open_desk(folder, projections=all_projections(), now_ms=NOW_MS) as desk:
        clock = HubClock(NOW_MS)
        hub = SeededHub(desk.centre.db, clock, LiveBus(clock))
        yield Pictured(hub, desk, connected(desk))
