"""What it means that a person acknowledged an excursion: that it was seen as it was then, and nothing more.

Where it grows beyond that, it needs somebody again: where it began earlier, went further beyond its limit, became an alarm, or
lasted longer than it had when it was over. What lasted when it was seen may go on.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from sqlalchemy import Connection, RowMapping, bindparam, select, update

from contract.coldchain.profile import Side
from contract.event import EpochMs
from hub.coldchain.tables import excursion, excursion_acknowledgement

_ack = excursion_acknowledgement.c


class AsSeen(Struct, frozen=True):
    """The detail of a decision `excursion.acknowledge`: what the person saw. `to_ms` None: it lasted."""

    sensor: str
    limit: str
    from_ms: EpochMs
    to_ms: EpochMs | None = None
    extreme: int | None = None


def covers(acknowledged: RowMapping, now: RowMapping) -> bool:
    """Whether an excursion is still what was acknowledged; both as rows of their tables."""
    if now["started_ms"] < acknowledged["from_ms"]:
        return False
    if now["alarm_known_ms"] is not None and now["alarm_known_ms"] > acknowledged["known_ms"]:
        return False
    to_ms, ended_ms = acknowledged["to_ms"], now["ended_ms"]
    if to_ms is not None and (ended_ms is None or ended_ms > to_ms):
        return False
    seen, extreme = acknowledged["extreme"], now["extreme"]
    if extreme is None or seen is None:
        return extreme is None
    return bool(extreme <= seen if now["side"] == Side.ABOVE.value else extreme >= seen)


_ACKNOWLEDGED: Final = (
    update(excursion)
    .where(excursion.c.id == bindparam("key"))
    .values(ack_who=bindparam("who"), ack_why=bindparam("why"), ack_ms=bindparam("at"), ack_covers=bindparam("holds"))
)


def acknowledge_anew(tx: Connection, identities: Sequence[str]) -> None:
    """Tell of these excursions, which changed, by whom they are acknowledged and whether that still covers them."""
    query = (
        select(excursion_acknowledgement).where(_ack.excursion.in_(identities)).order_by(_ack.known_ms, _ack.fact_id)
    )
    last = {row["excursion"]: row for row in tx.execute(query).mappings()}
    if not last:
        return
    for row in tx.execute(select(excursion).where(excursion.c.id.in_(last))).mappings().all():
        ack = last[row["id"]]
        values = {"who": ack["who"], "why": ack["why"], "at": ack["known_ms"], "holds": int(covers(ack, row))}
        tx.execute(_ACKNOWLEDGED, {"key": row["id"], **values})
