"""What could not be read or folded, and a person's word on it: replay after a repair, or drop."""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from contract.errors import Malformed
from contract.fact import decode_core
from contract.topics import up_topic
from hub import tables as t
from hub.archive.store import whole
from hub.errors import Refused
from hub.intake import Incoming
from hub.ledger.heads import StreamHeads
from hub.projector import Projector


@dataclass(frozen=True, slots=True)
class Held:
    """One entry."""

    id: int
    kind: str
    device: str
    fact_id: bytes | None
    projection: str
    why: str
    at_ms: int
    state: str


def list_quarantine(tx: Connection, *, everything: bool = False) -> list[Held]:
    """Entries that are held, oldest first; with `everything` also those that were dealt with."""
    c = t.quarantine.c
    query = select(c.id, c.kind, c.device, c.fact_id, c.projection, c.why, c.at_ms, c.state).order_by(c.id)
    return [Held(*row) for row in tx.execute(query if everything else query.where(c.state == "held"))]


def replay(
    tx: Connection, entry: int, *, projector: Projector, heads: StreamHeads, say_again: Callable[[Incoming], None]
) -> bool:
    """Try an entry again; whether it went through now. A statement is judged anew by ingest, which keeps it again if need be.

    Raises:
        Refused: no such entry is held.
    """
    held, raw = _held(tx, entry)
    done = False
    match held.kind, held.fact_id:
        case "projection", bytes(identity):
            done = projector.refold(tx, held.projection, identity)
        case "fact", bytes(identity):
            done = _readable_now(tx, identity, heads)
        case _ if raw is not None:
            say_again(Incoming(up_topic(held.device), raw))
            done = True
    if done:
        _settle(tx, entry, "replayed")
    return done


def drop(tx: Connection, entry: int) -> None:
    """Deal with an entry for good. A fact stays in the ledger with its bytes.

    Raises:
        Refused: no such entry is held.
    """
    _held(tx, entry)
    _settle(tx, entry, "dropped")


def _held(tx: Connection, entry: int) -> tuple[Held, bytes | None]:
    found = next((h for h in list_quarantine(tx) if h.id == entry), None)
    if found is None:
        raise Refused(f"no entry {entry} is held; see `holdfast-hub quarantine list`")
    return found, tx.execute(select(t.quarantine.c.raw).where(t.quarantine.c.id == entry)).scalar()


def _settle(tx: Connection, entry: int, state: str) -> None:
    c = t.quarantine.c
    tx.execute(update(t.quarantine).where(c.id == entry, c.state == "held").values(state=state))


def _readable_now(tx: Connection, identity: bytes, heads: StreamHeads) -> bool:
    """Hand a fact to the projector if it can be read by now, under a new number so that it is folded.

    A fact of one device that came from another is taken as well: whoever replays it vouches that both are the same, such as
    one that was enrolled under a new id with facts still on it.
    """
    c = t.fact.c
    row = tx.execute(select(c.core, c.device, c.problem).where(c.fact_id == identity)).first()
    if row is not None and row.problem is None:
        # Its own device has stated it since.
        return True
    try:
        fact = decode_core(whole(tx, row.core, identity).core) if row is not None and row.core is not None else None
    except Malformed:
        return False
    if fact is None:
        return False
    seq = heads.take_seqs(tx, 1)
    tx.execute(update(t.fact).where(c.fact_id == identity).values(problem=None, seq=seq))
    return True
