"""Where the facts of a device are now: on it, on their way, at the hub, or safe; and what the device says of itself."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from contract.event import Lane
from hub.fleet.queries import LaneRow
from hub.fleet.tables import device_report
from hub.ledger.safety import Safety
from hub.tables import device_document, fact, stream


@dataclass(frozen=True, slots=True)
class LaneBar:
    """A lane of all of a device's records, in facts. The four do not overlap.

    Attributes:
        kept: recorded there, and nobody hears the device now.
        on_its_way: recorded there, and the device is in contact.
        at_hub: committed, and still kept on the device too.
        safe: the device may delete them.
    """

    lane: Lane
    kept: int
    on_its_way: int
    at_hub: int
    safe: int

    @property
    def total(self) -> int:
        """All that was ever recorded."""
        return self.kept + self.on_its_way + self.at_hub + self.safe


@dataclass(frozen=True, slots=True)
class Report:
    """The latest that a device said of one of its parts. `at_ms`: by its clock, but no later than the hub knew of it."""

    kind: str
    name: str
    value: str
    detail: str
    at_ms: int
    known_ms: int


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A document that a device should have, and the version that it said is in force there (None: it never said)."""

    kind: str
    version: int
    made_ms: int
    in_force: int | None


def lane_bars(reader: Connection, device: str, lanes: list[LaneRow], safety: Safety, *, silent: bool) -> list[LaneBar]:
    """How far the facts of each lane have come."""
    c = fact.c
    is_safe = or_(c.seq <= safety.fact_seq, c.received_ms < safety.committed_before_ms)
    counted = select(stream.c.lane, func.count()).join(stream, stream.c.id == c.stream_id)
    query = counted.where(c.device == device, is_safe).group_by(stream.c.lane)
    safe = {Lane(lane): count for lane, count in reader.execute(query)}
    bars = []
    for lane in Lane:
        own = [row for row in lanes if row.lane is lane]
        if not own:
            continue
        committed = sum(row.committed_n for row in own)
        waiting = sum(row.announced_n for row in own) - committed
        done = min(committed, safe.get(lane, 0))
        kept, on_its_way = (waiting, 0) if silent else (0, waiting)
        bars.append(LaneBar(lane, kept, on_its_way, committed - done, done))
    return bars


def reports_of(reader: Connection, device: str) -> list[Report]:
    """What a device last said of its drivers, documents, storage and so on."""
    c = device_report.c
    rows = reader.execute(
        select(c.kind, c.name, c.value, c.detail, c.at_ms, c.known_ms)
        .where(c.device == device)
        .order_by(c.kind, c.name)
    )
    return [
        Report(kind, name, value, detail, min(at_ms, known_ms), known_ms)
        for kind, name, value, detail, at_ms, known_ms in map(tuple, rows)
    ]


def documents_of(reader: Connection, device: str, reports: list[Report]) -> list[DocumentRow]:
    """The documents that a device should have."""
    said = {r.name: int(r.value) for r in reports if r.kind == "document"}
    c = device_document.c
    rows = reader.execute(select(c.kind, c.version, c.made_ms).where(c.device == device).order_by(c.kind))
    return [DocumentRow(kind, version, made_ms, said.get(kind)) for kind, version, made_ms in map(tuple, rows)]
