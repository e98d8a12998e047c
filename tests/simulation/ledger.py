"""The hub's database, copied as a whole. The rules are those of `hub/ledger` and `hub/projector.py`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from contract.delivery.hub_actions import HubAction, IncidentKind, Place, PutFacts
from contract.delivery.hub_actions import Report as Incident
from contract.delivery.hub_view import Audited, StreamName
from contract.event import Scan
from contract.fact import Fact
from contract.limits import SAFE_AGE_MS, SAFE_BACKUPS
from tests.contract.delivery.memory import MemoryLedger

KILLER = b"KILLS THE PROJECTOR"
LAST_DEATH = 3


@dataclass(frozen=True, slots=True)
class FactLine:
    """A fact of the ledger; `seq` is its place in the ledger's own order."""

    seq: int
    device: str
    core: bytes | None
    cause: str | None
    problem: str | None
    fact: Fact | None
    received_ms: int


@dataclass(frozen=True, slots=True)
class BlobLine:
    """An attachment whose file was whole."""

    seq: int
    size: int
    kept_ms: int


@dataclass(frozen=True, slots=True)
class BackupLine:
    """A verified backup, as the database knows it."""

    name: str
    fact_seq: int
    blob_seq: int
    removed: bool = False


class Ledger(MemoryLedger):
    """`MemoryLedger` with numbers, backups, attachments and effects."""

    def __init__(self, *, with_backups: bool) -> None:
        super().__init__()
        self.with_backups = with_backups
        self.lines: dict[bytes, FactLine] = {}
        self.known: dict[tuple[str, bytes], bytes] = {}
        """Identities by device and first bytes."""
        self.positions: dict[StreamName, tuple[tuple[int, bytes, bytes | None], ...]] = {}
        """All positions of each stream as they came: n, hash, identity."""
        self.seq = 0
        self.blob_lines: dict[bytes, BlobLine] = {}
        self.backups: list[BackupLine] = []
        self.folded_seq = 0
        self.effects: dict[bytes, bytes] = {}
        """Effect id by fact."""
        self.deaths: dict[bytes, int] = {}
        self.now_ms = 0
        self.announced: set[bytes] = set()
        """Facts on chains of whose heads it was told, or that it got; no table of the hub, but restored with them."""
        self.grown: list[bytes] = []
        """Facts whose content came since the last look."""

    def copy(self) -> "Ledger":
        """What a copy of the database's file holds."""
        other = Ledger.__new__(Ledger)
        for name, value in self.__dict__.items():
            other.__dict__[name] = value.copy() if isinstance(value, dict | list | set) else value
        # Lists in it are changed in place.
        other.branch_heads = {stream: list(heads) for stream, heads in self.branch_heads.items()}
        return other

    def contents(self) -> set[bytes]:
        """Facts with content, and attachments whose rows are there."""
        return {i for i, line in self.lines.items() if line.core is not None}

    # -- HubView ---------------------------------------------------------------------------------------------------

    def audit(self, device: str, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        safe_seq, _, before_ms = self.safety()
        answers = []
        for p in prefixes:
            identity = self.known.get((device, p))
            if identity is None:
                answers.append(Audited(None, has_content=False, safe=False))
                continue
            line = self.lines[identity]
            safe = line.seq <= safe_seq or line.received_ms < before_ms
            answers.append(Audited(identity, line.core is not None, safe))
        return answers

    def audit_blobs(self, prefixes: Sequence[bytes]) -> Sequence[Audited]:
        if not prefixes:
            return []
        _, safe_seq, before_ms = self.safety()
        rows = {s[:8]: s for s in self.blob_lines}
        answers = []
        for p in prefixes:
            name = rows.get(p)
            line = self.blob_lines.get(name) if name is not None else None
            safe = line is not None and (line.seq <= safe_seq or line.kept_ms < before_ms)
            answers.append(Audited(name, line is not None, safe))
        return answers

    def safety(self) -> tuple[int, int, int]:
        """Up to which numbers facts and attachments are safe, and since when by age alone."""
        if not self.with_backups:
            return 0, 0, self.now_ms - SAFE_AGE_MS
        newest = self.newest_backups()
        if len(newest) < SAFE_BACKUPS:
            return 0, 0, 0
        return min(b.fact_seq for b in newest), min(b.blob_seq for b in newest), 0

    def newest_backups(self) -> list[BackupLine]:
        """Those that `safe` rests on."""
        return [b for b in self.backups if not b.removed][-SAFE_BACKUPS:]

    def forget_backups(self, there: set[str]) -> None:
        """Backups whose file is gone count no more."""
        self.backups = [b if b.name in there else replace(b, removed=True) for b in self.backups]

    # -- writing ---------------------------------------------------------------------------------------------------

    def carry_out(self, action: HubAction) -> None:
        match action:
            case PutFacts(device, rows):
                for row in rows:
                    self.seq += 1
                    there = self.lines.get(row.fact_id)
                    fills = there is None or (there.core is None and row.core is not None)
                    if there is not None and there.problem is not None and there.device != device:
                        fills = fills or (row.problem is None and row.core is not None)
                    if not fills:
                        continue
                    self.lines[row.fact_id] = FactLine(
                        self.seq, device, row.core, row.cause, row.problem, row.fact, self.now_ms
                    )
                    self.known[device, row.fact_id[:8]] = row.fact_id
                    if row.core is not None:
                        self.grown.append(row.fact_id)
                    if row.problem is not None:
                        self.quarantine(device, row.problem)
            case Place(stream, _, placements):
                rows = tuple((p.n, p.hash, p.fact_id) for p in placements)
                self.positions[stream] = self.positions.get(stream, ()) + rows
                super().carry_out(action)
            case _:
                super().carry_out(action)

    def knows(self, stream: StreamName, n: int, whole: bytes) -> bool:
        """Whether this prefix is here."""
        return whole in self.placed.get((stream, n), ())

    def quarantine(self, device: str, why: str) -> None:
        """Tell the operator."""
        super().carry_out(Incident(IncidentKind.QUARANTINE, device, f"quarantine:{device}", why))

    def keep_blob(self, name: bytes, size: int) -> None:
        """A row for a whole file."""
        if name not in self.blob_lines:
            seq = max([b.seq for b in self.blob_lines.values()] + [b.blob_seq for b in self.backups], default=0) + 1
            self.blob_lines[name] = BlobLine(seq, size, self.now_ms)

    # -- meaning ---------------------------------------------------------------------------------------------------

    def waiting(self) -> list[bytes]:
        """Facts that are not folded yet, in the ledger's order."""
        if self.folded_seq >= self.seq:
            return []
        ordered = sorted((line.seq, i) for i, line in self.lines.items() if line.seq > self.folded_seq)
        return [i for _, i in ordered]

    def fold(self, identity: bytes) -> bool:
        """Project one fact in its own transaction; False where that kills the process."""
        line = self.lines[identity]
        if line.core is not None and line.problem is None and line.fact is not None:
            if is_killer(line.fact):
                deaths = self.deaths[identity] = self.deaths.get(identity, 0) + 1
                if deaths <= LAST_DEATH:
                    return False
                self.lines[identity] = replace(line, problem="the hub died each time it folded this fact")
                self.quarantine(line.device, "killer")
            else:
                self.effects[identity] = effect_id(identity)
        self.folded_seq = line.seq
        return True


def is_killer(fact: Fact) -> bool:
    """Whether folding this fact ends the process."""
    return isinstance(fact.event, Scan) and fact.event.code == KILLER


def effect_id(identity: bytes) -> bytes:
    """The same for every replay, as UUIDv5 over fact, kind and target is."""
    return sha256(b"effect" + identity).digest()[:16]
