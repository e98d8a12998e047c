import pytest
from evdev import ecodes

from firmware_sim.adapters.hid_keys import STROKES, KeyEvent, Stroke, type_out

SYN = KeyEvent(0, 0, 0)


def test_a_letter_and_a_digit_are_typed_with_shift_where_needed() -> None:
    assert type_out(b"A1") == [
        KeyEvent(1, ecodes.KEY_LEFTSHIFT, 1),
        SYN,
        KeyEvent(1, ecodes.KEY_A, 1),
        SYN,
        KeyEvent(1, ecodes.KEY_A, 0),
        SYN,
        KeyEvent(1, ecodes.KEY_LEFTSHIFT, 0),
        SYN,
        KeyEvent(1, ecodes.KEY_1, 1),
        SYN,
        KeyEvent(1, ecodes.KEY_1, 0),
        SYN,
        KeyEvent(1, ecodes.KEY_ENTER, 1),
        SYN,
        KeyEvent(1, ecodes.KEY_ENTER, 0),
        SYN,
    ]


@pytest.mark.parametrize(
    ("char", "stroke"),
    [
        ("z", Stroke(ecodes.KEY_Z)),
        ("]", Stroke(ecodes.KEY_RIGHTBRACE)),
        ("/", Stroke(ecodes.KEY_SLASH)),
        (" ", Stroke(ecodes.KEY_SPACE)),
        ("`", Stroke(ecodes.KEY_GRAVE)),
        ("|", Stroke(ecodes.KEY_BACKSLASH, ecodes.KEY_LEFTSHIFT)),
        (":", Stroke(ecodes.KEY_SEMICOLON, ecodes.KEY_LEFTSHIFT)),
        ("\x1d", Stroke(ecodes.KEY_RIGHTBRACE, ecodes.KEY_LEFTCTRL)),
    ],
)
def test_keys_are_those_of_linux(char: str, stroke: Stroke) -> None:
    assert STROKES[ord(char)] == stroke


def test_every_printable_character_has_its_own_stroke() -> None:
    printable = [STROKES[byte] for byte in range(0x20, 0x7F)]

    assert len(set(printable)) == 95


def test_the_suffix_may_be_tab_or_nothing() -> None:
    assert type_out(b"", "none") == []
    assert type_out(b"", "tab")[0] == KeyEvent(1, ecodes.KEY_TAB, 1)


def test_a_byte_without_a_key_is_refused() -> None:
    with pytest.raises(ValueError, match="byte 0xe9 has no key"):
        type_out("é".encode("latin-1"))
