"""Changes to accounts, each with its line in the audit trail. `tx` is an open write transaction of the hub's one writer."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from hub.accounts.audit import audit
from hub.accounts.errors import LastAdmin, LifetimeUnusable, NameTaken, NameUnknown, NameUnusable, TokenUnknown
from hub.accounts.passwords import check_password
from hub.accounts.roles import Role
from hub.accounts.secrets import hash_password, new_password, new_secret, new_token, secret_hash
from hub.accounts.tables import api_token, user_account, user_session
from hub.requests import AT_THE_MACHINE

SESSION_MS: Final = 12 * 3_600_000
"""A long shift; wall displays have a token of their own."""
DAY_MS: Final = 86_400_000
MAX_TOKEN_DAYS: Final = 3650
USE_NOTED_MS: Final = 10 * 60_000
"""When a token was used last is told to within this; noting each use would write with every request."""
ID_BYTES: Final = 8
"""Of the hash of a session's or token's secret: enough to name it among its kind, useless to whoever reads it."""
_NAME: Final = re.compile(r"(?=.*\w)[\w.@+-]{1,64}")


@dataclass(frozen=True, slots=True)
class User:
    """A person as listed."""

    name: str
    role: Role
    created_at_ms: int
    disabled_at_ms: int | None
    must_change: bool = False


# -- people ------------------------------------------------------------------------------------------------------------


def create_user(
    tx: Connection,
    name: str,
    role: Role,
    password: str | None = None,
    *,
    now_ms: int,
    who: str = AT_THE_MACHINE,
    must_change: bool = False,
) -> str:
    """Add a person; returns the password, a random one where none is given.

    Args:
        tx: the transaction.
        name: by which they sign in.
        role: what they may do.
        password: theirs; left out, one is made.
        now_ms: the hub's clock.
        who: adds them.
        must_change: the password is good for the first sign-in only, where they choose their own.

    Raises:
        NameTaken: there is such a person already, perhaps disabled.
        NameUnusable: not 1 to 64 letters, digits and `. _ - @ +`.
        PasswordTooShort: a given password is too short.
        PasswordGuessable: a given password is easily guessed.
    """
    if not _NAME.fullmatch(name):
        raise NameUnusable("A name has 1 to 64 letters, digits and . _ - @ +, not {name}.", name=repr(name[:80]))
    if password is not None:
        check_password(name, password)
    if _find(tx, name) is not None:
        raise NameTaken("There is a user {name} already. Choose another name.", name=name)
    chosen = password or new_password()
    row = {"name": name, "role": role.value, "password_hash": hash_password(chosen), "must_change": must_change}
    tx.execute(insert(user_account).values(**row, created_at_ms=now_ms))
    audit(tx, at_ms=now_ms, who=who, action="user.create", subject=name, new=role.value)
    return chosen


def list_users(tx: Connection) -> Sequence[User]:
    """All people in order of their names."""
    return [_user(row) for row in tx.execute(select(user_account).order_by(user_account.c.name))]


def disable_user(tx: Connection, name: str, *, now_ms: int, who: str = AT_THE_MACHINE, why: str = "") -> None:
    """Let a person in no more; ends their sessions. Disabling twice changes nothing.

    Raises:
        NameUnknown: there is no such person.
        LastAdmin: nobody would be left who may change accounts.
    """
    user = _known(tx, name)
    if user.disabled_at_ms is not None:
        return
    _refuse_last_admin(tx, user)
    tx.execute(_of(name).where(user_account.c.disabled_at_ms.is_(None)).values(disabled_at_ms=now_ms))
    _end_all_sessions(tx, name)
    audit(tx, at_ms=now_ms, who=who, action="user.disable", subject=name, old=user.role.value, why=why)


def enable_user(tx: Connection, name: str, *, now_ms: int, who: str, why: str = "") -> None:
    """Let a disabled person in again, with the password they had.

    Raises:
        NameUnknown: there is no such person.
    """
    user = _known(tx, name)
    if user.disabled_at_ms is None:
        return
    tx.execute(_of(name).values(disabled_at_ms=None))
    audit(tx, at_ms=now_ms, who=who, action="user.enable", subject=name, new=user.role.value, why=why)


def change_role(tx: Connection, name: str, role: Role, *, now_ms: int, who: str, why: str = "") -> None:
    """Let a person do other things from now on; ends their sessions, so that no page shows what they may not do any more.

    Raises:
        NameUnknown: there is no such person.
        LastAdmin: nobody would be left who may change accounts.
    """
    user = _known(tx, name)
    if user.role is role:
        return
    if role is not Role.ADMIN:
        _refuse_last_admin(tx, user)
    tx.execute(_of(name).where(user_account.c.role == user.role.value).values(role=role.value))
    _end_all_sessions(tx, name)
    audit(tx, at_ms=now_ms, who=who, action="user.role", subject=name, old=user.role.value, new=role.value, why=why)


def reset_password(tx: Connection, name: str, *, now_ms: int, who: str, why: str = "") -> str:
    """Give a person a password for one sign-in, where they choose their own; ends their sessions.

    Raises:
        NameUnknown: there is no such person.
    """
    _known(tx, name)
    password = new_password()
    tx.execute(_of(name).values(password_hash=hash_password(password), must_change=True))
    _end_all_sessions(tx, name)
    audit(tx, at_ms=now_ms, who=who, action="user.reset", subject=name, why=why)
    return password


def change_password(tx: Connection, name: str, password_hash: str, *, now_ms: int, keep: str = "") -> None:
    """Give a person the password they chose themselves; ends their other sessions.

    Args:
        tx: the transaction.
        name: theirs.
        password_hash: of a password that `check_password` let pass; made before, for it takes its time.
        now_ms: the hub's clock.
        keep: the secret of the session that goes on.

    Raises:
        NameUnknown: there is no such person.
    """
    _known(tx, name)
    tx.execute(_of(name).values(password_hash=password_hash, must_change=False))
    others = delete(user_session).where(user_session.c.user_name == name)
    tx.execute(others.where(user_session.c.token_hash != secret_hash(keep)))
    audit(tx, at_ms=now_ms, who=name, action="user.password", subject=name)


# -- sessions ----------------------------------------------------------------------------------------------------------


def start_session(tx: Connection, name: str, *, now_ms: int, address: str = "", browser: str = "") -> str:
    """Sign a person in whose password was checked; returns the secret for the cookie. Ended sessions are cleared away."""
    tx.execute(delete(user_session).where(user_session.c.expires_at_ms <= now_ms))
    secret = new_secret()
    tx.execute(
        insert(user_session).values(
            token_hash=secret_hash(secret),
            user_name=name,
            created_at_ms=now_ms,
            expires_at_ms=now_ms + SESSION_MS,
            address=address[:64],
            browser=browser[:256],
        )
    )
    audit(tx, at_ms=now_ms, who=name, action="session.start", subject=name, new=address[:64])
    return secret


def end_session(tx: Connection, secret: str, *, now_ms: int) -> None:
    """Sign out; without effect when the session has ended already."""
    token_hash = secret_hash(secret)
    name = tx.execute(select(user_session.c.user_name).where(user_session.c.token_hash == token_hash)).scalar()
    if name is None:
        return
    tx.execute(delete(user_session).where(user_session.c.token_hash == token_hash))
    audit(tx, at_ms=now_ms, who=name, action="session.end", subject=name)


def end_session_by_id(tx: Connection, name: str, session_id: str, *, now_ms: int) -> bool:
    """End one of a person's own sessions, named as it is listed; whether there was such a one."""
    mine = select(user_session.c.token_hash).where(user_session.c.user_name == name)
    found = next((h for h in tx.execute(mine).scalars() if short_id(h) == session_id), None)
    if found is None:
        return False
    tx.execute(delete(user_session).where(user_session.c.token_hash == found))
    audit(tx, at_ms=now_ms, who=name, action="session.end", subject=name, old=session_id)
    return True


# -- tokens ------------------------------------------------------------------------------------------------------------


def create_token(tx: Connection, role: Role, label: str, days: int, *, now_ms: int, who: str = AT_THE_MACHINE) -> str:
    """Make a key for a program; the returned text is shown once and cannot be read back.

    Raises:
        LifetimeUnusable: not 1 to MAX_TOKEN_DAYS days.
    """
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise LifetimeUnusable("A token lives 1 to {most} days, not {days}.", most=MAX_TOKEN_DAYS, days=days)
    token = new_token()
    expires_at_ms = now_ms + days * DAY_MS
    tx.execute(
        insert(api_token).values(
            token_hash=secret_hash(token),
            role=role.value,
            label=label,
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
            created_by=who,
        )
    )
    new = f"{role.value}, {days} days, {short_id(secret_hash(token))}"
    audit(tx, at_ms=now_ms, who=who, action="token.create", subject=label, new=new)
    return token


def revoke_token(tx: Connection, token_id: str, *, now_ms: int, who: str, why: str = "") -> None:
    """Let a program in no more.

    Raises:
        TokenUnknown: no such token, or revoked before.
    """
    kept = select(api_token.c.token_hash, api_token.c.label).where(api_token.c.revoked_at_ms.is_(None))
    found = next((row for row in tx.execute(kept) if short_id(row.token_hash) == token_id), None)
    if found is None:
        raise TokenUnknown("There is no token {name} in use.", name=token_id[:80])
    tx.execute(update(api_token).where(api_token.c.token_hash == found.token_hash).values(revoked_at_ms=now_ms))
    audit(tx, at_ms=now_ms, who=who, action="token.revoke", subject=found.label, old=token_id, why=why)


def note_use(tx: Connection, token_hash: bytes, now_ms: int) -> None:
    """Remember when a token was used last."""
    tx.execute(update(api_token).where(api_token.c.token_hash == token_hash).values(last_used_ms=now_ms))


def short_id(token_hash: bytes) -> str:
    """How a session or a token is named to people and programs."""
    return token_hash[:ID_BYTES].hex()


def _find(tx: Connection, name: str) -> User | None:
    row = tx.execute(select(user_account).where(user_account.c.name == name)).one_or_none()
    return None if row is None else _user(row)


def _known(tx: Connection, name: str) -> User:
    user = _find(tx, name)
    if user is None:
        raise NameUnknown("There is no user {name}. `holdfast-hub user list` shows who there is.", name=name[:80])
    return user


def _user(row: Row[tuple[object, ...]]) -> User:
    return User(row.name, Role(row.role), row.created_at_ms, row.disabled_at_ms, row.must_change)


def _of(name: str) -> Any:
    return update(user_account).where(user_account.c.name == name)


def _end_all_sessions(tx: Connection, name: str) -> None:
    tx.execute(delete(user_session).where(user_session.c.user_name == name))


def _refuse_last_admin(tx: Connection, user: User) -> None:
    c = user_account.c
    others = select(func.count()).where(c.role == Role.ADMIN.value, c.disabled_at_ms.is_(None), c.name != user.name)
    if user.role is Role.ADMIN and user.disabled_at_ms is None and not tx.execute(others).scalar():
        raise LastAdmin("{name} is the only administrator; make another one first.", name=user.name)
