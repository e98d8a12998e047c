from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import ScannerSsiConfig
from agent.drivers.frames import Code, Outcome, Reason, Rejection, Write
from agent.drivers.scanner_ssi import ACK, NAK_DENIED, NAK_RESEND, SsiScanner
from agent.drivers.sink import Signal
from agent.drivers.ssi_packet import checksum
from contract.limits import MAX_CODE_BYTES

Transport = Callable[[bytes], list[bytes]]

CODE_128, GS1_128, QR = b"\x03", b"\x0f", b"\x1c"
DECODE_DATA, EVENT = 0xF3, 0xF6


def packet(data: bytes, *, opcode: int = DECODE_DATA, source: int = 0, status: int = 0) -> bytes:
    body = bytes((4 + len(data), opcode, source, status)) + data
    return body + checksum(body).to_bytes(2, "big")


def damaged(wire: bytes) -> bytes:
    return wire[:-1] + bytes((wire[-1] ^ 1,))


def scanner(aim: bool | None = None) -> SsiScanner:
    return SsiScanner(ScannerSsiConfig(name="scanner-ssi-1", port="/dev/null", aim=aim))


def received(decoder: SsiScanner, pieces: list[bytes], now_s: float = 0.0) -> list[Outcome]:
    return [outcome for piece in pieces for outcome in decoder.feed(piece, now_s)]


def test_host_packets_are_those_of_the_programmers_guide() -> None:
    assert bytes.fromhex("04d00400ff28") == ACK
    assert bytes.fromhex("05d1040001ff25") == NAK_RESEND


def test_code_is_acknowledged_with_a_beep_only_when_it_was_kept(transport: Transport) -> None:
    decoder = scanner()
    assert received(decoder, transport(packet(GS1_128 + b"10A\x1d21B"))) == [Code(b"10A\x1d21B", "]C1")]
    assert decoder.answer(Signal.KEPT, 0.1) == ACK + bytes.fromhex("05e6040000ff11")
    assert decoder.next_deadline() is None


@pytest.mark.parametrize(
    ("signal", "answer"),
    [
        (Signal.DUPLICATE, ACK + bytes.fromhex("05e6040001ff10")),
        (Signal.UNEXPECTED, ACK + bytes.fromhex("05e6040016fefb")),
        (Signal.REFUSED, NAK_DENIED + bytes.fromhex("05e6040011ff00")),
    ],
)
def test_each_signal_has_its_own_beep(signal: Signal, answer: bytes) -> None:
    decoder = scanner()
    decoder.feed(packet(CODE_128 + b"A"), 0.0)
    assert decoder.answer(signal, 0.0) == answer


def test_the_aim_identifier_in_the_data_is_preferred_to_the_code_type() -> None:
    assert scanner().feed(packet(CODE_128 + b"]C1ABC"), 0.0) == [Code(b"ABC", "]C1")]
    assert scanner(aim=False).feed(packet(CODE_128 + b"]C1ABC"), 0.0) == [Code(b"]C1ABC", "]C0")]


def test_a_damaged_packet_is_asked_for_again_when_the_line_pauses(transport: Transport) -> None:
    decoder = scanner()
    wire = damaged(packet(CODE_128 + b"ABC"))
    assert received(decoder, transport(wire), 1.0) == [Rejection(Reason.CHECKSUM, wire, len(wire))]
    assert decoder.next_deadline() == 1.2
    assert decoder.idle(1.2) == [Write(NAK_RESEND)]
    assert received(decoder, transport(packet(CODE_128 + b"ABC", status=1)), 1.3) == [Code(b"ABC", "]C0")]


def test_bytes_after_a_damaged_packet_are_ignored_until_the_line_pauses() -> None:
    decoder = scanner()
    outcomes = decoder.feed(damaged(packet(CODE_128 + b"ABC")) + packet(CODE_128 + b"DEF"), 0.0)
    assert [type(o) for o in outcomes] == [Rejection]
    assert decoder.feed(packet(CODE_128 + b"DEF"), 0.1) == []
    assert decoder.next_deadline() == pytest.approx(0.3)


def test_half_a_packet_is_given_up_after_the_character_gap() -> None:
    decoder = scanner()
    decoder.feed(packet(CODE_128 + b"ABC")[:6], 0.0)
    assert decoder.idle(0.2) == [Rejection(Reason.UNFINISHED, packet(CODE_128 + b"ABC")[:6], 6), Write(NAK_RESEND)]


def test_a_retransmission_of_what_was_acknowledged_is_not_delivered_again(transport: Transport) -> None:
    decoder = scanner()
    decoder.feed(packet(CODE_128 + b"ABC"), 0.0)
    decoder.answer(Signal.KEPT, 0.1)
    assert received(decoder, transport(packet(CODE_128 + b"ABC", status=1)), 2.0) == [Write(ACK)]


def test_a_retransmission_during_a_slow_commit_waits_for_its_answer() -> None:
    decoder = scanner()
    wire = packet(CODE_128 + b"ABC") + packet(CODE_128 + b"ABC", status=1)
    assert decoder.feed(wire, 0.0) == [Code(b"ABC", "]C0")]
    assert decoder.answer(Signal.KEPT, 2.5).startswith(ACK)
    assert decoder.answer(Signal.KEPT, 2.5) == b""


def test_the_same_code_scanned_anew_is_delivered_anew() -> None:
    decoder = scanner()
    decoder.feed(packet(CODE_128 + b"ABC"), 0.0)
    decoder.answer(Signal.KEPT, 0.1)
    assert decoder.feed(packet(CODE_128 + b"ABC"), 1.0) == [Code(b"ABC", "]C0")]


def test_the_same_code_scanned_anew_and_damaged_is_not_taken_for_the_old_one() -> None:
    decoder = scanner()
    decoder.feed(packet(CODE_128 + b"ABC"), 0.0)
    decoder.answer(Signal.KEPT, 0.1)
    decoder.feed(damaged(packet(CODE_128 + b"ABC")), 1.0)
    decoder.idle(1.2)
    assert decoder.feed(packet(CODE_128 + b"ABC", status=1), 1.3) == [Code(b"ABC", "]C0")]


def test_a_refused_code_may_be_sent_again_and_kept() -> None:
    decoder = scanner()
    decoder.feed(packet(CODE_128 + b"ABC"), 0.0)
    assert decoder.answer(Signal.REFUSED, 0.1).startswith(NAK_DENIED)
    assert decoder.feed(packet(CODE_128 + b"ABC", status=1), 0.2) == [Code(b"ABC", "]C0")]


def test_what_was_kept_before_the_cable_was_pulled_is_known_after(transport: Transport) -> None:
    decoder = scanner()
    decoder.feed(packet(CODE_128 + b"ABC"), 0.0)
    decoder.answer(Signal.KEPT, 0.1)
    decoder.opened(1.5)
    assert received(decoder, transport(packet(CODE_128 + b"ABC", status=1)), 2.0) == [Write(ACK)]


def test_packets_of_one_message_are_joined_and_each_acknowledged(transport: Transport) -> None:
    decoder = scanner()
    # Equal packets in a row are data, not retransmissions.
    wire = packet(QR + b"0" * 250, status=2) * 2 + packet(QR + b"end")
    assert received(decoder, transport(wire)) == [Write(ACK), Write(ACK), Code(b"0" * 500 + b"end", "]Q1")]


def test_a_retransmitted_part_is_joined_once() -> None:
    decoder = scanner()
    decoder.feed(packet(QR + b"one", status=2), 0.0)
    assert decoder.feed(packet(QR + b"one", status=3), 2.0) == [Write(ACK)]
    assert decoder.feed(packet(QR + b"two"), 2.1) == [Code(b"onetwo", "]Q1")]


def test_a_message_that_stops_half_way_is_not_joined_to_the_next_scan() -> None:
    decoder = scanner()
    decoder.feed(packet(QR + b"half", status=2), 0.0)
    assert decoder.next_deadline() == 5.0
    assert decoder.idle(5.0) == [Rejection(Reason.UNFINISHED, QR + b"half", 5)]
    assert decoder.feed(packet(QR + b"next"), 6.0) == [Code(b"next", "]Q1")]


def test_a_message_is_forgotten_when_the_scanner_gave_up_after_three_damaged_sendings() -> None:
    decoder = scanner()
    decoder.feed(packet(QR + b"half", status=2), 0.0)
    for i in range(3):
        decoder.feed(damaged(packet(QR + b"rest")), 0.5 * i)
        last = decoder.idle(0.5 * i + 0.2)
    assert last == [Write(NAK_RESEND), Rejection(Reason.UNFINISHED, QR + b"half", 5)]
    assert decoder.feed(packet(QR + b"next"), 2.0) == [Code(b"next", "]Q1")]


def test_another_code_type_ends_a_message() -> None:
    decoder = scanner()
    decoder.feed(packet(QR + b"half", status=2), 0.0)
    assert decoder.feed(packet(CODE_128 + b"ABC"), 1.0) == [
        Rejection(Reason.UNFINISHED, QR + b"half", 5),
        Code(b"ABC", "]C0"),
    ]


def test_a_message_beyond_the_limit_is_refused_whole() -> None:
    decoder = scanner()
    for _ in range(50):
        decoder.feed(packet(QR + b"x" * 250, status=2), 0.0)
    (rejection,) = decoder.feed(packet(QR + b"end"), 0.0)
    assert isinstance(rejection, Rejection)
    assert (rejection.reason, rejection.scan) == (Reason.TOO_LONG, True)
    assert rejection.size <= MAX_CODE_BYTES + 4
    assert decoder.answer(Signal.REFUSED, 0.0).startswith(NAK_DENIED)


def test_the_scanners_own_answers_and_events_are_no_codes() -> None:
    decoder = scanner()
    assert decoder.feed(packet(b"", opcode=0xD0) + packet(b"\x02", opcode=0xD1), 0.0) == []
    assert decoder.feed(packet(b"\x01", opcode=EVENT), 0.0) == [Write(ACK)]
    assert decoder.feed(packet(b"X", opcode=0xA4), 0.0) == [Rejection(Reason.UNSUPPORTED, b"X", 1), Write(ACK)]
    assert decoder.feed(packet(CODE_128 + b"X", source=4), 0.0) == [Rejection(Reason.UNSUPPORTED, b"\x03X", 2)]


@given(st.lists(st.binary(max_size=300)))
def test_any_bytes_become_codes_rejections_or_answers(pieces: list[bytes]) -> None:
    decoder = scanner()
    for i, piece in enumerate(pieces):
        for outcome in decoder.feed(piece, float(i)):
            assert isinstance(outcome, Code | Rejection | Write)
        deadline = decoder.next_deadline()
        if deadline is not None:
            decoder.idle(deadline)
        assert len(decoder._buffer) + len(decoder._message) <= MAX_CODE_BYTES + 300


@given(st.lists(st.binary(min_size=1, max_size=240).filter(lambda b: not b.startswith(b"]")), max_size=8))
def test_every_code_sent_is_read_back_exactly(codes: list[bytes]) -> None:
    wire = b"".join(packet(CODE_128 + code) for code in codes)
    assert received(scanner(), [wire]) == [Code(code, "]C0") for code in codes]
