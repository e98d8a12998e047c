import struct
from collections.abc import Callable, Mapping
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer.rtu import FramerRTU

from agent.config import ModbusProbeConfig, RegisterConfig, StatusRegisterConfig
from agent.drivers.frames import Found, Lost, Outcome, Reason, Rejection, Sample, Write
from agent.drivers.modbus_probe import ModbusProbe
from agent.drivers.modbus_rtu import Answer, Read, crc16, find_answer
from agent.drivers.register_map import RegisterMap
from contract.event import Quantity

Transport = Callable[[bytes], list[bytes]]

T = Quantity.TEMPERATURE_C
RH = Quantity.HUMIDITY_RH
TEMPERATURE = RegisterConfig(quantity=T, address=0, scale=0.1, fault_value=0x8000)
HUMIDITY = RegisterConfig(quantity=RH, address=1, scale=0.1, type="uint16")


def probe_config(*registers: RegisterConfig, **settings: object) -> ModbusProbeConfig:
    return ModbusProbeConfig(name="probe", port="/dev/null", registers=registers, **settings)  # type: ignore[arg-type]  # settings are the test's table


def probe(*registers: RegisterConfig, **settings: object) -> ModbusProbe:
    return ModbusProbe(probe_config(*(registers or (TEMPERATURE, HUMIDITY)), **settings))


def answer(*words: int, unit: int = 1, function: int = 3) -> bytes:
    body = bytes((unit, function, 2 * len(words))) + b"".join(w.to_bytes(2, "big") for w in words)
    return body + crc16(body)


def refusal(code: int, unit: int = 1, function: int = 3) -> bytes:
    body = bytes((unit, function | 0x80, code))
    return body + crc16(body)


def poll(decoder: ModbusProbe) -> tuple[Write, float]:
    """Go to the next request; returns it and when it went out."""
    deadline = decoder.next_deadline()
    assert deadline is not None
    (request,) = decoder.idle(deadline)
    assert isinstance(request, Write)
    return request, deadline


def test_request_is_that_of_the_standard() -> None:
    # Modbus Application Protocol V1.1b3, 6.3: registers 108 to 110 of unit 17.
    assert Read(17, 3, 107, 3).frame == bytes.fromhex("1103006b00037687")


@given(st.binary(max_size=300))
def test_checksum_agrees_with_pymodbus(data: bytes) -> None:
    assert crc16(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


def test_all_values_are_read_in_one_request_and_given_in_hundredths(transport: Transport) -> None:
    decoder = probe()
    decoder.opened(100.0)
    request, now_s = poll(decoder)
    assert (request, now_s) == (Write(Read(1, 3, 0, 2).frame), 100.0)
    out = [o for piece in transport(answer(0xFFCE, 555)) for o in decoder.feed(piece, 100.1)]
    assert out == [Sample("temperature_c", T, -500), Sample("humidity_rh", RH, 5550)]
    assert decoder.next_deadline() == 110.0


def test_polls_keep_their_schedule_however_long_answers_take() -> None:
    decoder = probe(interval_s=1.0)
    decoder.opened(0.0)
    for i in range(5):
        _, now_s = poll(decoder)
        assert now_s == float(i)
        decoder.feed(answer(40, 500), now_s + 0.3)


@pytest.mark.parametrize(
    ("register", "words", "value", "fault"),
    [
        (RegisterConfig(quantity=T, address=0, scale=0.01), [0xFF38], -200, None),
        (RegisterConfig(quantity=T, address=0, scale=0.1, type="uint16"), [0x0050], 800, None),
        (
            RegisterConfig(quantity=T, address=0, type="float32"),
            [*struct.unpack(">HH", struct.pack(">f", -18.25))],
            -1825,
            None,
        ),
        (
            RegisterConfig(quantity=T, address=0, type="float32", word_order="little"),
            [*reversed(struct.unpack(">HH", struct.pack(">f", 4.5)))],
            450,
            None,
        ),
        (RegisterConfig(quantity=T, address=0, type="float32"), [0x7FC0, 0], None, "not_a_number"),
        (RegisterConfig(quantity=T, address=0, type="float32"), [0x7F80, 0], None, "not_a_number"),
        (RegisterConfig(quantity=T, address=0, type="float32"), [0x7F7F, 0xFFFF], None, "impossible"),
        (TEMPERATURE, [0x8000], None, "fault_value"),
        (RegisterConfig(quantity=T, address=0, fault_value=-32768), [0x8000], None, "fault_value"),
        (RegisterConfig(quantity=T, address=0), [0xFE00], None, "impossible"),
        (RegisterConfig(quantity=RH, address=0), [0xFFFF], None, "impossible"),
        (RegisterConfig(quantity=T, address=0), [85], None, "power_on"),
        (RegisterConfig(quantity=RH, address=0), [85], 8500, None),
    ],
)
def test_register_gives_a_value_or_a_named_fault(
    register: RegisterConfig, words: list[int], value: int | None, fault: str | None
) -> None:
    decoder = probe(register)
    poll(decoder)
    assert decoder.feed(answer(*words), 0.1) == [Sample(register.quantity.value, register.quantity, value, fault)]


def test_eighty_five_degrees_is_believed_after_another_value_and_doubted_after_silence() -> None:
    decoder = probe(RegisterConfig(quantity=T, address=0))
    values: list[int | None] = []
    for words in ([85], [84], [85], None, [85]):
        _, now_s = poll(decoder)
        if words is None:
            decoder.idle(now_s + 1.0)
        else:
            values += [o.value for o in decoder.feed(answer(*words), now_s) if isinstance(o, Sample)]
    assert values == [None, 8400, 8500, None]


@pytest.mark.parametrize(("status", "value", "fault"), [(0, 400, None), (0x10, 400, None), (0x01, None, "status_0001")])
def test_a_bad_status_makes_every_value_a_fault(status: int, value: int | None, fault: str | None) -> None:
    decoder = probe(TEMPERATURE, status_register=StatusRegisterConfig(address=9, mask=0x0F))
    request, _ = poll(decoder)
    assert request == Write(Read(1, 3, 9, 1).frame)
    assert decoder.feed(answer(status), 0.1) == []
    request, _ = poll(decoder)
    assert request == Write(Read(1, 3, 0, 1).frame)
    assert decoder.feed(answer(40), 0.2) == [Sample("temperature_c", T, value, fault)]


def test_values_whose_status_did_not_come_are_faults() -> None:
    decoder = probe(TEMPERATURE, status_register=StatusRegisterConfig(address=9))
    for _ in range(2):
        _, now_s = poll(decoder)
        decoder.idle(now_s + 1.0)
    _, now_s = poll(decoder)
    assert decoder.feed(answer(40), now_s) == [Sample("temperature_c", T, None, "status_unknown")]


def test_an_exception_is_a_fault_of_the_registers_asked_for() -> None:
    decoder = probe()
    poll(decoder)
    assert decoder.feed(refusal(2), 0.1) == [
        Rejection(Reason.REFUSED, refusal(2), 5),
        Sample("temperature_c", T, None, "exception_02"),
        Sample("humidity_rh", RH, None, "exception_02"),
    ]


def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    decoder = probe(TEMPERATURE, timeout_ms=500, interval_s=1.0)
    poll(decoder)
    assert decoder.idle(0.5) == [Rejection(Reason.TIMEOUT, b"", 0)]
    assert decoder.next_deadline() == 1.5
    late = answer(4)
    assert decoder.feed(late, 1.4) == [Rejection(Reason.LATE, late, len(late))]
    assert decoder.next_deadline() == 2.4
    _, now_s = poll(decoder)
    assert decoder.feed(answer(200), now_s + 0.1) == [Sample("temperature_c", T, 2000)]


def test_an_answer_later_than_the_silence_meets_its_own_question_and_not_one_like_it() -> None:
    near = RegisterConfig(quantity=T, address=0, sensor="near")
    decoder = probe(near, RegisterConfig(quantity=T, address=100, sensor="far"), timeout_ms=500)
    first, _ = poll(decoder)
    decoder.idle(0.5)
    again, now_s = poll(decoder)
    assert (again, now_s) == (first, 1.5)
    assert decoder.feed(answer(4), 1.6) == [Sample("near", T, 400)]
    assert [o.reason for o in decoder.feed(answer(4), 2.0) if isinstance(o, Rejection)] == [Reason.LATE]
    other, now_s = poll(decoder)
    assert (other, now_s) == (Write(Read(1, 3, 100, 1).frame), 3.0)
    assert decoder.feed(answer(20), 3.1) == [Sample("far", T, 2000)]


def test_a_request_that_looks_like_another_is_asked_twice_at_most_in_a_round() -> None:
    near = RegisterConfig(quantity=T, address=0, sensor="near")
    decoder = probe(near, RegisterConfig(quantity=T, address=100, sensor="far"), timeout_ms=500)
    asked = []
    for _ in range(6):
        request, now_s = poll(decoder)
        asked.append(request.data[3])
        decoder.idle(now_s + 0.5)
    assert asked == [0, 0, 100, 100, 0, 0]


def test_a_babbling_line_is_asked_again_all_the_same() -> None:
    decoder = probe(timeout_ms=500)
    poll(decoder)
    decoder.idle(0.5)
    for i in range(200):
        decoder.feed(b"\x00", 0.5 + i * 0.025)
    assert decoder.next_deadline() == 10.0
    decoder = probe(timeout_ms=500, interval_s=1.0)
    poll(decoder)
    decoder.idle(0.5)
    for i in range(200):
        decoder.feed(b"\x00", 0.5 + i * 0.025)
    assert decoder.next_deadline() == 5.5


def test_noise_and_the_adapters_echo_before_the_answer_are_skipped(transport: Transport) -> None:
    decoder = probe(TEMPERATURE)
    request, _ = poll(decoder)
    before = b"\xff\x00" + request.data
    out = [o for piece in transport(before + answer(40)) for o in decoder.feed(piece, 0.1)]
    assert out == [Rejection(Reason.NOISE, before, len(before)), Sample("temperature_c", T, 400)]


def test_a_damaged_answer_gives_no_value() -> None:
    decoder = probe(TEMPERATURE)
    poll(decoder)
    wire = answer(40)[:-1] + b"\x00"
    assert decoder.feed(wire, 0.1) == []
    assert decoder.idle(1.0) == [Rejection(Reason.CHECKSUM, wire, len(wire))]


def test_the_answer_of_another_unit_is_not_taken() -> None:
    decoder = probe(TEMPERATURE)
    poll(decoder)
    assert decoder.feed(answer(40, unit=2), 0.1) == []


def test_a_silent_probe_is_lost_after_three_polls_and_found_at_its_next_answer() -> None:
    decoder = probe(TEMPERATURE)
    said: list[Outcome] = []
    for _ in range(5):
        _, now_s = poll(decoder)
        said += [o for o in decoder.idle(now_s + 1.0) if not isinstance(o, Rejection)]
    assert said == [Lost("no answer")]
    _, now_s = poll(decoder)
    assert decoder.feed(answer(40), now_s) == [Found(), Sample("temperature_c", T, 400)]


def test_one_dead_unit_on_the_bus_does_not_silence_the_other() -> None:
    decoder = probe(TEMPERATURE, RegisterConfig(quantity=T, address=0, scale=0.1, unit=2, sensor="rear"))
    for _ in range(3):
        _, now_s = poll(decoder)
        decoder.idle(now_s + 1.0)
        request, now_s = poll(decoder)
        assert request == Write(Read(2, 3, 0, 1).frame)
        assert decoder.feed(answer(-180 & 0xFFFF, unit=2), now_s) == [Sample("rear", T, -1800)]


def register(
    address: int, function: Literal[3, 4] = 3, unit: int | None = None, kind: Literal["int16", "float32"] = "int16"
) -> RegisterConfig:
    name = f"s{address}-{function}-{unit}"
    return RegisterConfig(quantity=T, address=address, function=function, unit=unit, type=kind, sensor=name.lower())


@pytest.mark.parametrize(
    ("registers", "requests"),
    [
        ([register(1), register(0)], [Read(1, 3, 0, 2)]),
        ([register(0, kind="float32"), register(2)], [Read(1, 3, 0, 3)]),
        ([register(0), register(2)], [Read(1, 3, 0, 1), Read(1, 3, 2, 1)]),
        ([register(0), register(0, function=4)], [Read(1, 3, 0, 1), Read(1, 4, 0, 1)]),
        ([register(0), register(1, unit=2)], [Read(1, 3, 0, 1), Read(2, 3, 1, 1)]),
        ([register(0, kind="float32"), register(1)], [Read(1, 3, 0, 2)]),
    ],
)
def test_registers_that_touch_share_a_request(registers: list[RegisterConfig], requests: list[Read]) -> None:
    assert RegisterMap(probe_config(*registers)).requests == tuple(requests)


def test_a_request_never_asks_for_more_registers_than_the_standard_allows() -> None:
    registers = [register(2 * i, kind="float32") for i in range(64)]
    assert [r.count for r in RegisterMap(probe_config(*registers)).requests] == [124, 4]


@given(st.binary(max_size=80))
def test_any_bytes_are_no_answer_or_a_valid_one(data: bytes) -> None:
    found = find_answer(Read(1, 3, 0, 2), data)
    assert found is None or isinstance(found, Answer)


@given(st.lists(st.tuples(st.binary(max_size=300), st.booleans())), st.data())
def test_any_line_gives_samples_or_rejections_in_bounded_memory(
    pieces: list[tuple[bytes, bool]], data: st.DataObject
) -> None:
    decoder = probe(TEMPERATURE, HUMIDITY, timeout_ms=100)
    now_s = 0.0
    kinds: Mapping[type, None] = dict.fromkeys((Sample, Rejection, Write, Lost, Found))
    for piece, good in pieces:
        deadline = decoder.next_deadline()
        assert deadline is not None
        now_s = max(now_s, deadline) if data.draw(st.booleans()) else now_s + 0.01
        outcomes = decoder.idle(now_s) if now_s >= deadline else decoder.feed(answer(1, 2) if good else piece, now_s)
        assert all(type(o) in kinds for o in outcomes)
        assert len(decoder._received) <= 512
