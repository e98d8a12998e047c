"""Changes to accounts, each with its line in the audit trail. `tx` is an open write transaction of the hub's one writer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from hub.accounts.errors import LifetimeUnusable, NameTaken, NameUnknown, NameUnusable, PasswordTooShort
from hub.accounts.roles import Role
from hub.accounts.secrets import hash_password, new_password, new_secret, new_token, secret_hash
from hub.accounts.tables import api_token, audit_trail, user_account, user_session

AT_THE_MACHINE: Final = "command line"
"""Who acts when an administration command does."""
SESSION_MS: Final = 12 * 3_600_000
"""A long shift; a wall display signs in with a viewer of its own."""
DAY_MS: Final = 86_400_000
MAX_TOKEN_DAYS: Final = 3650
MIN_PASSWORD_CHARS: Final = 12
_NAME: Final = re.compile(r"[\w.@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class User:
    """A person as listed."""

    name: str
    role: Role
    created_at_ms: int
    disabled_at_ms: int | None


def create_user(
    tx: Connection, name: str, role: Role, password: str | None = None, *, now_ms: int, who: str = AT_THE_MACHINE
) -> str:
    """Add a person; returns the password, a random one where none is given.

    Raises:
        NameTaken: there is such a person already, perhaps disabled.
        NameUnusable: not 1 to 64 letters, digits and `. _ - @ +`.
        PasswordTooShort: a given password has fewer than MIN_PASSWORD_CHARS characters.
    """
    if not _NAME.fullmatch(name):
        raise NameUnusable(f"A name has 1 to 64 letters, digits and . _ - @ +, not {name!r}.")
    if password is not None and len(password) < MIN_PASSWORD_CHARS:
        raise PasswordTooShort(
            f"A password has at least {MIN_PASSWORD_CHARS} characters; leave it out to get a random one."
        )
    if _find(tx, name) is not None:
        raise NameTaken(f"There is a user {name!r} already. Choose another name.")
    chosen = password or new_password()
    tx.execute(
        insert(user_account).values(
            name=name, role=role.value, password_hash=hash_password(chosen), created_at_ms=now_ms
        )
    )
    audit(tx, at_ms=now_ms, who=who, action="user.create", subject=name, new=role.value)
    return chosen


def list_users(tx: Connection) -> Sequence[User]:
    """All people in order of their names."""
    return [_user(row) for row in tx.execute(select(user_account).order_by(user_account.c.name))]


def disable_user(tx: Connection, name: str, *, now_ms: int, who: str = AT_THE_MACHINE, why: str = "") -> None:
    """Let a person in no more; ends their sessions. Disabling twice changes nothing.

    Raises:
        NameUnknown: there is no such person.
    """
    user = _find(tx, name)
    if user is None:
        raise NameUnknown(f"There is no user {name!r}. `holdfast-hub user list` shows who there is.")
    if user.disabled_at_ms is not None:
        return
    tx.execute(
        update(user_account)
        .where(user_account.c.name == name, user_account.c.disabled_at_ms.is_(None))
        .values(disabled_at_ms=now_ms)
    )
    tx.execute(delete(user_session).where(user_session.c.user_name == name))
    audit(tx, at_ms=now_ms, who=who, action="user.disable", subject=name, old=user.role.value, why=why)


def create_token(tx: Connection, role: Role, label: str, days: int, *, now_ms: int, who: str = AT_THE_MACHINE) -> str:
    """Make a key for a program; the returned text is shown once and cannot be read back.

    Raises:
        LifetimeUnusable: not 1 to MAX_TOKEN_DAYS days.
    """
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise LifetimeUnusable(f"A token lives 1 to {MAX_TOKEN_DAYS} days, not {days}.")
    token = new_token()
    expires_at_ms = now_ms + days * DAY_MS
    tx.execute(
        insert(api_token).values(
            token_hash=secret_hash(token),
            role=role.value,
            label=label,
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
        )
    )
    audit(tx, at_ms=now_ms, who=who, action="token.create", subject=label, new=f"{role.value}, {days} days")
    return token


def start_session(tx: Connection, name: str, *, now_ms: int) -> str:
    """Sign a person in whose password was checked; returns the secret for the cookie. Ended sessions are cleared away."""
    tx.execute(delete(user_session).where(user_session.c.expires_at_ms <= now_ms))
    secret = new_secret()
    tx.execute(
        insert(user_session).values(
            token_hash=secret_hash(secret), user_name=name, created_at_ms=now_ms, expires_at_ms=now_ms + SESSION_MS
        )
    )
    audit(tx, at_ms=now_ms, who=name, action="session.start", subject=name)
    return secret


def end_session(tx: Connection, secret: str, *, now_ms: int) -> None:
    """Sign out; without effect when the session has ended already."""
    token_hash = secret_hash(secret)
    name = tx.execute(select(user_session.c.user_name).where(user_session.c.token_hash == token_hash)).scalar()
    if name is None:
        return
    tx.execute(delete(user_session).where(user_session.c.token_hash == token_hash))
    audit(tx, at_ms=now_ms, who=name, action="session.end", subject=name)


def audit(
    tx: Connection, *, at_ms: int, who: str, action: str, subject: str, old: str = "", new: str = "", why: str = ""
) -> None:
    """Add a line to the audit trail, in the transaction of the change itself."""
    tx.execute(
        insert(audit_trail).values(at_ms=at_ms, who=who, action=action, subject=subject, old=old, new=new, why=why)
    )


def _find(tx: Connection, name: str) -> User | None:
    row = tx.execute(select(user_account).where(user_account.c.name == name)).one_or_none()
    return None if row is None else _user(row)


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(row.name, Role(row.role), row.created_at_ms, row.disabled_at_ms)
