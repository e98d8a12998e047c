import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import ScannerLineConfig
from agent.drivers.frames import EVIDENCE_BYTES, Code, Outcome, Reason, Rejection
from agent.drivers.scanner_line import LineScanner
from agent.drivers.sink import Signal
from contract.limits import MAX_CODE_BYTES

Transport = Callable[[bytes], list[bytes]]


def scanner(**settings: object) -> LineScanner:
    return LineScanner(ScannerLineConfig(name="scanner-line-1", port="/dev/null", **settings))  # type: ignore[arg-type]  # settings are the test's table


def received(decoder: LineScanner, pieces: list[bytes]) -> list[Outcome]:
    return [outcome for piece in pieces for outcome in decoder.feed(piece, 0.0)]


@pytest.mark.parametrize(
    ("settings", "wire", "code"),
    [
        ({}, b"ABC123\r", Code(b"ABC123")),
        ({}, b"ABC123\n", Code(b"ABC123")),
        ({}, b"ABC123\r\n", Code(b"ABC123")),
        ({}, b"]C100340123450000000018\r", Code(b"00340123450000000018", "]C1")),
        ({}, b"]d20109521234543213\x1d10LOT\r", Code(b"0109521234543213\x1d10LOT", "]d2")),
        ({"suffix": "\r\n"}, b"A\rB\nC\r\n", Code(b"A\rB\nC")),
        ({"suffix": "tab"}, b"ABC\t", Code(b"ABC")),
        ({"suffix": "EOT"}, b"ABC\x04", Code(b"ABC")),
        ({"prefix": "\x02", "suffix": "\x03\r"}, b"\x02]Q3a\r\n\tb\x03\r", Code(b"a\r\n\tb", "]Q3")),
        ({"prefix": "P-", "suffix": "-E\n"}, b"P-ABC P-1-E\n", Code(b"ABC P-1")),
        ({"aim": False}, b"]C1ABC\r", Code(b"]C1ABC")),
        ({"aim": True}, b"]C1ABC\r", Code(b"ABC", "]C1")),
        ({}, b"\x1b[2J\x00\x7f\xff<script>\r", Code(b"\x1b[2J\x00\x7f\xff<script>")),
        ({}, b"  \x1d \r", Code(b"  \x1d ")),
        ({}, b"]C\r", Code(b"]C")),
    ],
)
def test_code_is_the_bytes_between_its_framing(
    settings: dict[str, object], wire: bytes, code: Code, transport: Transport
) -> None:
    assert received(scanner(**settings), transport(wire)) == [code]


def test_codes_that_come_together_are_kept_apart(transport: Transport) -> None:
    wire = b"]C1A\r\n]C1B\r\n\r\n]C1C\r\n"
    assert received(scanner(), transport(wire)) == [Code(b"A", "]C1"), Code(b"B", "]C1"), Code(b"C", "]C1")]


def test_without_a_suffix_a_pause_ends_the_code(transport: Transport) -> None:
    decoder = scanner(suffix="none")
    assert received(decoder, transport(b"]C1AB\rCD")) == []
    assert decoder.next_deadline() == 0.05
    assert decoder.idle(0.05) == [Code(b"AB\rCD", "]C1")]
    assert decoder.next_deadline() is None


def test_a_code_without_its_end_is_refused_after_a_pause() -> None:
    decoder = scanner()
    decoder.feed(b"ABC", 2.0)
    assert decoder.next_deadline() == 3.0
    assert decoder.idle(3.0) == [Rejection(Reason.UNFINISHED, b"ABC", 3, scan=True)]
    assert decoder.feed(b"DEF\r", 4.0) == [Code(b"DEF")]


def test_stray_bytes_are_noise_without_a_tone_for_anyone() -> None:
    decoder = scanner()
    decoder.feed(b"\xff", 0.0)
    assert decoder.idle(1.0) == [Rejection(Reason.NOISE, b"\xff", 1)]


def test_half_a_code_is_forgotten_when_the_cable_is_plugged_in_again() -> None:
    decoder = scanner()
    decoder.feed(b"HALF", 0.0)
    assert decoder.opened(5.0) == [Rejection(Reason.UNFINISHED, b"HALF", 4, scan=True)]
    assert decoder.feed(b"WHOLE\r", 5.0) == [Code(b"WHOLE")]


def test_noise_before_the_prefix_is_cut_off(transport: Transport) -> None:
    decoder = scanner(prefix="\x02", suffix="\x03")
    assert received(decoder, transport(b"\xfe\xff\x02ABC\x03")) == [
        Rejection(Reason.NOISE, b"\xfe\xff", 2),
        Code(b"ABC"),
    ]


def test_two_codes_with_a_lost_end_between_them_are_refused_not_merged(transport: Transport) -> None:
    decoder = scanner(prefix="\x02", suffix="\x03")
    assert received(decoder, transport(b"\x02ABC\x02DEF\x03")) == [
        Rejection(Reason.MERGED, b"ABC\x02DEF", 7, scan=True)
    ]


def test_a_code_that_lost_its_aim_identifier_is_refused() -> None:
    assert scanner(aim=True).feed(b"1ABC\r", 0.0) == [Rejection(Reason.NO_AIM, b"1ABC", 4, scan=True)]


def test_the_largest_qr_code_is_kept_whole(transport: Transport) -> None:
    digits = b"0123456789" * 708 + b"012345678"
    assert len(digits) == 7089
    assert received(scanner(), transport(b"]Q1" + digits + b"\r")) == [Code(digits, "]Q1")]


@pytest.mark.parametrize("extra", [0, 1])
def test_the_limit_is_eight_kibibytes_of_code(extra: int, transport: Transport) -> None:
    outcomes = received(scanner(), transport(b"]Q1" + b"x" * (MAX_CODE_BYTES + extra) + b"\r"))
    if extra:
        assert [type(o) for o in outcomes] == [Rejection]
        assert outcomes[0].reason is Reason.TOO_LONG  # type: ignore[union-attr]  # asserted the line above
    else:
        assert outcomes == [Code(b"x" * MAX_CODE_BYTES, "]Q1")]


@pytest.mark.parametrize("suffix", [None, "\r\n", "\x03\r"])
def test_an_endless_line_gives_one_rejection_in_bounded_memory_and_the_next_code_is_read(suffix: str | None) -> None:
    decoder = scanner(suffix=suffix)
    endless = b"x" * 10_000_000
    tracemalloc.start()
    outcomes = decoder.feed(endless, 0.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(o.reason, o.evidence, o.scan) for o in outcomes if isinstance(o, Rejection)] == [
        (Reason.TOO_LONG, b"x" * EVIDENCE_BYTES, True)
    ]
    assert peak < 100_000
    assert decoder.feed(b"tail" + (suffix or "\r").encode() + b"NEXT" + (suffix or "\r").encode(), 0.1) == [
        Code(b"NEXT")
    ]


def test_feedback_is_written_back_only_where_it_is_configured() -> None:
    assert scanner(feedback=True).answer(Signal.UNEXPECTED, 0.0) == b"UNEXPECTED\r\n"
    assert scanner().answer(Signal.KEPT, 0.0) == b""


@given(
    st.lists(st.binary(max_size=40)),
    st.sampled_from([None, "\r\n", "none", "\x03\r"]),
    st.sampled_from(["", "\x02", "P"]),
    st.sampled_from([None, True, False]),
)
def test_any_bytes_become_codes_or_rejections(
    pieces: list[bytes], suffix: str | None, prefix: str, aim: bool | None
) -> None:
    decoder = scanner(suffix=suffix, prefix=prefix, aim=aim)
    outcomes = received(decoder, pieces) + decoder.idle(10.0)
    assert all(isinstance(o, Code | Rejection) for o in outcomes)
    assert all(len(o.evidence) <= EVIDENCE_BYTES for o in outcomes if isinstance(o, Rejection))
    assert all(o.raw for o in outcomes if isinstance(o, Code))
    assert decoder.next_deadline() is None


@given(st.lists(st.binary(min_size=1, max_size=50).filter(lambda b: b"\x03" not in b and not b.startswith(b"]"))))
def test_what_is_framed_is_read_back_exactly(codes: list[bytes]) -> None:
    wire = b"".join(code + b"\x03\r" for code in codes)
    assert received(scanner(suffix="\x03\r"), [wire]) == [Code(code) for code in codes]
