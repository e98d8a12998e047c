"""Passwords, session and token secrets: how they are made and what of them is kept."""

import secrets
from functools import cache
from hashlib import sha256
from typing import Final

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

SECRET_BYTES: Final = 32
"""256 random bits cannot be guessed, so a plain hash of them is enough to keep."""
PASSWORD_GROUPS: Final = 5
PASSWORD_GROUP_CHARS: Final = 4
_ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""No letter that is read as another when a password is copied by hand; 20 of them are 99 bits."""
TOKEN_PREFIX: Final = "hf_"  # noqa: S105 # a mark that secret scanners can look for, not a secret

_hasher = PasswordHash((Argon2Hasher(),))


@cache
def _nobody() -> str:
    return _hasher.hash("compared when there is no such person, so that both answers take as long")


def new_password() -> str:
    """A random password that a person can copy from paper."""
    return "-".join(
        "".join(secrets.choice(_ALPHABET) for _ in range(PASSWORD_GROUP_CHARS)) for _ in range(PASSWORD_GROUPS)
    )


def hash_password(password: str) -> str:
    """Argon2id (RFC 9106) in its text form, salt and cost included."""
    return _hasher.hash(password)


def password_fits(password: str, password_hash: str | None) -> bool:
    """Whether this is the password; takes as long when there is no such person (`password_hash` None)."""
    # Made at the first comparison, whoever it is about: every start of the hub and each of its commands would pay for it.
    nobody = _nobody()
    try:
        fits = _hasher.verify(password, password_hash or nobody)
    except UnknownHashError:
        return False
    return fits and password_hash is not None


def new_secret() -> str:
    """A session secret, as text for a cookie."""
    return secrets.token_urlsafe(SECRET_BYTES)


def new_token() -> str:
    """A key for a program."""
    return TOKEN_PREFIX + new_secret()


def secret_hash(secret: str) -> bytes:
    """What is kept of a session secret or token (32 bytes)."""
    return sha256(secret.encode()).digest()
