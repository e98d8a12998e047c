"""Whom to tell: the file, its mode, and what is never shown of it."""

from pathlib import Path

import pytest

from hub.errors import Refused
from hub.notices.channel import usable, without_secrets
from hub.notices.finding import Kind
from hub.notices.targets import FILE, Rules, Target, add_target, read_settings, remove_target

DUTY = Target("duty", "mailtos://hub:s3cret@example.com?to=a@b.c", (Kind.EXCURSION,), ('Dock "4"', "仓库"), "zh")


def write(folder: Path, text: str) -> None:
    (folder / FILE).write_text(text)
    (folder / FILE).chmod(0o600)


def test_what_was_added_is_read_and_only_the_owner_may_read_it(tmp_path: Path) -> None:
    other = Target("chat", "tgram://1:token/2")
    add_target(tmp_path, DUTY)
    add_target(tmp_path, other)
    assert read_settings(tmp_path).targets == (DUTY, other)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


def test_a_target_goes_and_what_people_wrote_stays(tmp_path: Path) -> None:
    write(tmp_path, 'again_after = "5m" # soon\n')
    add_target(tmp_path, DUTY)
    add_target(tmp_path, Target("chat", "tgram://1/2"))
    remove_target(tmp_path, "duty")
    assert "# soon" in (tmp_path / FILE).read_text()
    settings = read_settings(tmp_path)
    assert [target.name for target in settings.targets] == ["chat"]
    assert settings.rules == Rules(again_ms=(300_000, 3_600_000))


def test_a_file_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    add_target(tmp_path, DUTY)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        read_settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[[targets]]\nname = 'a'\nurl = 'mailto://s3cret@x'\nkind = ['excursion']", "unknown field `kind`"),
        ("[[targets]]\nname = 'a'\nurl = 'mailto://s3cret@x'\nkinds = ['hot']", "Invalid enum value 'hot'"),
        ("[[targets]]\nname = 'a'\nurl = 's3cret'", "expected an address"),
        ("[[targets]]\nname = 'a b'\nurl = 'mailto://s3cret@x'", "a name is"),
        ("[[targets]]\nname = 'a'\nurl = 'mailto://s3cret@x'\nlanguage = 'de'", "expected en or zh"),
        ("[[targets]]\nname = 'a'\nurl = 'a://s3cret'\n[[targets]]\nname = 'a'\nurl = 'a://b'", "one name"),
        ("again_after = 'soon'", "expected a number and s, m, h or d"),
        ("zone = 'Mars/Olympus'", "no time zone"),
        ("zone = 'America'", "no time zone"),
        ("at_most = 1000", "expected 0 to 100"),
        ("[[targets", "docs/notices.md"),
    ],
)
def test_a_file_that_cannot_be_used_says_why_without_its_secrets(tmp_path: Path, text: str, why: str) -> None:
    write(tmp_path, text)
    with pytest.raises(Refused) as refused:
        read_settings(tmp_path)
    assert why in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_two_targets_cannot_have_one_name_and_none_goes_that_is_not_there(tmp_path: Path) -> None:
    add_target(tmp_path, DUTY)
    with pytest.raises(Refused, match="already"):
        add_target(tmp_path, DUTY)
    with pytest.raises(Refused, match="no target 'chat'"):
        remove_target(tmp_path, "chat")


@pytest.mark.parametrize(
    "text", ["targets = [{name = 'a', url = 'json://x'}]\n", "  [[targets]]\n  name = 'a'\n  url = 'json://x'\n"]
)
def test_a_file_in_another_form_is_left_as_it_is_and_says_so(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    with pytest.raises(Refused, match=r"change target 'a' there"):
        remove_target(tmp_path, "a")
    if text.startswith("targets"):
        with pytest.raises(Refused, match=r"change target 'b' there"):
            add_target(tmp_path, Target("b", "json://y"))
    assert (tmp_path / FILE).read_text() == text
    assert [target.name for target in read_settings(tmp_path).targets] == ["a"]


def test_a_password_with_signs_of_an_address_in_it_is_not_shown() -> None:
    assert (
        without_secrets("login with a@b@c@d failed", "mailtos://hub:a%40b%40c%40d@example.com") == "login with … failed"
    )


def test_addresses_are_never_shown_whole() -> None:
    assert DUTY.masked == "mailtos://…"
    assert "s3cret" not in repr(DUTY)
    assert Target("typo", "s3cret:s3cret@example.com").masked == "…"
    sentence = without_secrets("login of hub with s3cret at example.com\nfailed", DUTY.url)
    assert sentence == "login of hub with … at … failed"


def test_only_addresses_of_known_services_are_usable() -> None:
    assert usable("mailto://127.0.0.1?from=hub@example.com&to=duty@example.com")
    assert not usable("carrier-pigeon://loft")
