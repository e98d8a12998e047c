import re
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contract.escape import escape_id, unescape_id

any_text = st.text(st.characters(exclude_categories=())) | st.text("/+#.*> ~%$\x00", max_size=8)


@given(any_text)
@example("")
@example(".")
@example("..")
@example("~")
@example("~.")
@example("\ud800")
def test_escape_and_unescape_round_trip_for_any_text(text: str) -> None:
    assert unescape_id(escape_id(text)) == text


@given(any_text)
def test_escaped_id_is_one_safe_segment_for_any_text(text: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_~%-]+", escape_id(text))


@given(st.text().filter(lambda text: text not in {"", ".", ".."}))
def test_escaped_id_is_undone_by_any_percent_decoder(text: str) -> None:
    assert unquote(escape_id(text)) == text


@given(any_text, any_text)
def test_different_ids_never_share_an_encoding(one: str, other: str) -> None:
    assert (escape_id(one) == escape_id(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("00340123450000000017", "00340123450000000017"),
        ("(01)09501101530003(21)A/+#.", "%2801%2909501101530003%2821%29A%2F%2B%23%2E"),
        ("a b*>", "a%20b%2A%3E"),
        ("包裹", "%E5%8C%85%E8%A3%B9"),
        ("", "~"),
        (".", "~%2E"),
        ("..", "~%2E%2E"),
        ("~", "%7E"),
    ],
)
def test_escape_writes_everything_but_letters_digits_hyphen_and_underscore_as_bytes(text: str, escaped: str) -> None:
    assert escape_id(text) == escaped


@pytest.mark.parametrize("text", ["", "%", "%2", "%zz", "a/b", "a b", "a.b", "é", "%FF"])
def test_unescape_refuses_what_is_no_encoding(text: str) -> None:
    with pytest.raises(ValueError, match="Expected "):
        unescape_id(text)
