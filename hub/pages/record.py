"""The form with a sensor's record: from what a person typed to decisions that become facts. Pure."""

from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime
from typing import Final, Self

import msgspec
from msgspec import Struct

from contract.event import Decision
from hub.coldchain.decisions import ASSIGN_PROFILE, DESCRIBE_SENSOR, Assigned, Described
from hub.coldchain.excursions import SensorRecord
from hub.timeline import epoch_ms

MAX_CHARS: Final = 100
"""Of a name or a place; it must fit into a line."""


class RecordUnusable(Exception):
    """What was typed cannot be used; `key` is the sentence of the catalogue."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key.format_map(values))
        self.key = key
        self.values = values


class RecordForm(Struct, frozen=True):
    """The fields as they are typed; `calibration_due` as YYYY-MM-DD."""

    name: str
    place: str
    calibration_due: str
    replaced_by: str
    profile: str
    why: str = ""

    @classmethod
    def of(cls, record: SensorRecord) -> Self:
        """What stands there before somebody types."""
        due_ms = record.calibration_due_ms
        due = "" if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC).date().isoformat()
        return cls(record.name, record.place, due, record.replaced_by, record.profile)


def decisions(
    form: RecordForm,
    record: SensorRecord,
    *,
    who: str,
    now_ms: int,
    profiles: AbstractSet[str],
    sensors: AbstractSet[str],
    new: bool = False,
) -> list[Decision]:
    """What is decided by saving the form: nothing where nothing changed.

    Args:
        form: as typed.
        record: what was said before.
        who: the person.
        now_ms: the profile holds from now on.
        profiles: names that may be chosen.
        sensors: ids that may take its place.
        new: there is no record yet, so that an empty one says something too.

    Raises:
        RecordUnusable: a field cannot be used; nothing is decided.
    """
    name, place, replaced_by, profile = (
        text.strip() for text in (form.name, form.place, form.replaced_by, form.profile)
    )
    for text in (name, place):
        if len(text) > MAX_CHARS or not text.isprintable():
            raise RecordUnusable("A name and a place have at most {n} characters on one line.", n=MAX_CHARS)
    if replaced_by and (replaced_by == record.sensor or replaced_by not in sensors):
        raise RecordUnusable("There is no other sensor {id}. Copy its id from its page.", id=replaced_by)
    if profile and profile not in profiles:
        raise RecordUnusable("There is no profile {name}.", name=profile)
    due_ms = _due(form.calibration_due.strip())
    decided = []
    said = Described(name, place, due_ms, replaced_by)
    if new or said != Described(record.name, record.place, record.calibration_due_ms, record.replaced_by):
        decided.append(_decision(DESCRIBE_SENSOR, record, who, form.why, said))
    if profile != record.profile:
        decided.append(_decision(ASSIGN_PROFILE, record, who, form.why, Assigned(profile, now_ms)))
    return decided


def _decision(action: str, record: SensorRecord, who: str, why: str, detail: Described | Assigned) -> Decision:
    told = msgspec.json.encode(detail).decode()
    return Decision(action=action, targets=(), who=who, why=why.strip(), subject=record.sensor, detail=told)


def _due(text: str) -> int | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise RecordUnusable("Expected a day such as 2027-01-31, not {text}.", text=text) from None
    return epoch_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
