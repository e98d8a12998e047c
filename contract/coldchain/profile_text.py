"""Temperature profiles as people write them: JSON or TOML with the fields of `Profile`, values in hundredths."""

from collections import Counter
from typing import Final

import msgspec

from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.errors import ProfileUnusable
from contract.event import Quantity
from contract.limits import MAX_DETAIL_CHARS

MAX_PROFILE_BYTES: Final = 64 * 1024
"""Many times the largest usable profile, comments included."""
MAX_QUOTED_CHARS: Final = 200

RANGES: Final = {Quantity.TEMPERATURE_C: (-27_315, 200_000), Quantity.HUMIDITY_RH: (0, 10_000)}
"""What a threshold can be, in hundredths: from absolute zero to beyond any cold chain; from dry to saturated."""
UNITS: Final = {Quantity.TEMPERATURE_C: "°C", Quantity.HUMIDITY_RH: "%"}


def profile_json(profile: Profile) -> str:
    """The profile as canonical JSON: the same profile is always the same text."""
    return msgspec.json.encode(profile).decode()


def read_profile(data: bytes | str) -> Profile:
    """Read and check a profile.

    Args:
        data: JSON if it begins with a brace, else TOML; UTF-8.

    Raises:
        ProfileUnusable: it cannot be read, or cannot be judged by.
    """
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProfileUnusable(f"the profile is not text: {error}; save it as UTF-8") from error
    if len(text) > MAX_PROFILE_BYTES:
        raise ProfileUnusable(f"the profile has {len(text)} characters, expected {MAX_PROFILE_BYTES} at most")
    decode = msgspec.json.decode if text.lstrip().startswith("{") else msgspec.toml.decode
    try:
        profile = decode(text, type=Profile)
    except (msgspec.MsgspecError, RecursionError, UnicodeEncodeError) as error:
        raise ProfileUnusable(
            f"the profile cannot be read: {str(error)[:MAX_QUOTED_CHARS]}; "
            'expected JSON or TOML such as {"name": "fridge", "limits": '
            '[{"name": "above 8", "side": "above", "threshold": 800, "allowed_s": 1800}]}; 8 °C is 800'
        ) from error
    check_profile(profile)
    return profile


def check_profile(profile: Profile) -> None:
    """Make sure that a profile can be judged by.

    Raises:
        ProfileUnusable: it contradicts itself or nature.
    """
    for name in (profile.name, *(limit.name for limit in profile.limits)):
        if not name.isprintable() or name != name.strip():
            raise ProfileUnusable(
                f"name {name!r}: expected printable characters without space around them; choose another"
            )
    doubled = [name for name, times in Counter(limit.name for limit in profile.limits).items() if times > 1]
    if doubled:
        raise ProfileUnusable(
            f"limit {doubled[0]!r} stands twice; excursions are told by it, so give each limit its own name"
        )
    _check_thresholds(profile)
    if len({limit.allowed_s for limit in profile.limits if limit.rule is Rule.DUAL}) > 1:
        raise ProfileUnusable(
            "limits of rule dual share one budget but allow different times; give all of them the same allowed_s"
        )
    if profile.freezing.frozen >= profile.freezing.thawed:
        raise ProfileUnusable(
            f"freezing: frozen at {profile.freezing.frozen} is not below thawed at {profile.freezing.thawed}; "
            "leave room between them, so that noise does not count"
        )
    if len(text := profile_json(profile)) > MAX_DETAIL_CHARS:
        raise ProfileUnusable(f"the profile has {len(text)} characters of JSON, expected {MAX_DETAIL_CHARS} at most")


def _check_thresholds(profile: Profile) -> None:
    low, high = RANGES[profile.quantity]
    unit = UNITS[profile.quantity]
    for limit in profile.limits:
        if not low <= limit.threshold <= high:
            raise ProfileUnusable(
                f"limit {limit.name!r}: threshold {_told(limit.threshold)} {unit} cannot be; expected hundredths from {low} "
                f"to {high}, so that 8 {unit} is 800"
            )
    above = [limit for limit in profile.limits if limit.side is Side.ABOVE]
    below = [limit for limit in profile.limits if limit.side is Side.BELOW]
    for upper, lower in ((upper, lower) for upper in above for lower in below):
        if _crossed(upper, lower):
            raise ProfileUnusable(
                f"limits {lower.name!r} (below {_told(lower.threshold)} {unit}) and {upper.name!r} (above "
                f"{_told(upper.threshold)} {unit}) leave nothing between them; exchange them or their sides"
            )


def _crossed(upper: Limit, lower: Limit) -> bool:
    """Whether no value, or hardly one, keeps both."""
    return lower.threshold >= upper.threshold


def _told(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}"
