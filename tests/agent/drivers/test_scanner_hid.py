import struct
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import ScannerHidConfig
from agent.drivers.frames import Code, Outcome, Reason, Rejection
from agent.drivers.scanner_hid import EVENT, PLAIN, SHIFTED, HidScanner
from contract.limits import MAX_CODE_BYTES

Transport = Callable[[bytes], list[bytes]]

SHIFT, CTRL, ALT, ENTER, TAB, CAPS, F1, KEYPAD_ENTER = 42, 29, 56, 28, 15, 58, 59, 96
KEY_OF = {char: key for key, char in PLAIN.items() if key < 58}
SHIFTED_KEY_OF = {char: key for key, char in SHIFTED.items() if key < 55 and char not in KEY_OF}


def event(code: int, value: int, kind: int = 1) -> bytes:
    return struct.pack("@llHHi", 1_700_000_000, 5, kind, code, value)


SYN = event(0, 0, kind=0)


def press(*keys: int) -> bytes:
    """Hold all keys down in order, then let go in reverse, as scanners send chords."""
    down = b"".join(event(4, key, kind=4) + event(key, 1) + SYN for key in keys)
    return down + b"".join(event(key, 0) + SYN for key in reversed(keys))


def typed(text: str) -> bytes:
    return b"".join(press(KEY_OF[c]) if c in KEY_OF else press(SHIFT, SHIFTED_KEY_OF[c]) for c in text)


def scanner(**settings: object) -> HidScanner:
    return HidScanner(ScannerHidConfig(name="hid", port="/dev/input/event0", **settings))  # type: ignore[arg-type]  # settings are the test's table


def received(decoder: HidScanner, pieces: list[bytes], now_s: float = 0.0) -> list[Outcome]:
    return [outcome for piece in pieces for outcome in decoder.feed(piece, now_s)]


def test_an_event_is_as_long_as_the_kernels_on_this_machine() -> None:
    assert EVENT.size == 2 * struct.calcsize("@l") + 8


@pytest.mark.parametrize("end", [ENTER, TAB, KEYPAD_ENTER])
def test_keys_up_to_enter_or_tab_are_a_code(end: int, transport: Transport) -> None:
    wire = typed("]C1Ab-9 /~{}|\"'\\`") + press(end)
    assert received(scanner(), transport(wire)) == [Code(b"Ab-9 /~{}|\"'\\`", "]C1")]


def test_every_printable_ascii_character_can_be_typed() -> None:
    text = "".join(chr(c) for c in range(0x20, 0x7F))
    assert scanner(aim=False).feed(typed(text) + press(ENTER), 0.0) == [Code(text.encode())]


def test_group_separator_comes_as_control_with_a_key_or_as_alt_with_digits(transport: Transport) -> None:
    closing_bracket = KEY_OF["]"]
    alt_029 = event(ALT, 1) + press(82) + press(80) + press(73) + event(ALT, 0)
    wire = typed("10a") + press(CTRL, closing_bracket) + typed("21b") + alt_029 + typed("c") + press(ENTER)
    assert received(scanner(), transport(wire)) == [Code(b"10a\x1d21b\x1dc")]


def test_key_repeats_and_releases_type_nothing() -> None:
    wire = event(30, 1) + event(30, 2) + event(30, 2) + event(30, 0) + press(ENTER)
    assert scanner().feed(wire, 0.0) == [Code(b"a")]


def test_caps_lock_changes_letters_only() -> None:
    wire = press(CAPS) + typed("aB1") + press(CAPS) + typed("c") + press(ENTER)
    assert scanner().feed(wire, 0.0) == [Code(b"Ab1c")]


def test_an_unknown_key_refuses_the_whole_code() -> None:
    wire = typed("ab") + press(F1) + typed("c") + press(ENTER) + typed("next") + press(ENTER)
    assert scanner().feed(wire, 0.0) == [Rejection(Reason.UNKNOWN_KEY, b"abc", 3, scan=True), Code(b"next")]


def test_events_dropped_by_the_kernel_refuse_the_code_they_belonged_to() -> None:
    wire = typed("ab") + event(3, 0, kind=0) + typed("cd") + press(ENTER)
    assert scanner().feed(wire, 0.0) == [Rejection(Reason.OVERRUN, b"abcd", 4, scan=True)]


def test_a_pause_ends_a_code_only_where_it_is_configured_to() -> None:
    by_gap, by_key = scanner(end="gap"), scanner()
    for decoder in (by_gap, by_key):
        assert decoder.feed(typed("abc"), 1.0) == []
    assert by_gap.next_deadline() == 1.15
    assert by_gap.idle(1.15) == [Code(b"abc")]
    assert by_key.next_deadline() == 2.0
    assert by_key.idle(2.0) == [Rejection(Reason.UNFINISHED, b"abc", 3, scan=True)]


def test_shift_held_when_the_scanner_was_unplugged_is_not_held_after() -> None:
    decoder = scanner()
    decoder.feed(event(SHIFT, 1), 0.0)
    decoder.opened(1.0)
    assert decoder.feed(typed("a") + press(ENTER), 1.0) == [Code(b"a")]


@pytest.mark.parametrize(("size", "kept"), [(MAX_CODE_BYTES, True), (MAX_CODE_BYTES + 1, False), (50_000, False)])
def test_codes_beyond_the_limit_are_refused_in_bounded_memory(size: int, kept: bool) -> None:
    decoder = scanner()
    out = decoder.feed(event(30, 1) * size + press(ENTER), 0.0)
    assert isinstance(out[0], Code if kept else Rejection)
    assert len(decoder._code) == 0
    assert decoder.feed(typed("next") + press(ENTER), 0.0) == [Code(b"next")]


def pieces() -> st.SearchStrategy[list[bytes]]:
    events = st.builds(event, st.integers(0, 130), st.integers(0, 2), st.sampled_from([0, 1, 1, 1, 4]))
    return st.lists(st.one_of(events, st.binary(max_size=30)))


@given(pieces(), st.sampled_from(["key", "gap"]))
def test_any_bytes_become_codes_or_rejections(chunks: list[bytes], end: str) -> None:
    decoder = scanner(end=end)
    outcomes = received(decoder, chunks) + decoder.idle(9.0)
    assert all(isinstance(o, Code | Rejection) for o in outcomes)
    assert decoder.next_deadline() is None


def printable() -> Iterator[str]:
    return (chr(c) for c in range(0x20, 0x7F))


@given(st.lists(st.text(list(printable()), min_size=1, max_size=30)))
def test_what_is_typed_is_read_back_exactly(codes: list[str]) -> None:
    wire = b"".join(typed(code) + press(ENTER) for code in codes)
    assert scanner(aim=False).feed(wire, 0.0) == [Code(code.encode()) for code in codes]
