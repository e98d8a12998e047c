"""Who a cookie, a token or a name belongs to. Read-only."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from hub.accounts.roles import Role
from hub.accounts.secrets import secret_hash
from hub.accounts.tables import api_token, user_account, user_session


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a secret belongs to."""

    name: str
    role: Role


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
        select(api_token.c.label, api_token.c.role).where(
            api_token.c.token_hash == secret_hash(token),
            api_token.c.expires_at_ms > now_ms,
            api_token.c.revoked_at_ms.is_(None),
        )
    ).one_or_none()
    return None if row is None else Holder(f"token {row.label}", Role(row.role))


def password_hash_of(reader: Connection, name: str) -> str | None:
    """The kept hash of a person who may sign in."""
    found: str | None = reader.execute(
        select(user_account.c.password_hash).where(user_account.c.name == name, user_account.c.disabled_at_ms.is_(None))
    ).scalar()
    return found
