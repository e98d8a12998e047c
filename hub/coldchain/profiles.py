"""Temperature profiles as the hub keeps them, and which sensor is judged by which since when."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, delete, func, literal_column, select, update

from contract.coldchain.presets import PRESETS
from contract.coldchain.profile import Profile
from contract.coldchain.profile_text import profile_json
from hub.coldchain.tables import sensor_assignment, temperature_profile
from hub.ledger import statements
from hub.rows import write

PROFILES: Final = 256
"""Profiles that are remembered as they were read; a company has a dozen."""

_assigned = sensor_assignment.c


class Segment(Struct, frozen=True):
    """A stretch of a sensor's time that is judged by one profile.

    Attributes:
        name: of the profile; empty: judged by none.
        profile: None also where nobody defined one of that name.
        until_ms: where the next begins; None: nobody decided about that.
    """

    name: str
    profile: Profile | None
    from_ms: int
    until_ms: int | None


@lru_cache(PROFILES)
def decoded(body: str) -> Profile:
    """A profile from its stored JSON."""
    return msgspec.json.decode(body, type=Profile)


def find_profile(conn: Connection, name: str) -> Profile | None:
    """A profile by its name: as people defined it, else a preset."""
    body = conn.scalar(select(temperature_profile.c.body).where(temperature_profile.c.name == name))
    return PRESETS.get(name) if body is None else decoded(body)


def known_profiles(conn: Connection) -> dict[str, Profile]:
    """All profiles by name: presets, and those that people defined."""
    defined = conn.execute(select(temperature_profile.c.name, temperature_profile.c.body))
    return {**PRESETS, **{name: decoded(body) for name, body in defined}}


def segments_of(conn: Connection, sensor: str, known: Mapping[str, Profile]) -> list[Segment]:
    """All that was decided about a sensor, in order of time, judged by the profiles as they are known."""
    query = select(_assigned.from_ms, _assigned.profile, _assigned.held)
    query = query.where(_assigned.sensor == sensor).order_by(_assigned.from_ms)
    rows = conn.execute(query).all()
    ends: list[int | None] = [after.from_ms for _, after in pairwise(rows)]
    return [
        Segment(row.profile, in_force(row.held, row.profile, known), row.from_ms, until_ms)
        for row, until_ms in zip(rows, [*ends, None], strict=False)
    ]


def assign(tx: Connection, sensor: str, profile: str, from_ms: int) -> None:
    """Judge a sensor by a profile from an instant on: what was decided for then and later no longer holds."""
    tx.execute(delete(sensor_assignment).where(_assigned.sensor == sensor, _assigned.from_ms >= from_ms))
    row = {"sensor": sensor, "from_ms": from_ms, "profile": profile, "held": None}
    write(tx, statements.sole(sensor_assignment), [row])


# -- profiles that were changed ----------------------------------------------------------------------------------------

_HELD: Final[ColumnElement[bool]] = literal_column("held IS NOT NULL")
"""In the words of the index, or it does not serve."""


def in_force(held: str | None, name: str, known: Mapping[str, Profile]) -> Profile | None:
    """By what a stretch of time is judged: the profile as it was, if it is held, else as it is known."""
    if held is None:
        return known.get(name)
    return decoded(held) if held else None


def hold(tx: Connection, name: str, before: Profile | None) -> set[str]:
    """Judge all sensors of a profile as before until each is judged anew; the sensors."""
    body = "" if before is None else profile_json(before)
    free = (_assigned.profile == name, _assigned.held.is_(None))
    tx.execute(update(sensor_assignment).where(*free).values(held=body))
    return set(tx.scalars(select(_assigned.sensor).where(_assigned.profile == name).distinct()))


def release(tx: Connection, sensor: str, name: str) -> int | None:
    """Judge a sensor by a profile as it is now; since when it was judged by another. None: by no other."""
    held = (_assigned.sensor == sensor, _assigned.profile == name, _HELD)
    from_ms: int | None = tx.scalar(select(func.min(_assigned.from_ms)).where(*held))
    tx.execute(update(sensor_assignment).where(*held).values(held=None))
    return from_ms


def held_profiles(conn: Connection) -> dict[tuple[str, int], str]:
    """The bodies that are held, by sensor and the begin of their time."""
    query = select(_assigned.sensor, _assigned.from_ms, _assigned.held).where(_HELD)
    return {(sensor, from_ms): held for sensor, from_ms, held in conn.execute(query)}


def held_sensors(conn: Connection) -> list[tuple[str, str]]:
    """Sensors that wait to be judged anew, each with the profile that was changed; in order of both."""
    query = select(_assigned.sensor, _assigned.profile).where(_HELD).distinct()
    return [(sensor, name) for sensor, name in conn.execute(query.order_by(_assigned.sensor, _assigned.profile))]
