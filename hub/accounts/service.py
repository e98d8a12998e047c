"""Changes to accounts, each with its line in the audit trail. `tx` is an open write transaction of the hub's one writer."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from hub.accounts.roles import Role

AT_THE_MACHINE = "command line"
"""Who acts when an administration command does."""


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
    """Add a person; returns the password, a random one where none is given."""
    raise NotImplementedError


def list_users(tx: Connection) -> Sequence[User]:
    """All people in order of their names."""
    raise NotImplementedError


def disable_user(tx: Connection, name: str, *, now_ms: int, who: str = AT_THE_MACHINE, why: str = "") -> None:
    """Let a person in no more; ends their sessions."""
    raise NotImplementedError


def create_token(tx: Connection, role: Role, label: str, days: int, *, now_ms: int, who: str = AT_THE_MACHINE) -> str:
    """Make a key for a program; the returned text is shown once."""
    raise NotImplementedError


def audit(
    tx: Connection, *, at_ms: int, who: str, action: str, subject: str, old: str = "", new: str = "", why: str = ""
) -> None:
    """Add a line to the audit trail, in the transaction of the change itself."""
    raise NotImplementedError
