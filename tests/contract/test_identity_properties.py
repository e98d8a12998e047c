import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from contract.identity import Identity, checkdigit, display, identify, identity_report
from contract.limits import MAX_KEY_CHARS

AIMS = st.sampled_from(["", "]C1", "]d2", "]Q3", "]e0", "]Q1", "]d1", "]E0", "]E3", "]C0", "]X0"])
FRAGMENTS = st.sampled_from(
    [
        "00",
        "01",
        "21",
        "10",
        "420",
        "8003",
        "(00)",
        "(01)",
        "(21)",
        "\x1d",
        "https://",
        "a/",
        "01/",
        "?",
        "%2F",
        "HF:",
        "1Z",
        "JD",
        "RB",
        "GB",
        "340123450000000017",
        "09501101530003",
        " ",
        "\u0663",
        "\u200b",
        "\uff21",
        "\ud7ff",
    ]
)
codes = (
    st.binary(max_size=200)
    | st.text(max_size=100).map(str.encode)
    | st.lists(FRAGMENTS | st.text("0123456789", max_size=20), max_size=8).map(lambda parts: "".join(parts).encode())
)


@given(codes, AIMS)
@example(b"\x00" * 8192, "")
@example("\ufdfa".encode() * 2730, "]C1")
@example(b"https://a.example/01/?01=%ff", "")
@example(b"https://a.example" + b"/01" * 2700, "")
def test_any_bytes_have_a_bounded_printable_key_and_encode_as_json(raw: bytes, aim: str) -> None:
    identity = identify(raw, aim)

    assert 1 <= len(identity.key) <= MAX_KEY_CHARS
    assert identity.key.isprintable()
    assert identity.problem.isprintable()
    assert msgspec.json.decode(msgspec.json.encode(identity), type=Identity) == identity


@given(codes, AIMS)
def test_malformed_always_says_why(raw: bytes, aim: str) -> None:
    identity = identify(raw, aim)

    assert identity.problem or identity.kind != "malformed"


@given(codes, AIMS)
def test_report_agrees_with_the_identity_for_any_bytes(raw: bytes, aim: str) -> None:
    report, identity = identity_report(raw, aim), identify(raw, aim)

    assert (report.kind, report.key, report.candidates, report.problem) == (
        identity.kind,
        identity.key,
        identity.candidates,
        identity.problem,
    )
    assert msgspec.json.encode(report)


@given(st.text("0123456789", min_size=17, max_size=17))
def test_key_of_an_sscc_is_found_again_by_itself(payload: str) -> None:
    key = identify((payload + checkdigit.gs1(payload)).encode()).key

    assert identify(key.encode()).key == key


@given(codes)
def test_key_given_back_as_a_code_names_the_same_parcel(raw: bytes) -> None:
    identity = identify(raw)
    # Elements whose own value looks like further elements cannot be told apart in print.
    assume(not any("(" in value for _, value in identity.elements))

    assert identify(identity.key.encode()).key == identity.key


def _wrong_digits(right: str) -> st.SearchStrategy[str]:
    return st.sampled_from([digit for digit in "0123456789" if digit != right])


@pytest.mark.parametrize(
    ("before", "right", "after"),
    [
        ("34012345000000001", "7", ""),
        ("0034012345000000001", "7", ""),
        ("]C10034012345000000001", "7", ""),
        ("]C10034012345000000001", "7", "3705"),
        ("0034012345000000001", "7", "3705"),
        ("(00)34012345000000001", "7", "(37)05"),
        ("https://a.example/00/34012345000000001", "7", ""),
        ("590123412345", "7", ""),
        ("]E0590123412345", "7", ""),
        ("]E49638507", "4", ""),
        ("9638507", "4", ""),
        ("03600029145", "2", ""),
        ("1061414154321", "9", ""),
        ("010950110153000", "3", "21ABC"),
        ("]C1010950110153000", "3", "21ABC"),
        ("(01)0950110153000", "3", "(21)ABC"),
        ("]Q1https://a.example/01/0950110153000", "3", "/21/ABC"),
        ("]C1020950110153000", "3", "3705"),
        ("RB12345678", "5", "GB"),
        ("1Z5R8939035756712", "7", ""),
    ],
)
@given(data=st.data())
def test_changed_check_digit_is_always_said(before: str, right: str, after: str, data: st.DataObject) -> None:
    intact = identify(f"{before}{right}{after}".encode())
    damaged = identify(f"{before}{data.draw(_wrong_digits(right))}{after}".encode())

    assert intact.problem == ""
    # Twelve digits may pass a courier's own check digit instead of the GTIN's.
    confirmed = any("check digit correct" in candidate.reason for candidate in damaged.candidates)
    assert "check digit" in damaged.problem or (confirmed and damaged.kind == "carrier")
    assert not damaged.serialised
    assert damaged.key != intact.key


@given(st.binary(max_size=400))
def test_display_is_one_short_printable_line_for_any_bytes(raw: bytes) -> None:
    shown = display(raw)

    assert len(shown) <= 80
    assert shown.isprintable()


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"A\x1bB\x1d\x00", r"A\x1bB\x1d\x00"),
        ("\u202eabc\u200b".encode(), r"\u202eabc\u200b"),
        (b"\xff", r"\xff"),
        (b"9" * 80, "9" * 80),
        (b"9" * 7089, "9" * 79 + "…"),
        (b"9" * 77 + b"\x1b\x1b", "9" * 77 + "…"),
        (b"9" * 76 + b"\x1b", "9" * 76 + r"\x1b"),
        ("包".encode() * 81, "包" * 79 + "…"),
        (b"", ""),
    ],
)
def test_display_escapes_and_clips_between_characters(raw: bytes, shown: str) -> None:
    assert display(raw) == shown
