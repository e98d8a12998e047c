"""What the agent wrote down beside its facts may be damaged: it starts all the same, as if nothing had been written."""

from pathlib import Path

import pytest

from agent.capture import Port
from agent.clock import DeviceClock
from agent.config import load_config
from agent.drivers.frames import Code
from agent.manifest import NoPlan
from agent.outbox import Outbox
from agent.parts import build_capture
from agent.status import Remembered, recall, remember
from tests.agent.agent_process import write_config


@pytest.mark.parametrize("damaged", [b"\xff", b"\xc1"])
def test_a_damaged_note_of_how_things_were_is_none(tmp_path: Path, damaged: bytes) -> None:
    remember(tmp_path, Remembered(1, "w.chen"))
    (note,) = tmp_path.iterdir()
    note.write_bytes(note.read_bytes().replace(b"w", damaged))

    assert recall(tmp_path) == Remembered()


@pytest.mark.parametrize("damaged", [b"\xff", b"\xc1"])
def test_a_damaged_note_of_what_a_card_said_is_none(tmp_path: Path, damaged: bytes) -> None:
    config = load_config(write_config(tmp_path))
    outbox = Outbox.open(tmp_path, "van-1", clock=DeviceClock.of_system(), version="1")
    try:
        capture = build_capture(config, outbox, DeviceClock.of_system(), lambda: None, NoPlan())
        capture.code("gun", Code(b"HF:PLACE:dock-9"))
        body = outbox.shelf.get("port", "gun")
        assert body is not None
        outbox.shelf.put("port", "gun", body.replace(b"dock-9", damaged + b"ock-9"))
        capture = build_capture(config, outbox, DeviceClock.of_system(), lambda: None, NoPlan())
        assert capture.port("gun") == Port()
    finally:
        outbox.close()
