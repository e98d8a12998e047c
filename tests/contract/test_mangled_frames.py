"""What lines, disks and liars make of genuine frames is read or refused with a listed error, and never anything else."""

from collections.abc import Callable, Sequence
from hashlib import sha256

import pytest

from contract.delivery.device_states import Connected
from contract.errors import ContractError
from contract.event import Lane, Step
from contract.fact import decode_core, encode_core
from contract.identity import identify
from contract.local import GetStatus, RecordScan, decode_answer, decode_request, frame
from contract.messages import Blob, Credit, Document, Gap, Nack, decode_down, decode_up, encode_message
from contract.statement import Direction, seal, unseal
from tests.contract.delivery.memory import KEY, Device, MemoryLedger
from tests.contract.mangled import mangled

FRAMES = 150_000
"""For each kind: more than a million in all, which takes seconds."""
LABELS = (
    b"]C1010340123456789410ABC\x1d17261231",
    b"]Q3https://id.gs1.org/01/09506000134352/21/12345",
    b"00340123450000000018",
    b"RR123456785NL",
    b"1Z999AA10123456784",
    b"HF:STEP:loaded",
)


def conversation() -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Bodies that a device and a hub really said to each other, up and down, and the cores in between."""
    device, ledger = Device("van-1", 1), MemoryLedger()
    cores = [device.store.cores[device.store.append(b"%d" % n)] for n in range(5)]
    device.feed(Connected())
    up, down = [], []
    while device.outgoing:
        payload = device.outgoing.pop(0)
        up.append(unseal(KEY, Direction.UP, "van-1", payload))
        for answer in ledger.take("van-1", payload, now_ms=1_700_000_000_000):
            down.append(unseal(KEY, Direction.DOWN, "van-1", answer))
            device.hear(answer)
    empty = sha256(b"").digest()
    up += map(encode_message, (Blob(empty, 9, 0, b"", empty), Gap(bytes(16), Lane.CUSTODY, 1, 2, empty, "released")))
    down += map(encode_message, (Document("route", 1, 0, 1, b"x"), Nack(bytes(16), Lane.CUSTODY, "busy", Credit())))
    return up, down, cores


UP, DOWN, CORES = conversation()
LOCAL = [frame(m)[4:] for m in (RecordScan(bytes(16), b"code", Step.LOADED), GetStatus())]
STATEMENTS = [seal(KEY, Direction.UP, "van-1", body) for body in UP]


@pytest.mark.parametrize(
    ("seeds", "read", "write"),
    [
        (UP, decode_up, encode_message),
        (DOWN, decode_down, encode_message),
        (CORES, decode_core, encode_core),
        (LOCAL, decode_request, frame),
        (LOCAL, decode_answer, frame),
        (STATEMENTS, lambda payload: unseal(KEY, Direction.UP, "van-1", payload), None),
        (LABELS, identify, None),
    ],
    ids=["up", "down", "core", "request", "answer", "statement", "label"],
)
def test_f061_f063_f066_f068_f069_mangled_frames_are_read_or_refused_with_a_listed_error(
    seeds: Sequence[bytes], read: Callable[[bytes], object], write: Callable[[object], bytes] | None
) -> None:
    refused = 0
    for data in mangled(seeds, FRAMES, seed=61):
        try:
            found = read(data)
        except ContractError:
            refused += 1
            continue
        # What was read can be said: nothing undecided got in.
        assert write is None or write(found)
    assert read is identify or refused > FRAMES / 10
