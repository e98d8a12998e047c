"""What a line lets through that is slower than any timer was made for."""

import random
from hashlib import sha256

import pytest

from contract.delivery.device_states import Connected
from contract.messages import Batch, Blob
from tests.contract.delivery.memory import Device, MemoryLedger, said

LIMIT_MS = 1_200_000
STEP_MS = 200


class SlowLine:
    """Carries messages one behind the other, so many bytes a second, and answers after a delay; in virtual time."""

    def __init__(self, device: Device, bytes_per_s: int, delay_ms: int) -> None:
        self.device, self.ledger = device, MemoryLedger()
        self.said: list[object] = []
        self.bytes = 0
        self._bytes_per_s, self._delay_ms = bytes_per_s, delay_ms
        self._up: list[tuple[int, bytes]] = []
        self._down: list[tuple[int, bytes]] = []
        self._free_ms = self._reconnects = 0

    def step(self) -> None:
        device = self.device
        if device.reconnects != self._reconnects:
            self._reconnects = device.reconnects
            self._up, self._down, self._free_ms = [], [], device.mono_ms
            # The new connection begins with its hello.
            del device.outgoing[:-1]
        for payload in device.outgoing:
            self.said.append(said(payload))
            self.bytes += len(payload)
            self._free_ms = max(self._free_ms, device.mono_ms) + len(payload) * 1000 // self._bytes_per_s
            self._up.append((self._free_ms + self._delay_ms, payload))
        device.outgoing.clear()
        while self._up and self._up[0][0] <= device.mono_ms:
            for reply in self.ledger.take("van-1", self._up.pop(0)[1], 1_700_000_000_000 + device.mono_ms):
                self._down.append((device.mono_ms + self._delay_ms, reply))
        while self._down and self._down[0][0] <= device.mono_ms:
            device.hear(self._down.pop(0)[1])
        device.tick(STEP_MS)


@pytest.mark.parametrize(("bytes_per_s", "delay_ms"), [(1_000, 0), (1_000, 2_500), (2_500, 0), (20_000, 100)])
def test_f026_f081_attachment_gets_through_a_line_that_is_too_slow_for_a_whole_chunk(
    bytes_per_s: int, delay_ms: int
) -> None:
    photo = random.Random(3).randbytes(100_000)
    name = sha256(photo).digest()
    device = Device("van-1", 3)
    device.store.blobs[name] = photo
    device.feed(Connected())
    line = SlowLine(device, bytes_per_s, delay_ms)
    made: list[bytes] = []
    while device.mono_ms < LIMIT_MS and not device.store.blobs_stored.get(name):
        line.step()
        if device.mono_ms % 60_000 < STEP_MS:
            made.append(device.scan(b"%d" % len(made)))

    assert bytes(line.ledger.blobs[name]) == photo
    assert set(made[:-1]) <= set(line.ledger.arrived)
    # No storm: what was lost with connections, and asked again, is no more than the photo itself.
    assert line.bytes < 2.5 * len(photo)
    assert device.reconnects <= 3


def test_f026_scan_behind_an_attachment_waits_for_one_chunk_at_most() -> None:
    device = Device("van-1", 3)
    photo = random.Random(3).randbytes(100_000)
    device.store.blobs[sha256(photo).digest()] = photo
    device.feed(Connected())
    line = SlowLine(device, bytes_per_s=20_000, delay_ms=100)
    while not any(isinstance(m, Blob) and m.data for m in line.said):
        line.step()
    scanned = device.scan(b"urgent")
    before = len(line.said)
    began_ms = device.mono_ms
    while scanned not in line.ledger.arrived:
        line.step()

    # The chunk on its way takes 1.6 s on this line; the scan is the next thing said.
    assert device.mono_ms - began_ms < 2_500
    assert isinstance(line.said[before], Batch)
