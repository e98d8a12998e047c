"""Tables of accounts. None is a projection: `rebuild` leaves them alone."""

from sqlmodel import Field, SQLModel

from hub.db import table_of


class UserAccount(SQLModel, table=True):
    """A person who may sign in."""

    __tablename__ = "user_account"

    name: str = Field(primary_key=True, max_length=64)
    role: str = Field(max_length=16)
    password_hash: str
    """Argon2id in its own text form."""
    created_at_ms: int
    disabled_at_ms: int | None = None
    must_change: bool = False
    """The password was made for the first sign-in only, where a new one is chosen."""


class UserSession(SQLModel, table=True):
    """A signed-in browser. The token itself is only in its cookie."""

    __tablename__ = "user_session"

    token_hash: bytes = Field(primary_key=True)
    user_name: str = Field(foreign_key="user_account.name", index=True)
    created_at_ms: int
    expires_at_ms: int
    address: str = Field(default="", max_length=64)
    browser: str = Field(default="", max_length=256)
    """Where the person signed in, so that they know their own sessions from a stranger's."""


class ApiToken(SQLModel, table=True):
    """A program's key; shown once, kept as a hash."""

    __tablename__ = "api_token"

    token_hash: bytes = Field(primary_key=True)
    role: str = Field(max_length=16)
    label: str = Field(max_length=256)
    created_at_ms: int
    expires_at_ms: int
    revoked_at_ms: int | None = None
    created_by: str = ""
    last_used_ms: int | None = None
    """To within `hub.accounts.service.USE_NOTED_MS`."""


class AuditEntry(SQLModel, table=True):
    """What a person changed. Rows are only ever added, numbered without a gap, and chained (`hub.accounts.audit`)."""

    __tablename__ = "audit_trail"

    id: int | None = Field(default=None, primary_key=True)
    at_ms: int = Field(index=True)
    who: str
    action: str
    subject: str
    old: str = ""
    new: str = ""
    why: str = ""
    hash: bytes
    """SHA-256 over this row and the hash of the one before."""


user_account = table_of(UserAccount)
user_session = table_of(UserSession)
api_token = table_of(ApiToken)
audit_trail = table_of(AuditEntry)
