from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.adapters.ssi import DECODER, HOST, BadChecksum, Opcode, Packet, PacketReader
from firmware_sim.adapters.ssi_scanner import ACK_MS, SsiScanner
from firmware_sim.device import Chunk
from firmware_sim.faults import FaultPlan
from firmware_sim.hand import Habit
from firmware_sim.physics.codes import Code, code_stream
from tests.firmware_sim.virtual import MemoryJournal, VirtualClock

ACK = bytes.fromhex("04 D0 04 00 FF 28")
NAK_RESEND = Packet(Opcode.NAK, HOST, 0, b"\x01").encode()
NAK_DENIED = Packet(Opcode.NAK, HOST, 0, b"\x06").encode()


def beep(code: int, status: int = 0) -> bytes:
    return Packet(Opcode.BEEP, HOST, status, bytes([code])).encode()


def data(chunks: object) -> bytes:
    assert isinstance(chunks, list | tuple)
    return b"".join(chunk.data for chunk in chunks if isinstance(chunk, Chunk))


def one(code: Code, *, aim: bool = False, **faults: Any) -> tuple[SsiScanner, MemoryJournal]:
    journal = MemoryJournal()
    scanner = SsiScanner(iter([(1, code)]), journal, aim=aim, faults=FaultPlan(**faults))
    scanner.opened(0)
    return scanner, journal


def test_the_hosts_ack_is_that_of_the_guide() -> None:
    assert Packet(Opcode.ACK, HOST).encode() == ACK
    assert PacketReader().feed(ACK, 0) == [Packet(Opcode.ACK, HOST)]


def test_a_decoded_code_is_byte_exact() -> None:
    scanner, _ = one(Code(b"A1", "]C0"))

    # 07 F3 00 00 03 41 31 sum to 0x016F.
    assert data(scanner.wake(0)) == bytes.fromhex("07 F3 00 00 03 41 31 FE 91")


def test_the_aim_identifier_goes_before_the_data_when_set() -> None:
    scanner, _ = one(Code(b"A1", "]d2"), aim=True)
    [packet] = PacketReader().feed(data(scanner.wake(0)), 0)

    assert packet == Packet(Opcode.DECODE_DATA, DECODER, 0, b"\xc1]d2A1")


def test_a_long_code_comes_in_acknowledged_packets() -> None:
    scanner, _ = one(Code(b"x" * 600, "]Q1"))
    packets = PacketReader().feed(data(scanner.wake(0)), 0)
    for _ in range(3):
        packets += PacketReader().feed(data(scanner.receive(ACK, 10)), 10)
    whole = [packet for packet in packets if isinstance(packet, Packet)]

    assert [packet.status for packet in whole] == [2, 2, 0]
    assert all(packet.data[0] == 0x1C for packet in whole)
    assert b"".join(packet.data[1:] for packet in whole) == b"x" * 600
    assert scanner.due_ms() is not None


@given(st.binary(max_size=251), st.lists(st.integers(1, 50), max_size=30))
def test_packets_are_found_in_any_pieces(payload: bytes, cuts: list[int]) -> None:
    packet, reader = Packet(Opcode.DECODE_DATA, DECODER, 0, payload), PacketReader()
    raw = packet.encode() + ACK
    edges = sorted({0, len(raw), *(min(sum(cuts[: i + 1]), len(raw)) for i in range(len(cuts)))})
    found = [each for a, b in pairwise(edges) for each in reader.feed(raw[a:b], 0)]

    assert found == [packet, Packet(Opcode.ACK, HOST)]


def test_after_a_bad_packet_the_reader_waits_for_a_pause() -> None:
    reader, bad = PacketReader(), bytes.fromhex("04 D0 04 00 FF 29")

    assert reader.feed(bad + ACK, 0) == [BadChecksum(bad)]
    assert reader.feed(ACK[:3], 10) == []
    assert reader.feed(ACK, 500) == [Packet(Opcode.ACK, HOST)]


@pytest.mark.parametrize("asks", ["nak", "silence"])
def test_an_unacknowledged_code_is_sent_again_with_the_retransmit_bit(asks: str) -> None:
    scanner, journal = one(Code(b"A1"))
    first = data(scanner.wake(0))
    now_ms, repeats = 0, []
    for _ in range(3):
        now_ms += 10 if asks == "nak" else ACK_MS
        chunks = scanner.receive(NAK_RESEND, now_ms) if asks == "nak" else scanner.wake(now_ms)
        repeats.append(data(chunks))

    again = bytes.fromhex("07 F3 00 01 03 41 31 FE 90")
    assert first[3] == 0
    assert repeats == [again, again, b""]
    assert journal.records[-1] == {"t_ms": now_ms, "tries": 3, "unacknowledged": 1}


def test_a_denied_code_is_not_sent_again() -> None:
    scanner, journal = one(Code(b"A1"))
    scanner.wake(0)

    scanner.receive(NAK_DENIED, 10)

    assert journal.records[-1] == {"t_ms": 10, "tries": 1, "denied": 1}


def test_the_next_code_waits_for_ack_and_beep() -> None:
    journal = MemoryJournal()
    habit = Habit(rate_hz=1000.0, wait_feedback_ms=5_000)
    scanner = SsiScanner(code_stream(1), journal, habit=habit)
    scanner.opened(0)
    scanner.wake(0)
    before_ack = scanner.wake(100)
    scanner.receive(ACK, 200)
    before_beep = scanner.wake(300)
    answer = scanner.receive(beep(0x00), 400)
    after = scanner.wake(400)

    assert (data(before_ack), data(before_beep)) == (b"", b"")
    assert data(answer) == bytes.fromhex("04 D0 00 00 FF 2C")
    assert {"t_ms": 400, "feedback": "KEPT", "beeped": 1} in journal.records
    assert data(after)[1] == Opcode.DECODE_DATA


def test_a_repeated_beep_command_beeps_once() -> None:
    scanner, journal = one(Code(b"A1"))
    scanner.receive(beep(0x16), 1)
    scanner.receive(beep(0x16, status=1), 2)

    assert [record["t_ms"] for record in journal.records if record.get("feedback") == "UNEXPECTED"] == [1]


def test_lights_and_other_beeps_are_journaled() -> None:
    scanner, journal = one(Code(b"A1"))
    scanner.receive(Packet(Opcode.LED_ON, HOST, 0, b"\x01").encode() + beep(0x08), 5)

    assert journal.records[-2:] == [
        {"t_ms": 5, "led": "on", "lamps": "01"},
        {"t_ms": 5, "beep": "08"},
    ]


def test_commands_that_are_damaged_or_unknown_are_refused() -> None:
    scanner, _ = one(Code(b"A1"))

    assert data(scanner.receive(ACK[:-1] + b"\x00", 1)) == Packet(Opcode.NAK, DECODER, 0, b"\x01").encode()
    assert data(scanner.receive(Packet(0x77, HOST).encode(), 500)) == Packet(Opcode.NAK, DECODER, 0, b"\x06").encode()


def test_a_disabled_scanner_scans_nothing_until_enabled() -> None:
    scanner, _ = one(Code(b"A1"))
    scanner.receive(Packet(Opcode.SCAN_DISABLE, HOST).encode(), 1)

    assert scanner.due_ms() is None
    assert data(scanner.wake(10)) == b""
    scanner.receive(Packet(Opcode.SCAN_ENABLE, HOST).encode(), 20)
    assert data(scanner.wake(20))


def test_a_scanner_disabled_while_it_waits_gives_up_and_scans_nothing_more() -> None:
    journal = MemoryJournal()
    scanner = SsiScanner(code_stream(1), journal, habit=Habit(wait_feedback_ms=3_000))
    scanner.opened(0)
    scanner.wake(0)
    scanner.receive(ACK + Packet(Opcode.SCAN_DISABLE, HOST).encode(), 10)

    assert scanner.due_ms() == 3_000
    assert data(scanner.wake(3_000)) == b""
    assert scanner.due_ms() is None
    assert journal.records[-1] == {"t_ms": 3_000, "unanswered": 1}


def test_a_lost_ack_makes_the_scanner_send_what_the_host_already_has() -> None:
    scanner, _ = one(Code(b"A1"), lost_ack=1.0)
    scanner.wake(0)
    scanner.receive(ACK, 10)

    assert data(scanner.wake(ACK_MS))[3] == 1


def test_a_host_that_asks_again_gets_every_code_through_noise() -> None:
    clock, journal = VirtualClock(0), MemoryJournal()
    plan = FaultPlan(noise=0.2, split=0.3)
    scanner = SsiScanner(code_stream(5), journal, seed=5, habit=Habit(50.0, count=200), faults=plan)
    scanner.opened(0)
    reader, got = PacketReader(), list[bytes]()
    while (due_ms := scanner.due_ms()) is not None:
        clock.ms = max(clock.ms, due_ms)
        found = [each for c in scanner.wake(clock.ms) for each in reader.feed(c.data, c.at_ms)]
        clock.ms += 1_000
        for each in found:
            if isinstance(each, Packet):
                if each.data not in got:
                    got.append(each.data)
                scanner.receive(ACK, clock.ms)
    sent = [bytes.fromhex(str(record["sent"])) for record in journal.records if "sent" in record]
    given_up = {record["unacknowledged"] for record in journal.records if "unacknowledged" in record}

    assert len(sent) == 200
    assert [raw[1:] for raw in got] == [code for n, code in enumerate(sent, 1) if n not in given_up]
