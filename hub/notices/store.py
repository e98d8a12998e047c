"""The outbox in the database."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from msgspec.structs import asdict
from sqlalchemy import Connection, RowMapping, and_, delete, exists, func, or_, select, update

from contract.delivery.hub_actions import IncidentKind
from hub import tables as t
from hub.ledger import statements
from hub.notices.finding import EXCURSION_KEY, Kind
from hub.notices.outbox import BACK_OFF_MOST_MS, Notice, State
from hub.notices.tables import notice
from hub.rows import write

RELEASED_SETTING = "notices_released"
HOLD_MS = 30 * 60_000
"""Notices of a hub that was set back wait so long for devices to say what they know, unless a person releases them."""

_c = notice.c


def open_notices(reader: Connection, keys: Collection[str]) -> list[Notice]:
    """Tellings of these findings, and of all whose end was not told."""
    # An occurrence whose end was told has such a row; the others are few, for each lasts or waits.
    ended = (
        select(_c.finding, _c.target, func.max(_c.occurrence).label("occurrence"))
        .where(_c.tells_end == 1)
        .group_by(_c.finding, _c.target)
        .subquery()
    )
    joined = notice.outerjoin(ended, (ended.c.finding == _c.finding) & (ended.c.target == _c.target))
    lasting = (
        select(notice).select_from(joined).where(ended.c.occurrence.is_(None) | (_c.occurrence > ended.c.occurrence))
    )
    found = {row["id"]: row for row in reader.execute(lasting).mappings()}
    for some in _parts(sorted(keys)):
        found |= {row["id"]: row for row in reader.execute(select(notice).where(_c.finding.in_(some))).mappings()}
    return [_notice(row) for row in found.values()]


def due_notices(reader: Connection, now_ms: int) -> list[Notice]:
    """What is to be sent now."""
    # Nothing is put off for longer: such a time is from before the clock was set back.
    due = or_(_c.due_ms <= now_ms, _c.due_ms > now_ms + BACK_OFF_MOST_MS)
    query = select(notice).where(_c.state == State.WAITING, due)
    return [_notice(row) for row in reader.execute(query).mappings()]


def latest_notices(reader: Connection, limit: int) -> list[Notice]:
    """The newest first."""
    query = select(notice).order_by(_c.created_ms.desc(), _c.id).limit(limit)
    return [_notice(row) for row in reader.execute(query).mappings()]


def sent_between(reader: Connection, target: str, from_ms: int, to_ms: int) -> int:
    """How many messages a target got, both ends included."""
    query = select(func.count(_c.message.distinct())).where(_c.target == target, _c.sent_ms.between(from_ms, to_ms))
    return reader.scalar(query) or 0


def waiting_by_target(reader: Connection) -> dict[str, int]:
    """How many tellings wait for each target."""
    query = select(_c.target, func.count().label("waiting")).where(_c.state == State.WAITING).group_by(_c.target)
    return {row.target: row.waiting for row in reader.execute(query)}


def last_sent(reader: Connection) -> dict[str, int]:
    """When each target was told something last."""
    query = select(_c.target, func.max(_c.sent_ms).label("sent_ms")).where(_c.sent_ms.is_not(None)).group_by(_c.target)
    return {row.target: row.sent_ms for row in reader.execute(query)}


def rounds_of(reader: Connection, key: str, target: str) -> int:
    """How many tellings of a finding there are for a target."""
    query = select(func.count()).select_from(notice).where(_c.finding == key, _c.target == target)
    return reader.scalar(query) or 0


def keep(tx: Connection, notices: Sequence[Notice]) -> None:
    """Put tellings in, or in the place of what they were."""
    write(tx, statements.latest(tx.dialect.name, notice), [_row(one) for one in notices])


def put(tx: Connection, planned: Sequence[Notice], before: Sequence[Notice]) -> None:
    """Put in what was planned from `before`; what was sent, or begun to be sent, meanwhile stays as it is."""
    known = {one.id: one for one in before}
    for one in planned:
        was = known.get(one.id)
        if was is None:
            write(tx, statements.new(tx.dialect.name, notice), [_row(one)])
            continue
        unchanged = (_c.id == one.id, _c.state == was.state.value, _c.tries == was.tries)
        values = {"state": one.state.value, "tells_end": int(one.tells_end), "due_ms": one.due_ms}
        tx.execute(update(notice).where(*unchanged).values(**values))


def forget(tx: Connection, before_ms: int) -> None:
    """Forget what was told before then and is over.

    Of what can begin anew, such as a silence, the last occurrence stays: the next one must not get its Message-ID.
    """
    other = notice.alias().c
    same = (other.finding == _c.finding, other.target == _c.target)
    anew = exists().where(*same, other.occurrence > _c.occurrence)
    over = exists().where(*same, other.occurrence == _c.occurrence, other.tells_end == 1)
    gone = or_(anew, and_(_c.finding.startswith(EXCURSION_KEY), over))
    tx.execute(delete(notice).where(_c.created_ms < before_ms, gone))


def _row(one: Notice) -> dict[str, Any]:
    return {**asdict(one), "kind": one.kind.value, "state": one.state.value, "tells_end": int(one.tells_end)}


def _notice(row: RowMapping) -> Notice:
    return Notice(
        **{**row, "kind": Kind(row["kind"]), "state": State(row["state"]), "tells_end": bool(row["tells_end"])}
    )


def _parts(keys: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))


def held_since(reader: Connection, now_ms: int) -> int | None:
    """When a device showed that this hub was set back, while notices wait because of that; None when they go out."""
    i = t.incident.c
    released = reader.scalar(select(t.setting.c.value).where(t.setting.c.name == RELEASED_SETTING))
    after_ms = max(now_ms - HOLD_MS, int(released) if released else 0)
    query = select(func.min(i.first_ms)).where(
        i.kind == IncidentKind.HUB_REGRESSED.value, i.closed_ms.is_(None), i.first_ms > after_ms, i.first_ms <= now_ms
    )
    since_ms: int | None = reader.scalar(query)
    return since_ms


def release(tx: Connection, now_ms: int) -> None:
    """Let notices go out that wait since the hub was set back."""
    tx.execute(statements.latest(tx.dialect.name, t.setting), {"name": RELEASED_SETTING, "value": str(now_ms)})
