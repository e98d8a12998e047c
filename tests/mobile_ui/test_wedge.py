"""A scanner that types: whatever holds its keys up, a code is read whole or told as lost, and never cut."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_ui.core.wedge import (
    FUNCTION_KEYS,
    LEAST_CHARS,
    MAX_CHARS,
    PAUSE_S,
    REMAINDER_S,
    REPEAT_S,
    Held,
    Kind,
    Press,
    Read,
    Wedge,
    sign_of,
    typed,
)

QUICK_S = 0.01
CODE = "0034012345"
FRAME_S = 1 / 60


def hear(
    text: str,
    gaps_s: Sequence[float],
    frames_s: Iterable[float] = (),
    *,
    wedge: Wedge | None = None,
    from_s: float = 0.0,
    in_field: bool = False,
    rests: bool = True,
) -> list[Read]:
    """What is told of a text whose keys come so long after each other, before a window that is busy for these times.

    The window goes on hearing for two pauses, frame by frame.
    """
    wedge = wedge or Wedge()
    pressed_s, at_s = [], from_s
    for gap_s in gaps_s:
        at_s += gap_s
        pressed_s.append(at_s)
    end_s = at_s + (2 * PAUSE_S if rests else 0)
    told, frame, before_s, now_s = [], iter(frames_s), from_s, from_s
    while before_s < end_s:
        told.append(wedge.rest(before_s))
        before_s, now_s = now_s, now_s + next(frame, FRAME_S)
        for n in range(bisect_left(pressed_s, before_s), bisect_left(pressed_s, now_s)):
            told.append(wedge.key(text[n], now_s, before_s, in_field=in_field))
    return [read for read in told if read is not None]


def quick(text: str, **stalls_s: float) -> list[float]:
    """The gaps of a scanner; `k3=2.0` holds up its key 3."""
    return [stalls_s.get(f"k{n}", QUICK_S) for n in range(len(text))]


# -- whole or told -------------------------------------------------------------------------------------------------------

CODES = st.text("0123456789AB", min_size=LEAST_CHARS, max_size=24)
FRAMES = st.lists(st.floats(0.005, 2.5), max_size=30)
STALLS = st.one_of(st.just(QUICK_S), st.floats(0.001, REMAINDER_S - 0.1))


def gaps(data: st.DataObject, text: str, longest: st.SearchStrategy[float]) -> list[float]:
    return data.draw(st.lists(longest, min_size=len(text), max_size=len(text)))


@given(st.data(), CODES, FRAMES, st.booleans())
def test_whatever_holds_keys_up_no_part_of_a_code_is_a_code(
    data: st.DataObject, code: str, frames_s: list[float], in_field: bool
) -> None:
    line = f"{code}\n"
    told = hear(line, gaps(data, line, STALLS), frames_s, in_field=in_field)

    assert {read.text for read in told if read.kind is Kind.CODE} <= {code}
    if not in_field:
        assert told, "silence"


@given(st.data(), CODES, FRAMES)
def test_a_code_without_a_pause_is_read_over_any_frames(data: st.DataObject, code: str, frames_s: list[float]) -> None:
    line = f"{code}\n"

    assert hear(line, gaps(data, line, st.floats(0.001, PAUSE_S - 0.001)), frames_s) == [Read(Kind.CODE, code)]


@given(st.data(), CODES, CODES, FRAMES)
def test_the_code_behind_a_cut_one_is_whole_or_told_too(
    data: st.DataObject, one: str, other: str, frames_s: list[float]
) -> None:
    line = f"{one}\n{other}\n"
    told = hear(line, gaps(data, line, STALLS), frames_s)

    assert {read.text for read in told if read.kind is Kind.CODE} <= {one, other}
    assert len(told) >= 2


@given(st.integers(2, len(CODE)), st.floats(0.06, PAUSE_S - 0.02))
def test_one_hiccup_does_not_matter_in_a_field_either(at: int, stall_s: float) -> None:
    line = f"{CODE}\n"

    assert hear(line, quick(line, **{f"k{at}": stall_s}), in_field=True) == [Read(Kind.CODE, CODE)]


# -- what is told --------------------------------------------------------------------------------------------------------


def test_a_cut_code_is_told_at_once_and_its_rest_is_no_code() -> None:
    line = f"{CODE}\n"

    assert hear(line, quick(line, k5=3.0)) == [Read(Kind.PART, CODE[:5]), Read(Kind.PART, CODE[5:])]
    assert hear(line, quick(line, k10=3.0)) == [Read(Kind.PART, CODE), Read(Kind.PART, "")]
    assert hear(line, quick(line, k2=3.0)) == [Read(Kind.PART, CODE[2:])]


def test_after_its_rest_the_code_is_read_again() -> None:
    wedge, line = Wedge(), f"{CODE}\n"
    hear(line, quick(line, k5=3.0), wedge=wedge)

    assert hear(line, quick(line), wedge=wedge, from_s=10.0) == [Read(Kind.CODE, CODE)]


def test_keys_that_nobody_ended_are_forgotten_in_the_end() -> None:
    wedge, line = Wedge(), f"{CODE}\n"
    hear("x", [QUICK_S], wedge=wedge)

    assert hear(line, quick(line), wedge=wedge, from_s=REMAINDER_S + 1) == [Read(Kind.CODE, CODE)]


def test_a_scanner_without_an_end_is_told_from_a_cut_code_at_its_second_one() -> None:
    wedge = Wedge()

    assert hear(CODE, quick(CODE), wedge=wedge) == [Read(Kind.PART, CODE)]
    assert hear(CODE, quick(CODE), wedge=wedge, from_s=5.0) == [Read(Kind.ENDLESS, CODE)]


def test_keys_pressed_one_by_one_are_nothing_to_tell() -> None:
    assert hear("asdf", [0.3] * 4) == []
    assert hear("a\n", [0.3] * 2) == []


def test_a_short_burst_is_told_too() -> None:
    assert hear("12\n", quick("12\n")) == [Read(Kind.PART, "12")]


def test_more_than_a_code_can_have_is_told_and_not_cut() -> None:
    line = "7" * (MAX_CHARS + 10) + "\n"

    assert {read.kind for read in hear(line, [0.0001] * len(line))} == {Kind.PART}


def test_keys_of_a_code_that_began_elsewhere_are_no_code() -> None:
    wedge, line = Wedge(), f"{CODE}\n"
    wedge.listen(0.0)

    assert hear(line, quick(line), wedge=wedge) == [Read(Kind.PART, CODE)]
    assert hear(line, quick(line), wedge=wedge, from_s=5.0) == [Read(Kind.CODE, CODE)]


def test_behind_the_second_finger_a_code_began_here() -> None:
    line = f"{CODE}\n"
    for fingers, kind in enumerate((Kind.PART, Kind.PART, Kind.CODE)):
        wedge = Wedge()
        wedge.listen(0.0)
        for _ in range(fingers):
            wedge.touch()

        # Frames are slow: of time nothing is known.
        assert hear(line, quick(line), [2.0], wedge=wedge) == [Read(kind, CODE)]


def test_fingers_in_the_middle_of_a_code_do_not_make_its_rest_whole() -> None:
    wedge, line = Wedge(), f"{CODE}\n"
    wedge.listen(0.0)
    hear(CODE[:5], quick(CODE[:5]), wedge=wedge, rests=False)
    wedge.touch()
    wedge.touch()

    assert hear(line[5:], quick(line[5:]), wedge=wedge, from_s=0.2) == [Read(Kind.PART, CODE)]

    hear(CODE[:5], quick(CODE[:5]), wedge=wedge, from_s=5.0)
    wedge.touch()
    wedge.touch()
    assert hear(line[5:], quick(line[5:]), wedge=wedge, from_s=9.0) == [Read(Kind.PART, CODE[5:])]


# -- beside a person -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame_s", [FRAME_S, 0.3])
def test_what_a_person_types_into_a_field_is_theirs(frame_s: float) -> None:
    assert hear("Li Na\n", [0.2] * 6, [frame_s] * 100, in_field=True) == []
    assert hear("Li\n", quick("Li\n"), [frame_s] * 100, in_field=True) == []


def test_a_code_behind_what_a_person_types_is_told_and_is_taken_out_alone() -> None:
    line = f"Li{CODE}\n"

    assert hear(line, [0.2, 0.2, 0.5, *[QUICK_S] * len(CODE)], in_field=True) == [Read(Kind.PART, CODE)]


def test_the_rest_of_a_code_is_no_code_where_its_beginning_went_into_a_field() -> None:
    line = f"{CODE}\n"

    assert hear(line, quick(line, k5=3.0), in_field=True) == [Read(Kind.PART, CODE[5:])]
    assert hear(line, quick(line, k10=3.0), in_field=True) == [Read(Kind.PART, "")]


def test_what_was_typed_before_a_finger_came_is_not_the_beginning_of_a_code() -> None:
    for late in (False, True):
        wedge, line = Wedge(), f"{CODE}\n"
        hear("w.chen", [0.01] * 6, wedge=wedge, in_field=True, rests=late)
        wedge.touch()

        assert hear(line, quick(line), wedge=wedge, from_s=4.0) == [Read(Kind.CODE, CODE)]


# -- keys ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "held", "made"),
    [
        ("a", {}, "a"),
        ("a", {"shift": True}, "A"),
        (";", {"shift": True}, ":"),
        ("]", {"control": True}, "\x1d"),
        ("c", {"control": True}, ""),
        ("\x1b", {}, ""),
        ("", {}, ""),
        ("2", {"shift": True}, "@"),
    ],
)
def test_keys_are_read_as_a_scanner_means_them(key: str, held: dict[str, bool], made: str) -> None:
    assert typed(key, **held) == made


@pytest.mark.parametrize(
    ("number", "heard", "sign"),
    [(104, "h", "h"), (304, "İ", ""), (276, "Ĕ", ""), (257, "ā", "1"), (270, "Ď", "+"), (9, None, "")],
)
def test_keys_without_a_sign_make_none(number: int, heard: str | None, sign: str) -> None:
    assert sign_of(number, heard) == sign


def test_a_key_that_is_held_repeats_itself_and_one_that_is_pressed_again_does_not() -> None:
    held = Held()

    assert held.down(48, 0.0, 0.0) is Press.FRESH
    # Its release was swallowed.
    assert held.down(48, 0.01, 0.0) is Press.FRESH
    assert held.down(48, 0.5, 0.48) is Press.REPEAT
    assert held.down(48, 0.54, 0.52) is Press.REPEAT
    held.up(48)
    assert held.down(48, 0.6, 0.58) is Press.FRESH


def test_a_key_heard_again_after_a_slow_frame_may_be_either() -> None:
    held = Held()
    held.down(48, 1.0, 0.9)

    assert held.down(48, 1.0 + 2 * REPEAT_S, 1.0) is Press.UNSURE
    held.forget()
    assert held.down(48, 3.0, 2.0) is Press.FRESH


def test_a_key_behind_another_is_no_repeat_however_slow_the_frame() -> None:
    held = Held()
    shift = FUNCTION_KEYS.start
    assert [held.down(number, 1.4, 1.0) for number in (45, 52, 45)] == [Press.FRESH] * 3
    held.down(shift, 1.4, 1.0)
    # Shift does not end what is held.
    assert held.down(45, 1.4, 1.0) is Press.UNSURE


def test_a_code_with_a_doubtful_key_is_told() -> None:
    wedge = Wedge()
    for n, character in enumerate("0034"):
        wedge.key(character, n / 100, n / 100)
    wedge.spoil(0.05)

    assert wedge.key("\n", 0.05, 0.05) == Read(Kind.PART, "0034")
