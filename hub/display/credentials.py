"""Credentials of displays: a token by which a browser on a wall is let in, and a password at the broker. Both end together."""

import re
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, insert, select, update

from hub import tables as t
from hub.accounts.audit import audit
from hub.accounts.secrets import new_secret, secret_hash
from hub.display.tables import display
from hub.errors import Refused
from hub.registry import display_user

TOKEN_PREFIX: Final = "hfd_"  # noqa: S105 # a mark that secret scanners can look for, not a secret
SEEN_NOTED_MS: Final = 10 * 60_000
"""When a wall was seen last is told to within this; noting each look would write every five seconds."""
_NAME: Final = re.compile(r"[a-z0-9-]{1,48}")


@dataclass(frozen=True, slots=True)
class DisplayCredential:
    """What a new display needs, shown once."""

    name: str
    token: str
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class DisplayRow:
    """A display as listed."""

    name: str
    made_ms: int
    made_by: str
    revoked_ms: int | None
    last_seen_ms: int | None


def add_display(tx: Connection, name: str, *, now_ms: int, who: str) -> DisplayCredential:
    """Let a screen read what is on the wall displays and the display topics.

    Raises:
        Refused: the name cannot be used, or is or was a display's or a device's.
    """
    if not _NAME.fullmatch(name):
        raise Refused(f"display {name[:80]!r}: expected 1 to 48 lower-case letters, digits or hyphens")
    user = display_user(name)
    if tx.execute(select(display.c.name).where(display.c.name == name)).first() is not None:
        raise Refused(
            f"there is or was a display {name!r}; choose another name, so that old lines of the audit trail mean one"
        )
    if tx.execute(select(t.device.c.id).where(t.device.c.id == user)).first() is not None:
        raise Refused(f"there is a device {user!r}; choose another name")
    made = DisplayCredential(name, TOKEN_PREFIX + new_secret(), user, secrets.token_hex(32))
    row = {"token_hash": secret_hash(made.token), "mqtt_password": made.password, "made_ms": now_ms, "made_by": who}
    tx.execute(insert(display).values(name=name, **row))
    audit(tx, at_ms=now_ms, who=who, action="display.add", subject=name)
    return made


def revoke_display(tx: Connection, name: str, *, now_ms: int, who: str, why: str = "") -> None:
    """Let a screen read no more.

    Raises:
        Refused: no such display, or revoked before.
    """
    # What it could be let in with is taken away too, so that no copy of the database says it.
    row = {"revoked_ms": now_ms, "mqtt_password": "", "token_hash": secrets.token_bytes(32)}
    ended = tx.execute(update(display).where(display.c.name == name, display.c.revoked_ms.is_(None)).values(**row))
    if ended.rowcount != 1:
        raise Refused(f"no display {name[:80]!r} in use; see `holdfast-hub display list`")
    audit(tx, at_ms=now_ms, who=who, action="display.revoke", subject=name, why=why)


def list_displays(tx: Connection) -> list[DisplayRow]:
    """All displays by name, revoked ones included."""
    c = display.c
    rows = tx.execute(select(c.name, c.made_ms, c.made_by, c.revoked_ms, c.last_seen_ms).order_by(c.name))
    return [DisplayRow(*row) for row in rows]


def display_of(tx: Connection, token: str) -> DisplayRow | None:
    """Whose token this is, while it is in use."""
    c = display.c
    row = tx.execute(
        select(c.name, c.made_ms, c.made_by, c.revoked_ms, c.last_seen_ms).where(
            c.token_hash == secret_hash(token), c.revoked_ms.is_(None)
        )
    ).first()
    return None if row is None else DisplayRow(*row)


def note_seen(tx: Connection, name: str, now_ms: int) -> None:
    """Remember when a wall was seen last."""
    tx.execute(update(display).where(display.c.name == name).values(last_seen_ms=now_ms))
