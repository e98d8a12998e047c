"""People and tokens, for programs of administrators."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, StringConstraints

from contract.limits import MAX_NOTE_CHARS
from hub.accounts.deps import Caller, require
from hub.accounts.errors import AccountError, NameUnknown, TokenUnknown
from hub.accounts.queries import TokenRow, list_tokens
from hub.accounts.roles import Role
from hub.accounts.secrets import secret_hash
from hub.accounts.service import (
    MAX_TOKEN_DAYS,
    User,
    change_role,
    create_token,
    create_user,
    disable_user,
    enable_user,
    list_users,
    reset_password,
    revoke_token,
    short_id,
)
from hub.context import Hub, Reader
from hub.errors import Refused
from hub.problems import PROBLEM_RESPONSES, Problem
from hub.web.times import utc

router = APIRouter(
    prefix="/api/v1",
    tags=["accounts"],
    responses={**PROBLEM_RESPONSES, 409: {"description": "What is there does not allow it"}},
)

Admin = Annotated[Caller, Depends(require(Role.ADMIN))]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_NOTE_CHARS)]


@contextmanager
def refusals() -> Iterator[None]:
    """Answer what is refused within the block with a problem."""
    try:
        yield
    except (NameUnknown, TokenUnknown) as error:
        raise Problem(404, "Not found", str(error)) from error
    except (AccountError, Refused) as error:
        raise Problem(409, "Refused", str(error)) from error


class Person(BaseModel):
    """Somebody who may sign in."""

    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    must_change_password: bool = Field(description="At the next sign-in a new password is chosen.")

    @classmethod
    def of(cls, user: User) -> "Person":
        """From the accounts."""
        return cls(
            name=user.name,
            role=user.role,
            created_at=utc(user.created_at_ms),
            disabled_at=utc(user.disabled_at_ms),
            must_change_password=user.must_change,
        )


class People(BaseModel):
    """All of them, by name."""

    items: list[Person]
    next_cursor: str | None = None


class NewPerson(BaseModel):
    """Whom to add."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    role: Role


class OneTimePassword(BaseModel):
    """Good for one sign-in, where a new password is chosen. It is told once."""

    name: str
    password: str


class PersonChange(BaseModel):
    """What to change; what is left out stays."""

    role: Role | None = None
    disabled: bool | None = None
    reason: Reason = ""


class Why(BaseModel):
    """Why a person decides so; it stays in the audit trail."""

    reason: Reason = ""


@router.get("/users", summary="People who may sign in")
def get_users(reader: Reader, _: Admin) -> People:
    """Disabled ones too."""
    return People(items=[Person.of(user) for user in list_users(reader)])


@router.post("/users", status_code=201, summary="Add a person")
def add_user(body: NewPerson, hub: Hub, caller: Admin) -> OneTimePassword:
    """The password in the answer is good for one sign-in."""
    with refusals(), hub.database.write() as tx:
        password = create_user(tx, body.name, body.role, now_ms=hub.now_ms(), who=caller.name, must_change=True)
    return OneTimePassword(name=body.name, password=password)


@router.patch("/users/{name}", summary="Change what a person may do")
def change_user(name: str, body: PersonChange, hub: Hub, caller: Admin) -> Person:
    """A change of role and disabling end the person's sessions."""
    now_ms, who, why = hub.now_ms(), caller.name, body.reason
    with refusals(), hub.database.write() as tx:
        if body.role is not None:
            change_role(tx, name, body.role, now_ms=now_ms, who=who, why=why)
        if body.disabled is not None:
            (disable_user if body.disabled else enable_user)(tx, name, now_ms=now_ms, who=who, why=why)
        found = next((user for user in list_users(tx) if user.name == name), None)
        if found is None:
            raise NameUnknown("There is no user {name}. `holdfast-hub user list` shows who there is.", name=name[:80])
    return Person.of(found)


@router.post("/users/{name}/reset", summary="Give a person a new password for one sign-in")
def reset(name: str, body: Why, hub: Hub, caller: Admin) -> OneTimePassword:
    """Ends the person's sessions."""
    with refusals(), hub.database.write() as tx:
        password = reset_password(tx, name, now_ms=hub.now_ms(), who=caller.name, why=body.reason)
    return OneTimePassword(name=name, password=password)


class TokenItem(BaseModel):
    """A program's key."""

    id: str
    label: str
    role: Role
    created_at: datetime
    created_by: str
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To within ten minutes.")

    @classmethod
    def of(cls, row: TokenRow) -> "TokenItem":
        """From the accounts."""
        return cls(
            id=row.id,
            label=row.label,
            role=row.role,
            created_at=utc(row.created_at_ms),
            created_by=row.created_by,
            expires_at=utc(row.expires_at_ms),
            revoked_at=utc(row.revoked_at_ms),
            last_used_at=utc(row.last_used_ms),
        )


class Tokens(BaseModel):
    """All of them, the latest first."""

    items: list[TokenItem]
    next_cursor: str | None = None


class NewToken(BaseModel):
    """A key to make."""

    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=256)]
    role: Role
    days: Annotated[int, Field(ge=1, le=MAX_TOKEN_DAYS)] = 365


class MadeToken(BaseModel):
    """A key. It is told once."""

    id: str
    token: str


@router.get("/tokens", summary="Keys of programs")
def get_tokens(reader: Reader, _: Admin) -> Tokens:
    """Revoked and ended ones too; the keys themselves cannot be read back."""
    return Tokens(items=[TokenItem.of(row) for row in list_tokens(reader)])


@router.post("/tokens", status_code=201, summary="Make a key for a program")
def add_token(body: NewToken, hub: Hub, caller: Admin) -> MadeToken:
    """The key in the answer cannot be read back."""
    with refusals(), hub.database.write() as tx:
        token = create_token(tx, body.role, body.label, body.days, now_ms=hub.now_ms(), who=caller.name)
    return MadeToken(id=short_id(secret_hash(token)), token=token)


@router.post("/tokens/{token_id}/revoke", status_code=204, summary="Let a program in no more")
def revoke(token_id: str, body: Why, hub: Hub, caller: Admin) -> None:
    """At once."""
    with refusals(), hub.database.write() as tx:
        revoke_token(tx, token_id, now_ms=hub.now_ms(), who=caller.name, why=body.reason)
