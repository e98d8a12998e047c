"""Rows of excursions: what was found, what it was taken for before, and since when that is known.

What becomes known at one instant is one change, however many facts tell it: before more is found at the instant of the last
change, that change is taken back, and all that is known by then is compared with what was known before. So a ledger that is
folded again, in larger groups than it came in, gives the same rows.
"""

from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, RowMapping, bindparam, delete, or_, select, update

from hub.coldchain.acknowledging import acknowledge_anew
from hub.coldchain.tables import excursion, excursion_change
from hub.coldchain.walk import Mark, Verdict
from hub.ledger import statements
from hub.rows import write

ID_BYTES: Final = 10
"""80 bits: a hub with ten million excursions will hardly ever see two of one id."""

_row = excursion.c
_change = excursion_change.c
_SAID: Final = ("started_ms", "alarm_ms", "ended_ms", "extreme", "withdrawn")
"""What is news; the time beyond grows with every reading."""
_TOLD: Final = (*_SAID, "beyond_ms", "alarm_known_ms", "ended_known_ms")

Row = dict[str, Any]
Lasting = Collection[tuple[Mark, int]]


class Since(msgspec.Struct, frozen=True):
    """From where on a sensor is judged again.

    Attributes:
        start_ms: what began here or later is found again, or it never was.
        end_ms: the same of what ended here or later.
    """

    start_ms: int
    end_ms: int


def take_back(tx: Connection, sensor: str, known_ms: int) -> int | None:
    """Undo what became known of a sensor at an instant, the last one there was; the oldest time that was touched."""
    rows = tx.execute(select(excursion).where(_row.sensor == sensor, _row.changed_ms == known_ms)).mappings().all()
    touched = [row["started_ms"] for row in rows]
    for row in rows:
        there = _change.excursion == row["id"]
        tx.execute(delete(excursion_change).where(there, _change.known_ms == known_ms))
        if row["known_ms"] == known_ms:
            tx.execute(delete(excursion).where(_row.id == row["id"]))
            continue
        query = select(excursion_change).where(there).order_by(_change.known_ms.desc()).limit(1)
        before = tx.execute(query).mappings().one()
        values = {name: before[name] for name in _TOLD} | {"changed_ms": before["known_ms"]}
        tx.execute(update(excursion).where(_row.id == row["id"]).values(values))
        touched.append(before["started_ms"])
    acknowledge_anew(tx, [row["id"] for row in rows if row["ack_ms"] is not None])
    return min(touched, default=None)


def compare(
    tx: Connection,
    sensor: str,
    found: Collection[Verdict],
    known_ms: int,
    *,
    lasting: Lasting,
    since: Since | None = None,
) -> list[str]:
    """Keep what was found of a sensor, as changes of what was known; the ids of excursions that it is news of.

    Args:
        tx: the writer's transaction.
        sensor: its id.
        found: all that lasted at the beginning of what was judged, and all that is found from there on.
        known_ms: when that became known.
        lasting: marks and starts of what lasted at that beginning.
        since: what was judged again; None: what follows all that was known, so that only what lasts can have changed.
    """
    pairs = _pair(_known(tx, sensor, lasting, since), found)
    news: list[Row] = []
    for old, verdict in pairs:
        row = _told(old, verdict, known_ms)
        if old is None and verdict is not None:
            row |= _identity(sensor, verdict, known_ms)
        elif old is not None:
            if all(row[name] == old[name] for name in _SAID):
                if row["beyond_ms"] != old["beyond_ms"]:
                    tx.execute(_LONGER, {"key": old["id"], "beyond": row["beyond_ms"]})
                continue
            row = {**old, **row}
        news.append({**row, "changed_ms": known_ms})
    _keep(tx, news, known_ms)
    return [row["id"] for row in news]


_LONGER: Final = update(excursion).where(_row.id == bindparam("key")).values(beyond_ms=bindparam("beyond"))


def _known(tx: Connection, sensor: str, lasting: Lasting, since: Since | None) -> list[RowMapping]:
    """What may be found otherwise now: what had not ended by then, and what began later."""
    query = select(excursion).where(_row.sensor == sensor, _row.withdrawn == 0)
    touched: ColumnElement[bool] = _row.ended_ms.is_(None)
    if since is not None:
        starts = {started_ms for _, started_ms in lasting}
        again = or_(_row.ended_ms >= since.end_ms, _row.started_ms >= since.start_ms)
        touched = or_(touched, again, _row.started_ms.in_(starts))
    rows = tx.execute(query.where(touched).order_by(_row.started_ms, _row.id)).mappings()
    return [row for row in rows if _may_change(row, lasting, since)]


def _may_change(row: RowMapping, lasting: Lasting, since: Since | None) -> bool:
    if since is None or row["ended_ms"] is None or row["ended_ms"] >= since.end_ms:
        return True
    return row["started_ms"] >= since.start_ms or (_mark(row), row["started_ms"]) in lasting


def _mark(row: RowMapping) -> Mark:
    return Mark(row["kind"], row["profile"], row["limit_name"], row["side"], row["threshold"])


def _pair(known: Sequence[RowMapping], found: Iterable[Verdict]) -> list[tuple[RowMapping | None, Verdict | None]]:
    """Which finding is which: the same start says so, else that they overlap in time. Unmatched ones stand alone."""
    left = list(known)
    verdicts = sorted(found, key=lambda verdict: (verdict.started_ms, msgspec.structs.astuple(verdict.mark)[:4]))
    partner: dict[int, RowMapping] = {}
    for same in (_same_start, _overlap):
        for nr, verdict in enumerate(verdicts):
            if nr in partner:
                continue
            match = next((row for row in left if _mark(row) == verdict.mark and same(row, verdict)), None)
            if match is not None:
                left.remove(match)
                partner[nr] = match
    pairs: list[tuple[RowMapping | None, Verdict | None]] = [(row, None) for row in left]
    return pairs + [(partner.get(nr), verdict) for nr, verdict in enumerate(verdicts)]


def _same_start(row: RowMapping, verdict: Verdict) -> bool:
    return bool(row["started_ms"] == verdict.started_ms)


def _overlap(row: RowMapping, verdict: Verdict) -> bool:
    ends_behind = row["ended_ms"] is None or row["ended_ms"] >= verdict.started_ms
    return bool(ends_behind and (verdict.ended_ms is None or row["started_ms"] <= verdict.ended_ms))


def _told(old: RowMapping | None, verdict: Verdict | None, known_ms: int) -> Row:
    """The columns that tell what was found, with when each part of it became known."""
    if verdict is None:
        return {name: old[name] for name in _TOLD} | {"withdrawn": 1} if old is not None else {}
    alarm_known_ms = ended_known_ms = known_ms
    if old is not None and old["alarm_ms"] is not None:
        alarm_known_ms = old["alarm_known_ms"]
    if old is not None and old["ended_ms"] == verdict.ended_ms and old["ended_ms"] is not None:
        ended_known_ms = old["ended_known_ms"]
    return {
        "started_ms": verdict.started_ms,
        "alarm_ms": verdict.alarm_ms,
        "ended_ms": verdict.ended_ms,
        "extreme": verdict.extreme,
        "beyond_ms": verdict.beyond_ms,
        "alarm_known_ms": None if verdict.alarm_ms is None else alarm_known_ms,
        "ended_known_ms": None if verdict.ended_ms is None else ended_known_ms,
        "withdrawn": 0,
    }


def _identity(sensor: str, verdict: Verdict, known_ms: int) -> Row:
    mark = verdict.mark
    named = (sensor, *msgspec.structs.astuple(mark), verdict.started_ms, known_ms)
    return {
        "id": sha256(b"hf1.excursion" + msgspec.msgpack.encode(named)).digest()[:ID_BYTES].hex(),
        "sensor": sensor,
        "device": sensor.partition(".")[0],
        "kind": mark.kind,
        "limit_name": mark.limit,
        "side": mark.side,
        "threshold": mark.threshold,
        "profile": mark.profile,
        "known_ms": known_ms,
        "ack_who": "",
        "ack_why": "",
        "ack_ms": None,
        "ack_covers": 0,
    }


def _keep(tx: Connection, news: Sequence[Row], known_ms: int) -> None:
    if not news:
        return
    names = [column.name for column in excursion.columns]
    write(tx, statements.latest(tx.dialect.name, excursion), [{name: row[name] for name in names} for row in news])
    changes = [{"excursion": row["id"], "known_ms": known_ms} | {name: row[name] for name in _TOLD} for row in news]
    write(tx, statements.sole(excursion_change), changes)
    acknowledge_anew(tx, [row["id"] for row in news])
