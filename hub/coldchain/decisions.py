"""What people decide about profiles, sensors and excursions: facts of the device `hub`, folded here.

A decision that says nothing usable (an unknown excursion, a detail that cannot be read) is kept as a fact and has no effect.
"""

import re
from typing import Final

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, select

from contract.coldchain.profile_text import profile_json, read_profile
from contract.errors import ProfileUnusable
from contract.event import Decision, EpochMs, Text
from hub.coldchain.acknowledging import AsSeen, acknowledge_anew
from hub.coldchain.judging import Judging, Sensor, Touched
from hub.coldchain.profiles import assign, find_profile, hold, release
from hub.coldchain.tables import (
    excursion,
    excursion_acknowledgement,
    sensor,
    sensor_record,
    temperature_profile,
)
from hub.ledger import statements
from hub.projector import Change, LedgerFact
from hub.rows import write

DEFINE_PROFILE: Final = "profile.define"
"""Subject: the profile's name; detail: the profile as JSON. Sensors that it judges are judged as before until JUDGE_ANEW."""
JUDGE_ANEW: Final = "sensor.judge_anew"
"""Subject: the sensor; detail: `Anew`. The hub says so itself after a profile was changed (`hub.coldchain.anew`)."""
ASSIGN_PROFILE: Final = "sensor.assign"
"""Subject: the sensor; detail: `Assigned`."""
DESCRIBE_SENSOR: Final = "sensor.describe"
"""Subject: the sensor; detail: `Described`."""
ACKNOWLEDGE: Final = "excursion.acknowledge"
"""Subject: the excursion; `why`: the reason; detail: `hub.coldchain.acknowledging.AsSeen`."""
ACTIONS: Final = frozenset({DEFINE_PROFILE, JUDGE_ANEW, ASSIGN_PROFILE, DESCRIBE_SENSOR, ACKNOWLEDGE})

SENSOR_ID: Final = re.compile(r"[a-z0-9-]{1,64}\.[^.\x00]+\.[^\x00]+\Z")
"""`{device}.{driver}.{name}`."""


class Assigned(Struct, frozen=True):
    """A sensor is judged by this profile from an instant on, its budgets whole; None or empty: by none."""

    profile: Text | None
    from_ms: EpochMs


class Anew(Struct, frozen=True):
    """A sensor is judged again by a profile that was changed, as far as it was judged by it."""

    profile: Text


class Described(Struct, frozen=True):
    """What is known of a sensor beside its readings."""

    name: Text = ""
    place: Text = ""
    calibration_due_ms: EpochMs | None = None
    replaced_by: Text | None = ""


def decides(known: LedgerFact) -> bool:
    """Whether a fact is a decision about the cold chain."""
    return isinstance(known.fact.event, Decision) and known.fact.event.action in ACTIONS


def fold_decision(tx: Connection, known: LedgerFact) -> list[Change]:
    """Fold one decision; what changed. Topic `assignment` names a device whose sensors are judged otherwise."""
    decision = known.fact.event
    if not isinstance(decision, Decision) or not decision.subject:
        return []
    try:
        match decision.action:
            case action if action == DEFINE_PROFILE:
                return _define(tx, decision, known.received_ms)
            case action if action == JUDGE_ANEW:
                anew = msgspec.json.decode(decision.detail, type=Anew)
                from_ms = release(tx, decision.subject, anew.profile)
                return [] if from_ms is None else _judge_again(tx, decision.subject, from_ms, known.received_ms)
            case action if action in {ASSIGN_PROFILE, DESCRIBE_SENSOR} and not SENSOR_ID.match(decision.subject):
                return []
            case action if action == ASSIGN_PROFILE:
                assigned = msgspec.json.decode(decision.detail, type=Assigned)
                return _assign(tx, decision.subject, assigned, known.received_ms)
            case action if action == DESCRIBE_SENSOR:
                described = msgspec.json.decode(decision.detail, type=Described)
                return _describe(tx, decision.subject, described)
            case _:
                seen = msgspec.json.decode(decision.detail, type=AsSeen)
                return _acknowledge(tx, known, decision, seen)
    except (msgspec.DecodeError, ProfileUnusable, RecursionError):
        return []


def _define(tx: Connection, decision: Decision, known_ms: int) -> list[Change]:
    profile = read_profile(decision.detail)
    if profile.name != decision.subject:
        return []
    before = find_profile(tx, profile.name)
    row = {"name": profile.name, "body": profile_json(profile), "known_ms": known_ms, "who": decision.who}
    write(tx, statements.latest(tx.dialect.name, temperature_profile), [row])
    held = [] if before == profile else sorted(hold(tx, profile.name, before))
    return [change for name in held for change in (Change("sensor", name), _told_device(name))]


def _assign(tx: Connection, sensor_id: str, assigned: Assigned, known_ms: int) -> list[Change]:
    name = assigned.profile or ""
    row = {**_record(sensor_id), "profile": name, "profile_from_ms": assigned.from_ms}
    stay = ("name", "place", "calibration_due_ms", "replaced_by")
    write(tx, statements.latest(tx.dialect.name, sensor_record, *stay), [row])
    assign(tx, sensor_id, name, assigned.from_ms)
    return _judge_again(tx, sensor_id, assigned.from_ms, known_ms)


def _describe(tx: Connection, sensor_id: str, described: Described) -> list[Change]:
    row = _record(sensor_id) | {
        "name": described.name,
        "place": described.place,
        "calibration_due_ms": described.calibration_due_ms,
        "replaced_by": described.replaced_by or "",
    }
    write(tx, statements.latest(tx.dialect.name, sensor_record, "profile", "profile_from_ms"), [row])
    return [Change("sensor", sensor_id)]


def _record(sensor_id: str) -> dict[str, object]:
    return {
        "sensor": sensor_id,
        "device": sensor_id.partition(".")[0],
        "name": "",
        "place": "",
        "profile": "",
        "profile_from_ms": None,
        "calibration_due_ms": None,
        "replaced_by": "",
    }


def _judge_again(tx: Connection, sensor_id: str, from_ms: int, known_ms: int) -> list[Change]:
    changes = [Change("sensor", sensor_id), _told_device(sensor_id)]
    number = tx.scalar(select(sensor.c.number).where(sensor.c.sensor == sensor_id))
    if number is None:
        # It is judged from its first reading on.
        return changes
    judged = Sensor(number, sensor_id)
    judging = Judging(tx, [judged])
    judging.again(judged, Touched(from_ms), known_ms)
    judging.close()
    return changes + [Change("excursion", identity) for identity in judging.news]


def _told_device(sensor_id: str) -> Change:
    return Change("assignment", sensor_id.partition(".")[0])


def _acknowledge(tx: Connection, known: LedgerFact, decision: Decision, seen: AsSeen) -> list[Change]:
    found = tx.execute(select(excursion).where(excursion.c.id == decision.subject)).first()
    if found is None or (found.sensor, found.limit_name) != (seen.sensor, seen.limit):
        return []
    row = {
        "fact_id": known.fact_id,
        "excursion": decision.subject,
        "known_ms": _when(tx, found, known.received_ms),
        "who": decision.who,
        "why": decision.why,
        "from_ms": seen.from_ms,
        "to_ms": seen.to_ms,
        "extreme": seen.extreme,
    }
    write(tx, statements.new(tx.dialect.name, excursion_acknowledgement), [row])
    acknowledge_anew(tx, [decision.subject])
    return [Change("excursion", decision.subject), Change("sensor", found.sensor)]


def _when(tx: Connection, found: Row[tuple[object, ...]], received_ms: int) -> int:
    """No earlier than what was acknowledged became known, wherever the hub's clock was set."""
    judged = Sensor(tx.scalar(select(sensor.c.number).where(sensor.c.sensor == found.sensor)) or 0, found.sensor)
    return Judging(tx, [judged]).known_ms(judged, received_ms)
