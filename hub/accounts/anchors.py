"""Anchors of the audit trail: what its end was, stated as facts of the hub.

The hashes of the trail are made without a secret, so whoever may write the database could make all of them anew. An anchor
holds the number and hash of one row where that does not reach: in the ledger, whose chain of device `hub` cannot be changed at
one place alone, and from there in every report, which is kept by other people. `holdfast-hub verify` holds the trail against
all of them.

The hub states one each day and with each report, unless the trail has not grown since the last.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from msgspec import Struct
from sqlalchemy import Connection, and_, select
from sqlalchemy.exc import DBAPIError

from contract.errors import ContractError
from contract.event import Decision
from contract.fact import decode_core
from hub import tables as t
from hub.accounts.audit import ANCHOR, ChainState, check_chain
from hub.accounts.tables import audit_trail
from hub.archive.file import ArchiveDamaged
from hub.archive.store import whole
from hub.db import Database
from hub.errors import HubError
from hub.voice import HUB_DEVICE

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

EVERY_S: Final = 86_400.0
SETTLED_S: Final = 600.0
"""After the start of a hub, whose first minutes belong to the devices that waited for it."""
_c = audit_trail.c


class Anchor(Struct, frozen=True):
    """The number and hash (hex) of a row of the trail, and the fact that states it."""

    number: int
    hash: str
    fact_id: bytes = b""


def head(tx: Connection) -> Anchor | None:
    """The end of the trail now; None: nothing was ever noted."""
    row = tx.execute(select(_c.id, _c.hash).order_by(_c.id.desc()).limit(1)).first()
    return None if row is None else Anchor(row.id, row.hash.hex())


def anchors(tx: Connection) -> Iterator[Anchor]:
    """All that the ledger holds, the latest first."""
    f = t.fact.c
    told = select(f.fact_id, f.core).where(and_(f.device == HUB_DEVICE, f.core.is_not(None), f.problem.is_(None)))
    for identity, core in tx.execute(told.order_by(f.seq.desc())):
        try:
            event = decode_core(whole(tx, core, identity).core).event
        except (ContractError, ArchiveDamaged):
            # `verify` says so by itself.
            continue
        if isinstance(event, Decision) and event.action == ANCHOR and event.subject.isdecimal():
            yield Anchor(int(event.subject), event.detail, identity)


def anchor_trail(db: Database, decide: Callable[[Decision], bytes]) -> bool:
    """State where the trail ends; whether there was anything new to state."""
    with db.read() as tx:
        end = head(tx)
        last = next(anchors(tx), None)
    if end is None or (last is not None and (last.number, last.hash) == (end.number, end.hash)):
        return False
    decide(Decision(ANCHOR, (), HUB_DEVICE, "", str(end.number), end.hash))
    return True


def is_row(tx: Connection, number: int, digest: str) -> bool:
    """Whether the trail has a row of this number with this hash (hex)."""
    found = tx.execute(select(_c.hash).where(_c.id == number)).scalar()
    return found is not None and found.hex() == digest


def check_trail(tx: Connection) -> ChainState:
    """Check every row against the one before it, and the whole against all anchors."""
    state = check_chain(tx)
    wrong = tuple(
        f"audit row {told.number}: the hub stated another hash for it in fact {told.fact_id.hex()}; "
        "the trail was written anew since"
        for told in anchors(tx)
        if not is_row(tx, told.number, told.hash)
    )
    return ChainState(state.rows, state.unbroken_to, (*state.wrong, *wrong))


@contextmanager
def anchoring(db: Database, decide: Callable[[Decision], bytes], settled_s: float = SETTLED_S) -> Iterator[None]:
    """State the end of the trail while the block runs, soon and then every day."""
    ended = threading.Event()

    def run() -> None:
        wait_s = settled_s
        while not ended.wait(wait_s):
            wait_s = EVERY_S
            try:
                anchor_trail(db, decide)
            except (HubError, DBAPIError) as error:
                # A full disk among them; the next one covers all that this one would have.
                log.warning("the audit trail is not anchored", why=str(error))

    thread = threading.Thread(target=run, name="anchors", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(1)
