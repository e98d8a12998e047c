"""Profiles as people write them: what is read, what is refused, and with which words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contract.coldchain.profile import Freezing, Limit, Profile, Rule, Side
from contract.coldchain.profile_text import MAX_PROFILE_BYTES, check_profile, profile_json, read_profile
from contract.errors import ProfileUnusable
from contract.event import Quantity

ABOVE = Limit("above 8", Side.ABOVE, 800, allowed_s=1_800)
BELOW = Limit("below 2", Side.BELOW, 200)
FRIDGE = Profile("fridge", (ABOVE, BELOW))


IN_JSON = """{"name": "fridge", "limits": [
    {"name": "above 8", "side": "above", "threshold": 800, "allowed_s": 1800},
    {"name": "below 2", "side": "below", "threshold": 200}]}"""
IN_TOML = """\ufeffname = "fridge"  # as an editor may save it
[[limits]]
name = "above 8"
side = "above"
threshold = 800
allowed_s = 1800
[[limits]]
name = "below 2"
side = "below"
threshold = 200
"""


@pytest.mark.parametrize("text", [IN_JSON, IN_TOML], ids=["json", "toml"])
def test_profile_is_read_from_bytes(text: str) -> None:
    assert read_profile(text.encode()) == FRIDGE


def test_profile_of_humidity_is_read() -> None:
    dry = Profile("dry", (Limit("above 60", Side.ABOVE, 6_000),), quantity=Quantity.HUMIDITY_RH)

    assert read_profile(profile_json(dry)) == dry


@pytest.mark.parametrize(
    ("profile", "why"),
    [
        (replace(FRIDGE, limits=(ABOVE, ABOVE)), "limit 'above 8' stands twice"),
        (replace(FRIDGE, limits=(replace(ABOVE, threshold=-27_316),)), "threshold -273.16 °C cannot be"),
        (replace(FRIDGE, limits=(replace(ABOVE, threshold=200_001),)), "threshold 2000.01 °C cannot be"),
        (replace(FRIDGE, quantity=Quantity.HUMIDITY_RH, limits=(replace(BELOW, threshold=-1),)), "-0.01 % cannot be"),
        (replace(FRIDGE, limits=(ABOVE, replace(BELOW, threshold=800))), "leave nothing between them"),
        (replace(FRIDGE, limits=(ABOVE, replace(BELOW, threshold=900))), "exchange them or their sides"),
        (
            replace(FRIDGE, limits=(replace(ABOVE, rule=Rule.DUAL), replace(BELOW, rule=Rule.DUAL))),
            "give all of them the same allowed_s",
        ),
        (replace(FRIDGE, freezing=Freezing(50, 50)), "frozen at 50 is not below thawed at 50"),
        (replace(FRIDGE, name=" fridge"), "expected printable characters"),
        (replace(FRIDGE, limits=(replace(ABOVE, name="a\nb"),)), "name 'a\\nb'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_profile_that_cannot_be_judged_by_is_refused(profile: Profile, why: str) -> None:
    with pytest.raises(ProfileUnusable) as refused:
        read_profile(profile_json(profile))

    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Object missing required field `name`"),
        ("{", "Input data was truncated"),
        ('{"name": "x", "limits": [{"name": "a", "side": "above", "threshold": 8.0}]}', "Expected `int`, got `float`"),
        ('{"name": "x", "limits": [{"name": "a", "side": "up", "threshold": 8}]}', "Invalid enum value 'up'"),
        ('{"name": "x", "limits": [], "colour": 1}', "unknown field `colour`"),
        ('{"name": "x", "limits": [], "no_data_s": 0}', "Expected `int` >= 1"),
        ('name = "x', "Unterminated string"),
        (b"\xff\xfe\x00", "save it as UTF-8"),
        ('{"name": "' + "x" * MAX_PROFILE_BYTES, "expected 65536 at most"),
        ("[" * 20_000, "cannot be read"),
        ('{"name": ' + "[" * 20_000, "cannot be read"),
        ('{"name": "\\ud800", "limits": []}', "cannot be read"),
        ("name = '\ud800'", "cannot be read"),
    ],
)
def test_text_that_is_no_profile_is_refused_with_what_was_expected(text: str | bytes, why: str) -> None:
    with pytest.raises(ProfileUnusable) as refused:
        read_profile(text)

    assert why in str(refused.value)
    assert len(str(refused.value)) < 600


def test_profile_too_long_for_a_decision_is_refused() -> None:
    limits = tuple(Limit(f"{nr}" + "\\" * 250, Side.ABOVE, 800) for nr in range(16))

    with pytest.raises(ProfileUnusable, match="characters of JSON, expected"):
        check_profile(Profile("long", limits))


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_is_read_or_refused(data: bytes | str) -> None:
    try:
        profile = read_profile(data)
    except ProfileUnusable:
        return
    assert read_profile(profile_json(profile)) == profile
