import pytest

from hub.accounts.errors import PasswordGuessable, PasswordTooShort
from hub.accounts.passwords import check_password
from hub.accounts.secrets import new_password


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "PASSWORD2026!",
        "Administrator1",
        "changeme-2026!!",
        "holdfast12345",
        "qwertyuiop123",
        "123456789012",
        "abcdefghijkl",
        "aaaaaaaaaaaaa",
        "abababababab",
        "w.chen-2026-secret",
        "W.CHEN and more words",
        "x" * 1025,
    ],
)
def test_what_is_tried_first_is_no_password(password: str) -> None:
    with pytest.raises(PasswordGuessable):
        check_password("w.chen", password)


def test_eleven_characters_are_too_few_however_odd() -> None:
    with pytest.raises(PasswordTooShort, match=r"A password has at least 12 characters\."):
        check_password("w.chen", "q7#Lz!0vPe_")


@pytest.mark.parametrize(
    "password",
    ["correct horse battery", "四匹马走过了三座桥到了很远的地方", "dock four smells of rain", "q7#Lz!0vPe_9"],
)
def test_long_and_unexpected_is_enough(password: str) -> None:
    check_password("w.chen", password)


def test_passwords_made_at_random_pass_their_own_rules() -> None:
    for _ in range(200):
        check_password("admin", new_password())
