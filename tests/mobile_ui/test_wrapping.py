"""Lines of Chinese, of long codes, and of what breaks at spaces anyway."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobile_ui.core.wrapping import NEVER_FIRST, wrapped


def advance(character: str) -> float:
    return 2.0 if ord(character) > 0x2000 else 1.0


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("Kept on the device", "Kept on the device"),
        ("! 两人的记录不一致", "! 两人的记\n录不一致"),
        ("两人的记录一致。", "两人的记录\n一致。"),
        ("两人的记录不一致。", "两人的记录\n不一致。"),
        ("一二三四五六七八九十。", "一二三四五\n六七八九\n十。"),
        ("12:00 送达 (陈伟)", "12:00 送达\n(陈伟)"),
        ("x  0034012345000020", "x  00340123\n45000020"),
        ("x  00340123456", "x  00340123\n456"),
        ("x  ", "x  "),
        ("一\n二", "一\n二"),
        ("", ""),
    ],
)
def test_lines_end_where_they_may(text: str, lines: str) -> None:
    assert wrapped(text, 11, advance) == lines


@given(st.lists(st.sampled_from(["一", "二，", "三。", " ", "ab", "(四", "\n"])).map("".join), st.integers(8, 30))
def test_nothing_is_lost_and_no_line_begins_with_a_stop(text: str, width: int) -> None:
    made = wrapped(text, width, advance)

    assert made.replace("\n", "").replace(" ", "") == text.replace("\n", "").replace(" ", "")
    own = {line[:1] for line in text.split("\n")}
    assert not {line[0] for line in made.split("\n") if line} & NEVER_FIRST - own
