import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU

from firmware_sim.adapters.modbus import OtherRequest, ReadRequest, RequestReader, crc, frame
from firmware_sim.adapters.modbus_probe import ModbusProbe
from firmware_sim.adapters.registers import DEFAULT_MAP, Register, parse_registers
from firmware_sim.faults import FaultPlan
from firmware_sim.physics.cold_box import ColdBox, DoorPlan
from tests.firmware_sim.virtual import MemoryJournal

READ_ALL = frame(1, bytes.fromhex("03 0000 0003"))


def probe(map_text: str = DEFAULT_MAP, **faults: Any) -> tuple[ModbusProbe, MemoryJournal]:
    journal = MemoryJournal()
    plan = FaultPlan(**faults)
    box = ColdBox(DoorPlan(1, 0.0))
    return ModbusProbe(box, journal, start_ms=0, seed=1, registers=parse_registers(map_text), faults=plan), journal


def ask(device: ModbusProbe, request: bytes, now_ms: int = 10_000) -> bytes:
    return b"".join(chunk.data for chunk in device.receive(request, now_ms))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"123456789", "374b"),
        # From the serial line guide's worked example and a common one of application notes.
        (bytes.fromhex("0207"), "4112"),
        (bytes.fromhex("01030000000a"), "c5cd"),
    ],
)
def test_crc_of_published_examples(body: bytes, expected: str) -> None:
    assert crc(body).hex() == expected


@given(st.binary(max_size=64))
def test_crc_agrees_with_pymodbus(body: bytes) -> None:
    assert int.from_bytes(crc(body), "big") == FramerRTU.compute_CRC(body)


def test_an_answer_is_byte_exact() -> None:
    device, journal = probe()

    # 5.0 °C at the start with a closed door, 55.0 %RH, no fault.
    assert ask(device, READ_ALL, 0) == frame(1, bytes.fromhex("03 06 0032 0226 0000"))
    assert journal.records == [
        {
            "t_ms": 0,
            "poll": 1,
            "function": 3,
            "address": 0,
            "registers": [50, 550, 0],
            "temperature_c": 5.0,
            "humidity_rh": 55.0,
            "faults": [],
        }
    ]


def test_input_registers_hold_the_same() -> None:
    device, _ = probe()

    assert ask(device, frame(1, bytes.fromhex("04 0001 0001")), 0) == frame(1, bytes.fromhex("04 02 0226"))


@pytest.mark.parametrize(
    ("pdu", "expected"),
    [
        ("03 0002 0002", "83 02"),
        ("04 0100 0001", "84 02"),
        ("03 0000 0000", "83 03"),
        ("03 0000 007e", "83 03"),
        ("06 0000 0001", "86 01"),
        ("10 0000 0001 02 0001", "90 01"),
        ("07", "87 01"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_exception(pdu: str, expected: str) -> None:
    device, journal = probe()

    assert ask(device, frame(1, bytes.fromhex(pdu))) == frame(1, bytes.fromhex(expected))
    assert "refused" in journal.records[0]


@pytest.mark.parametrize("request_", [frame(2, READ_ALL[1:-2]), READ_ALL[:-1] + b"\x00", b"", b"\xff" * 400])
def test_what_is_damaged_or_for_another_unit_gets_no_answer(request_: bytes) -> None:
    device, _ = probe()

    assert ask(device, request_) == b""


def test_a_request_in_pieces_is_answered_and_a_stale_half_is_not() -> None:
    reader = RequestReader(1)

    assert reader.feed(READ_ALL[:5], 0) == []
    assert reader.feed(READ_ALL[5:], 20) == [ReadRequest(3, 0, 3)]
    assert reader.feed(READ_ALL[:5], 100) == []
    assert reader.feed(READ_ALL, 300) == [ReadRequest(3, 0, 3)]
    assert reader.feed(frame(1, b"\x07"), 600) == [OtherRequest(7)]


def test_floats_come_in_either_word_order() -> None:
    high_first = parse_registers("temperature_c@10:f32")[0]
    low_first = parse_registers("temperature_c@10:f32sw")[0]

    assert high_first.encode(-3.25) == [0xC050, 0x0000]
    assert low_first.encode(-3.25) == [0x0000, 0xC050]
    nan = struct.pack(">HH", *high_first.encode(None))
    assert math.isnan(struct.unpack(">f", nan)[0])


@pytest.mark.parametrize(
    ("register", "value", "expected"),
    [
        (Register("temperature_c", 0, "s16", 0.1), -18.04, [0xFF4C]),
        (Register("temperature_c", 0, "s16", 0.01), -18.04, [0xF8F4]),
        (Register("temperature_c", 0, "s16", 0.01), 9_999.0, [0x7FFF]),
        (Register("temperature_c", 0, "s16", 0.1), None, [0x8000]),
        # The fault value is never a measurement.
        (Register("temperature_c", 0, "s16", 0.01), -9_999.0, [0x8001]),
        (Register("humidity_rh", 0, "u16", 0.1), 45.67, [457]),
    ],
)
def test_whole_numbers_are_scaled(register: Register, value: float | None, expected: list[int]) -> None:
    assert register.encode(value) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pressure@0", "unknown quantity"),
        ("temperature_c@0:s8", "unknown format"),
        ("temperature_c", "expected such as"),
        ("temperature_c@0:s16:0", "scale above 0"),
        ("temperature_c@70000", "address must be"),
        ("temperature_c@0:f32,humidity_rh@1", "overlaps"),
    ],
)
def test_a_register_map_that_makes_no_sense_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_registers(text)


def test_a_broken_sensor_shows_the_fault_value_and_its_status() -> None:
    device, journal = probe(fault_register=1.0)

    assert ask(device, READ_ALL) == frame(1, bytes.fromhex("03 06 8000 8000 0001"))
    assert journal.records[0]["temperature_c"] is None
    assert journal.records[0]["faults"] == ["fault_register"]


def test_after_power_on_the_value_is_85_degrees_until_converted() -> None:
    device, _ = probe(power_on_85=True)

    assert ask(device, READ_ALL, 100)[3:5] == (850).to_bytes(2, "big")
    assert ask(device, READ_ALL, 2_100)[3:5] == (50).to_bytes(2, "big")
    device.closed(3_000, unplugged=True, unsent=())
    assert ask(device, READ_ALL, 4_000)[3:5] == (850).to_bytes(2, "big")
    device.closed(9_000, unplugged=False, unsent=())
    assert ask(device, READ_ALL, 9_100)[3:5] != (850).to_bytes(2, "big")


def test_a_late_answer_comes_after_the_time_out_and_holds_up_the_next() -> None:
    device, journal = probe(late=1.0)
    [first] = device.receive(READ_ALL, 0)
    [second] = device.receive(READ_ALL, 1_000)

    assert first.at_ms >= 1_500
    assert second.at_ms >= first.at_ms + 1_500
    assert journal.records[0]["faults"] == ["late"]


def test_a_stuck_value_never_changes_again() -> None:
    device, _ = probe(map_text="temperature_c@0:s16:0.01", stuck=600.0)
    read = frame(1, bytes.fromhex("03 0000 0001"))
    values = [ask(device, read, 1_000 * t) for t in range(0, 7_200, 100)]

    assert len(set(values[:7])) > 1
    assert len(set(values[6:])) == 1


def test_noise_breaks_the_checksum_and_splits_keep_the_bytes() -> None:
    noisy, _ = probe(noise=1.0)
    raw = ask(noisy, READ_ALL)
    split, _ = probe(split=1.0)
    chunks = split.receive(READ_ALL, 0)

    assert crc(raw[:-2]) != raw[-2:]
    assert len(chunks) > 1
    assert crc(b"".join(c.data for c in chunks)[:-2]) == b"".join(c.data for c in chunks)[-2:]
