"""Who a cookie, a token or a name belongs to, and what of them is listed. Read-only."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from hub.accounts.roles import Role
from hub.accounts.secrets import secret_hash
from hub.accounts.service import short_id
from hub.accounts.tables import api_token, user_account, user_session


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a secret belongs to."""

    name: str
    role: Role
    used_ms: int | None = None
    """When the hub last noted that a token was used."""


@dataclass(frozen=True, slots=True)
class Password:
    """What is kept of the password of a person who may sign in."""

    hash: str
    must_change: bool


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A signed-in browser as listed."""

    id: str
    created_at_ms: int
    expires_at_ms: int
    address: str
    browser: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A program's key as listed."""

    id: str
    label: str
    role: Role
    created_at_ms: int
    created_by: str
    expires_at_ms: int
    revoked_at_ms: int | None
    last_used_ms: int | None


def session_holder(reader: Connection, secret: str, now_ms: int) -> Holder | None:
    """The person signed in with this session, unless it ended or they were disabled."""
    row = reader.execute(
        select(user_account.c.name, user_account.c.role)
        .join(user_session, user_session.c.user_name == user_account.c.name)
        .where(
            user_session.c.token_hash == secret_hash(secret),
            user_session.c.expires_at_ms > now_ms,
            user_account.c.disabled_at_ms.is_(None),
        )
    ).one_or_none()
    return None if row is None else Holder(row.name, Role(row.role))


def token_holder(reader: Connection, token: str, now_ms: int) -> Holder | None:
    """The label and role of a valid token."""
    row = reader.execute(
        select(api_token.c.label, api_token.c.role, api_token.c.last_used_ms).where(
            api_token.c.token_hash == secret_hash(token),
            api_token.c.expires_at_ms > now_ms,
            api_token.c.revoked_at_ms.is_(None),
        )
    ).one_or_none()
    return None if row is None else Holder(f"token {row.label}", Role(row.role), row.last_used_ms)


def password_of_user(reader: Connection, name: str) -> Password | None:
    """What is kept of the password of a person who may sign in."""
    c = user_account.c
    row = reader.execute(
        select(c.password_hash, c.must_change).where(c.name == name, c.disabled_at_ms.is_(None))
    ).one_or_none()
    return None if row is None else Password(*row)


def password_hash_of(reader: Connection, name: str) -> str | None:
    """The kept hash of a person who may sign in."""
    kept = password_of_user(reader, name)
    return None if kept is None else kept.hash


def list_sessions(reader: Connection, name: str, now_ms: int) -> list[SessionRow]:
    """A person's sessions that go on, the latest first."""
    c = user_session.c
    rows = reader.execute(
        select(c.token_hash, c.created_at_ms, c.expires_at_ms, c.address, c.browser)
        .where(c.user_name == name, c.expires_at_ms > now_ms)
        .order_by(c.created_at_ms.desc())
    )
    return [SessionRow(short_id(digest), *rest) for digest, *rest in rows]


def list_tokens(reader: Connection) -> list[TokenRow]:
    """All tokens, the latest first; revoked and ended ones too."""
    rows = reader.execute(select(api_token).order_by(api_token.c.created_at_ms.desc(), api_token.c.token_hash))
    return [
        TokenRow(
            short_id(row.token_hash),
            row.label,
            Role(row.role),
            row.created_at_ms,
            row.created_by,
            row.expires_at_ms,
            row.revoked_at_ms,
            row.last_used_ms,
        )
        for row in rows
    ]
