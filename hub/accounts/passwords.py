"""What may be a password: long, and none that is tried first.

After NIST SP 800-63B, 5.1.1.2: length counts, the commonest and those made of the name are refused, and no rule asks for a mix
of kinds of characters.
"""

from itertools import pairwise
from typing import Final

from hub.accounts.errors import PasswordGuessable, PasswordTooShort

MIN_PASSWORD_CHARS: Final = 12
MAX_PASSWORD_CHARS: Final = 1024
"""Hashing more would only burn time."""
MIN_DIFFERENT: Final = 5
"""Fewer different characters are a pattern."""
# What lists of leaked passwords have most often at twelve characters and more, without digits and signs behind.
_COMMON: Final = frozenset(
    {
        *(
            "administrator",
            "adminadmin",
            "adminadminadmin",
            "changeme",
            "changemenow",
            "changemeplease",
            "defaultpassword",
        ),
        *(
            "holdfast",
            "holdfasthub",
            "iloveyou",
            "iloveyousomuch",
            "letmein",
            "letmeinplease",
            "mypassword",
            "password",
        ),
        *("passwordpassword", "princessprincess", "qwerty", "qwertyqwerty", "qwertyuiop", "qwertyuiopasdfghjkl"),
        *(
            "superman",
            "supersecret",
            "temperature",
            "thisisapassword",
            "trustno",
            "unbelievable",
            "welcome",
            "welcomehome",
        ),
        *(
            "asdfghjkl",
            "zxcvbnm",
            "qazwsxedc",
            "qazwsxedcrfv",
            "correcthorsebatterystaple",
            "secretpassword",
            "operator",
        ),
    }
)
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def check_password(name: str, password: str) -> None:
    """Let pass what may be this person's password.

    Raises:
        PasswordTooShort: fewer than MIN_PASSWORD_CHARS characters.
        PasswordGuessable: it holds the name, is among the commonest, or runs along the alphabet, the digits or the keyboard.
    """
    if len(password) < MIN_PASSWORD_CHARS:
        raise PasswordTooShort("A password has at least {n} characters.", n=MIN_PASSWORD_CHARS)
    if len(password) > MAX_PASSWORD_CHARS:
        raise PasswordGuessable("A password has at most {n} characters.", n=MAX_PASSWORD_CHARS)
    plain = password.casefold()
    if name and name.casefold() in plain:
        raise PasswordGuessable("A password must not hold the name of its person.")
    letters = "".join(c for c in plain if c.isalpha())
    if letters in _COMMON or len(set(plain)) < MIN_DIFFERENT or _is_run(plain):
        raise PasswordGuessable(
            "This password is among the first that are tried; take a few words that nobody expects."
        )


def _is_run(text: str) -> bool:
    """Whether nearly every character follows from the one before: on in the alphabet, the digits, or on the keyboard."""
    steps = sum(abs(ord(b) - ord(a)) <= 1 or _beside(a, b) or a + b in {"90", "09"} for a, b in pairwise(text))
    return steps >= len(text) - 2


def _beside(a: str, b: str) -> bool:
    return any(a + b in row or b + a in row for row in _ROWS)
