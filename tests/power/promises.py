"""What a device has confirmed, what it was doing when the power went, and what is found afterwards."""

import sqlite3
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.blocks import unpack_sample
from agent.clock import DeviceClock
from agent.outbox import Outbox
from agent.store import samples
from agent.store.blobs import BlobFiles
from agent.store.scribe import answered
from contract.columns import unpack_positions, unpack_readings
from contract.event import Alarm, Damage, Event, Lane, Positions, Proof, Readings, Scan, Status
from contract.fact import decode_core, fact_id
from tests.agent.store.kit import DEVICE, VirtualTime, everything

ROUND = 5_000
"""Measured values count up to here and begin again; they tell which measurements are there."""


@dataclass(slots=True)
class Promises:
    """Everything that was confirmed and not let go since."""

    keys: dict[bytes, bytes | None] = field(default_factory=dict)
    """What a fact is known by, and its identity where that was told."""
    measured: Counter[str] = field(default_factory=Counter)
    """How many values of each series were confirmed."""
    let_go: Counter[str] = field(default_factory=Counter)
    """How many of them may have been released."""
    requests: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)
    shelf: dict[str, bytes] = field(default_factory=dict)
    blobs: set[bytes] = field(default_factory=set)
    incarnation: bytes = b""
    acked: dict[Lane, int] = field(default_factory=dict)
    released: set[bytes] = field(default_factory=set)
    repaired: bool = False
    """A salvage reads bare pages, so what was released may be there again; the hub knows it."""

    def copy(self) -> "Promises":
        return replace(
            self,
            keys=dict(self.keys),
            measured=self.measured.copy(),
            let_go=self.let_go.copy(),
            requests=dict(self.requests),
            shelf=dict(self.shelf),
            blobs=set(self.blobs),
            acked=dict(self.acked),
            released=set(self.released),
        )


@dataclass(frozen=True, slots=True)
class Doing:
    """What was asked for and not confirmed yet: afterwards all of it is there or nothing."""

    name: str = "nothing"
    keys: tuple[bytes, ...] = ()
    series: str = ""
    values: int = 0
    released: frozenset[bytes] = frozenset()
    may_go: tuple[tuple[str, int], ...] = ()
    shelf: tuple[tuple[str, bytes | None], ...] = ()
    blobs_gone: frozenset[bytes] = frozenset()
    begins: bool = False
    """A new incarnation may have begun."""
    acked: tuple[tuple[Lane, int], ...] = ()


@dataclass(slots=True)
class Found:
    """What a start finds."""

    keys: dict[bytes, bytes] = field(default_factory=dict)
    measured: dict[str, list[int]] = field(default_factory=dict)
    shelf: dict[str, bytes] = field(default_factory=dict)
    incarnation: bytes = b""
    acked: dict[Lane, int] = field(default_factory=dict)
    damages: list[str] = field(default_factory=list)


def key_of(event: Event) -> bytes | None:
    """What a fact of the workload is known by."""
    match event:
        case Scan(code=code):
            return code
        case Alarm(alarm=alarm, phase=phase):
            return f"alarm {alarm} {phase}".encode()
        case Proof(stop=stop):
            return f"proof {stop}".encode()
        case _:
            return None


def series_values(event: Event) -> tuple[str, list[int]] | None:
    """The values of a sealed block."""
    match event:
        case Readings(sensor=name, columns=columns, count=count, interval_ms=interval_ms):
            return name, [r.value or 0 for r in unpack_readings(columns, count, interval_ms)]
        case Positions(receiver=name, columns=columns, count=count, interval_ms=interval_ms):
            return name, [p.lat_e7 for p in unpack_positions(columns, count, interval_ms)]
        case _:
            return None


class Wrong(AssertionError):
    """A promise was broken."""


def expect(holds: bool, why: str) -> None:
    if not holds:
        raise Wrong(why)


def reopen(folder: Path, boot: bytes, since_ms: int) -> Outbox:
    """Start the agent's store after the cut, with the product's own code."""
    time = VirtualTime()
    time.epoch_ms += since_ms
    return Outbox.open(folder, DEVICE, clock=DeviceClock(boot, time))


def look(outbox: Outbox) -> Found:
    """Read everything, and see that it is whole: pages, both chains, every content, every row that belongs to another."""
    found = Found(incarnation=outbox.incarnation)
    (state,) = outbox.database.rows("PRAGMA integrity_check")[0]
    expect(state == "ok", f"the database is damaged: {state}")
    chained = 0
    for lane in Lane:
        found.acked[lane] = outbox.lane(lane).acked_n
        for position in everything(outbox, lane):
            expect((position.core is None) == (position.cause is not None), f"position {position.n} of {lane} is half")
            if position.core is not None:
                chained += 1
                expect(fact_id(position.core) == position.fact_id, f"content {position.n} of {lane} was changed")
                _note(found, decode_core(position.core).event, position.fact_id)
    (stored,) = outbox.database.rows("SELECT count(*) FROM fact WHERE cause IS NULL")[0]
    expect(stored == chained, f"{stored} contents, but {chained} positions that hold one")
    outbox.database.read(lambda c: _note_samples(found, c))
    found.shelf = {name: outbox.shelf.get("draft", name) or b"" for name in outbox.shelf.names("draft")}
    return found


def _note(found: Found, event: Event, identity: bytes) -> None:
    if (key := key_of(event)) is not None:
        expect(key not in found.keys, f"{key!r} is there twice")
        found.keys[key] = identity
    if (block := series_values(event)) is not None:
        found.measured.setdefault(block[0], []).extend(block[1])
    if isinstance(event, Status) and isinstance(event.detail, Damage):
        found.damages.append(event.detail.kind)


def _note_samples(found: Found, connection: sqlite3.Connection) -> None:
    for block in samples.all_open(connection):
        rows = connection.execute("SELECT sample FROM sample WHERE block = ? ORDER BY k", (block.id,)).fetchall()
        values = [unpack_sample(data) for (data,) in rows]
        expect(len(values) > 0, "an open block without samples")
        expect(all(v is not None for v in values), "a sample is damaged")
        found.measured.setdefault(block.series.name, []).extend(v.numbers[0] or 0 for v in values if v is not None)


def judge(outbox: Outbox, promises: Promises, doing: Doing) -> Found:
    """Hold what is found against what was promised.

    Raises:
        Wrong: a promise was broken.
    """
    found = look(outbox)
    _judge_facts(found, promises, doing)
    _judge_values(found, promises, doing)
    for request, identities in promises.requests.items():
        repeat = outbox.database.read(lambda c, request=request: answered(c, request))  # type: ignore[misc]  # bound above
        expect(tuple(k.fact_id for k in repeat) == identities, f"request {request.hex()} is answered otherwise")
    for name in promises.shelf.keys() | found.shelf.keys():
        allowed = [promises.shelf.get(name), *(body for n, body in doing.shelf if n == name)]
        expect(found.shelf.get(name) in allowed, f"draft {name} is {found.shelf.get(name)!r}, not of {allowed}")
    _judge_blobs(outbox, promises, doing)
    if not doing.begins and promises.incarnation:
        expect(found.incarnation == promises.incarnation, f"a new incarnation began: {found.damages}")
        for lane, n in promises.acked.items():
            allowed_n = {n, *(m for of, m in doing.acked if of is lane)}
            expect(found.acked[lane] in allowed_n, f"acknowledged {lane} {found.acked[lane]}, not of {allowed_n}")
    return found


def _judge_facts(found: Found, promises: Promises, doing: Doing) -> None:
    gone = promises.keys.keys() - found.keys.keys() - doing.released
    expect(not gone, f"while {doing.name}: confirmed and lost: {sorted(gone)[:5]} ({len(gone)})")
    kept_anyway = doing.released & found.keys.keys()
    expect(promises.repaired or kept_anyway in (frozenset(), doing.released), "a release is half done")
    for key, identity in promises.keys.items():
        expect(identity is None or found.keys.get(key, identity) == identity, f"{key!r} has another identity")
    new = found.keys.keys() - promises.keys.keys()
    if promises.repaired:
        new -= promises.released | doing.released
    expect(new in (set(), set(doing.keys)), f"while {doing.name}: half of a transaction: {new} of {doing.keys}")


def _judge_values(found: Found, promises: Promises, doing: Doing) -> None:
    for series in promises.measured.keys() | found.measured.keys():
        values = found.measured.get(series, [])
        confirmed, in_flight = promises.measured[series], doing.values if doing.series == series else 0
        may_go = max([promises.let_go[series], *(n for name, n in doing.may_go if name == series)])
        ends = [confirmed, confirmed + in_flight] if in_flight else [confirmed]
        if promises.repaired:
            lost = {n % ROUND for n in range(may_go, confirmed)} - set(values)
            expect(not lost, f"while {doing.name}: values of {series} are lost: {sorted(lost)[:5]}")
            continue
        fits = [end for end in ends if _counts_to(values, end)]
        expect(bool(fits), f"while {doing.name}: values of {series} end with {values[-5:]}, not before {ends}")
        expect(fits[0] - len(values) <= may_go, f"values of {series} before {fits[0] - len(values)} are lost")
        if in_flight and doing.keys:
            both = (fits[0] == ends[1]) == all(key in found.keys for key in doing.keys)
            expect(both, f"while {doing.name}: the value without its fact, or the other way round")


def _counts_to(values: list[int], end: int) -> bool:
    return values == [n % ROUND for n in range(end - len(values), end)]


def _judge_blobs(outbox: Outbox, promises: Promises, doing: Doing) -> None:
    rows = {row[0] for row in outbox.database.rows("SELECT sha256 FROM blob")}
    for digest in promises.blobs:
        if digest in doing.blobs_gone and digest not in rows:
            continue
        expect(digest in rows, f"attachment {digest.hex()} is forgotten")
        expect(outbox.files.chunk(digest, 0, 1) is not None, f"attachment {digest.hex()} is gone or changed")
    for digest in rows:
        expect(BlobFiles(outbox.folder).size(digest) is not None, f"attachment {digest.hex()} has no file")


def adopt(found: Found, promises: Promises, doing: Doing) -> Promises:
    """What holds from here on: that what was being done is there, or not."""
    after = promises.copy()
    after.keys = dict(found.keys)
    after.shelf = dict(found.shelf)
    after.incarnation, after.acked = found.incarnation, dict(found.acked)
    after.blobs -= doing.blobs_gone
    for series, values in found.measured.items():
        if doing.series == series and _counts_to(values, promises.measured[series] + doing.values):
            after.measured[series] += doing.values
    for series, n in doing.may_go:
        after.let_go[series] = max(after.let_go[series], n)
    return after
