"""A hub without a broker: its real database, ingest and projections, and devices that speak to it by hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, select

from contract.delivery.device_states import Connected
from contract.messages import Down, LatestReading, Up, decode_down, encode_message
from contract.statement import Direction, seal, unseal
from contract.topics import up_topic
from hub import tables as t
from hub.centre import Centre, open_centre
from hub.db import insert
from hub.enrolment import enrol
from hub.ingest import Ingest, Outlets
from hub.intake import Incoming
from hub.projector import Change, LedgerFact, Projection
from tests.contract.delivery.memory import KEY, Device

NOW_MS = 1_763_000_000_000


# A projection of tests: one row a fact. In a metadata of its own, for it is none of the hub's tables.
seen = Table(
    "test_seen",
    MetaData(),
    Column("fact_id", LargeBinary, primary_key=True),
    Column("seq", Integer),
    Column("times", Integer),
)


class Seen:
    """Counts how often each fact was folded."""

    name = "seen"
    tables: Sequence[Table] = (seen,)

    def fold(self, tx: Connection, facts: Sequence[LedgerFact]) -> Sequence[Change]:
        for f in facts:
            statement = insert(tx, seen).on_conflict_do_update(
                index_elements=["fact_id"], set_={"times": seen.c.times + 1}
            )
            tx.execute(statement, {"fact_id": f.fact_id, "seq": f.seq, "times": 1})
        return [Change("parcel", f.fact_id.hex()) for f in facts]


class Desk:
    """One hub process at work; `hear` takes payloads, `sent` holds what was published."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.sent: list[tuple[str, bytes]] = []
        self.live: list[tuple[str, Sequence[LatestReading]]] = []
        self.changes: list[Change] = []
        self.ingest = Ingest(
            centre,
            Outlets(
                publish=lambda device, payload: self.sent.append((device, payload)),
                on_live=lambda device, readings: self.live.append((device, readings)),
                on_committed=self.changes.extend,
            ),
        )

    def enrol(self, *devices: str) -> None:
        with self.centre.db.write() as tx:
            for device in devices:
                enrol(tx, device, "", NOW_MS, key=KEY)
            self.centre.registry.reload(tx)

    def hear(self, device: str, *payloads: bytes) -> list[Down]:
        """One group of payloads of a device; the messages it is answered with."""
        before = len(self.sent)
        self.ingest.process([Incoming(up_topic(device), p) for p in payloads])
        return [
            decode_down(unseal(KEY, Direction.DOWN, d, payload)) for d, payload in self.sent[before:] if d == device
        ]

    def say(self, device: str, *messages: Up) -> list[Down]:
        return self.hear(device, *(seal(KEY, Direction.UP, device, encode_message(m)) for m in messages))

    def settle(self, *devices: Device, most_rounds: int = 2000) -> None:
        """Carry messages both ways until nothing moves."""
        by_name = {d.name: d for d in devices}
        for _ in range(most_rounds):
            waiting = [(d.name, p) for d in devices for p in d.outgoing]
            if not waiting and not self.sent and not self.ingest.queued:
                return
            for d in devices:
                d.outgoing.clear()
            self.ingest.process([Incoming(up_topic(name), p) for name, p in waiting])
            down = list(self.sent)
            self.sent.clear()
            for name, payload in down:
                by_name[name].hear(payload)
        raise AssertionError("devices and hub did not come to rest")

    # -- what the database holds -----------------------------------------------------------------------------------

    def rows(self, table: Table) -> list[dict[str, object]]:
        with self.centre.db.read() as tx:
            return [dict(r._mapping) for r in tx.execute(select(table).order_by(*table.primary_key))]

    def facts(self) -> list[bytes]:
        """Identities with content, in ledger order."""
        return [bytes(r["fact_id"]) for r in self.rows(t.fact) if r["core"] is not None]  # type: ignore[call-overload]  # rows are untyped

    def incidents(self) -> set[str]:
        return {str(r["kind"]) for r in self.rows(t.incident)}

    def seen(self) -> dict[bytes, int]:
        with self.centre.db.read() as tx:
            return {r.fact_id: r.times for r in tx.execute(select(seen))}


@contextmanager
def open_desk(
    folder: Path, *, projections: Sequence[Projection] | None = None, with_backups: bool = False, now_ms: int = NOW_MS
) -> Iterator[Desk]:
    """A hub over this folder, with `Seen` as its only projection unless others are given."""
    chosen = [Seen()] if projections is None else projections
    with open_centre(folder, now_ms=lambda: now_ms, projections=chosen, with_backups=with_backups) as centre:
        with centre.db.write() as tx:
            seen.create(tx, checkfirst=True)
        # As after the look that a served hub takes at its start.
        centre.backups_seen.set()
        yield Desk(centre)


def connected(desk: Desk, name: str = "van-1", seed: int = 1) -> Device:
    """An enrolled device that has said hello."""
    desk.enrol(name)
    device = Device(name, seed)
    device.feed(Connected())
    desk.settle(device)
    return device
