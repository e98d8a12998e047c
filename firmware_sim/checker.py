"""Compares what simulated devices did with what the hub has: nothing lost, nothing doubled.

One side are the journals of the simulated scanners and probes, the other the hub's facts. What the devices under test
count themselves is never asked.

**Scans.** Sends and facts are compared in groups: of one device, the same code bytes and, where the journal tells what
step the person meant, the same step. In a group

- each send answered by KEPT or UNEXPECTED promises one fact;
- DUPLICATE says that an earlier send is kept: it promises one fact in all, where no other send promises any;
- a send that was refused, and a configuration card, makes no fact;
- any other send is doubtful (the device was killed meanwhile, or never answered): it makes one fact or none.

*captured* are the promised facts, *lost* those of them that are missing, *doubled* the facts beyond what promising and
doubtful sends together explain: a scan that is at the hub under two identities, and a fact of a code that nobody sent.

**Proofs.** They are compared in groups of one device, stop and outcome with the same parcels and pictures. One that the agent
said is kept promises a fact; one without an answer is doubtful.

**Readings.** For each sensor the values that its probe put on the wire, in the order of the polls, are compared with the
values in the hub's blocks, unpacked, in the order of the device's clock. A value is

- doubtful where its poll came within DOUBT_MS before, or AFTER_MS behind, a break (the device was killed, or the probe
  unplugged): an answer may not have been read, and readings share a commit for at most a second;
- doubtful where the answer was late or disturbed on the wire, which the device must refuse; or where the next poll came
  only after a silence, or never came, which is how a device behaves that was not answered in time;
- captured otherwise.

The two rows of values are laid side by side with the fewest differences: captured values without a partner are *lost*,
values at the hub without a partner are *doubled*.

*committed* are the facts and values at the hub that have a partner, doubtful ones included: it may be above captured.
"""

import json
import math
import struct
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any

from contract.columns import unpack_readings
from contract.event import Proof, Readings, Scan
from contract.fact import Fact
from firmware_sim.adapters.registers import FAULT_VALUE, Register
from firmware_sim.errors import SimulatorError
from firmware_sim.signals import Signal

Record = Mapping[str, Any]

# Readings are committed together for at most a second; the rest is for the way there.
DOUBT_MS = 1_500
# The probe may notice a request that the killed device had just written.
AFTER_MS = 500
DOUBTFUL_FAULTS = frozenset({"late", "noise"})
SIGN_BIT, WORD_SPAN = 0x8000, 0x10000
# A few examples lead to the cause; thousands hide it.
MAX_COMPLAINTS = 10


class JournalUnreadable(SimulatorError):
    """A journal is missing or damaged, so nothing can be said."""


@dataclass(frozen=True, slots=True)
class Scanner:
    """A scanner's journal, and the device it was plugged into."""

    device: str
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Courier:
    """A courier's journal of proofs, and the device that they were kept on."""

    device: str
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe's journal, and what each sensor id stands for in its registers."""

    sensors: Mapping[str, Register]
    records: Sequence[Record]
    breaks_ms: Sequence[int] = ()
    """When its line broke, epoch milliseconds."""
    silence_ms: int | None = None
    """Longer than the device takes to ask again when it was answered in time; None: the polls do not tell."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of scans or readings; the module says what each word means."""

    captured: int = 0
    committed: int = 0
    lost: int = 0
    doubled: int = 0
    doubtful: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.captured + other.captured,
            self.committed + other.committed,
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.doubtful + other.doubtful,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """The whole result; `complaints` are examples of what is lost or doubled, for people."""

    scans: Tally
    readings: Tally
    complaints: tuple[str, ...] = ()
    proofs: Tally = Tally()

    @property
    def total(self) -> Tally:
        """Scans, readings and proofs together."""
        return self.scans + self.readings + self.proofs

    @property
    def is_right(self) -> bool:
        """Whether nothing is lost and nothing doubled."""
        return self.total.lost == self.total.doubled == 0


def read_journal(path: Path) -> list[Record]:
    """Return the records of a journal.

    Raises:
        JournalUnreadable: The file is missing, or a line of it is no record.
    """
    try:
        lines = path.read_bytes().split(b"\n")
        return [json.loads(line) for line in lines if line]
    except (OSError, ValueError) as error:
        raise JournalUnreadable(f"cannot read the journal {path}: {error}") from error


def compare(
    scanners: Iterable[Scanner], probes: Iterable[Probe], facts: Sequence[Fact], couriers: Iterable[Courier] = ()
) -> Comparison:
    """Compare journals with facts.

    Args:
        scanners: All scanners of the run: a scan at the hub that none of them explains counts as doubled.
        probes: The probes whose sensors are compared.
        facts: All facts of the hub, in any order.
        couriers: All who had something proved: a proof at the hub that none of them explains counts as doubled.
    """
    scans, complaints = compare_scans(scanners, facts)
    proofs, more = compare_proofs(couriers, facts)
    complaints += more
    readings = Tally()
    for probe in probes:
        for sensor, register in probe.sensors.items():
            tally = align(polled(probe, register), ledger_values(facts, sensor))
            readings += tally
            if tally.lost or tally.doubled:
                complaints.append(f"sensor {sensor}: {tally.lost} readings lost, {tally.doubled} doubled")
    return Comparison(scans, readings, tuple(complaints[:MAX_COMPLAINTS]), proofs)


class Fate(Enum):
    """What a person was told about one send."""

    KEPT = auto()
    REPEATED = auto()
    REFUSED = auto()
    DOUBTFUL = auto()


@dataclass(slots=True)
class Send:
    """One code that went out, and what became of it as far as the person knows."""

    data: bytes
    step: str | None
    fate: Fate = Fate.DOUBTFUL


def sends(records: Iterable[Record]) -> list[Send]:
    """Return the codes a scanner sent, cards left out."""
    out: list[Send] = []
    by_number: dict[int, Send] = {}
    for record in records:
        if "sent" in record:
            send = Send(bytes.fromhex(record.get("wire", record["sent"])), record.get("step"))
            by_number[record["n"]] = send
            if not record.get("card"):
                out.append(send)
        elif (send_or_none := by_number.get(record.get("beeped", record.get("refused")))) is not None:
            send_or_none.fate = _FATES[Signal(record["feedback"])]
    return out


_FATES = {
    Signal.KEPT: Fate.KEPT,
    Signal.UNEXPECTED: Fate.KEPT,
    Signal.DUPLICATE: Fate.REPEATED,
    Signal.REFUSED: Fate.REFUSED,
}


@dataclass(slots=True)
class Group:
    """Sends and facts that belong together."""

    fates: Counter[Fate] = field(default_factory=Counter)
    facts: int = 0

    def tally(self) -> Tally:
        """Return what came of this group."""
        promised = max(self.fates[Fate.KEPT], min(1, self.fates[Fate.REPEATED]))
        most = max(promised, self.fates[Fate.KEPT] + self.fates[Fate.DOUBTFUL])
        return Tally(
            captured=promised,
            committed=min(self.facts, most),
            lost=max(0, promised - self.facts),
            doubled=max(0, self.facts - most),
            doubtful=self.fates[Fate.DOUBTFUL],
        )


def compare_scans(scanners: Iterable[Scanner], facts: Iterable[Fact]) -> tuple[Tally, list[str]]:
    """Compare scanners with the scans among the facts; return also a sentence for each group that is wrong."""
    groups: defaultdict[tuple[str, bytes, str | None], Group] = defaultdict(Group)
    with_step: set[tuple[str, bytes]] = set()
    for scanner in scanners:
        for send in sends(scanner.records):
            groups[scanner.device, send.data, send.step].fates[send.fate] += 1
            if send.step is not None:
                with_step.add((scanner.device, send.data))
    for fact in facts:
        if isinstance(fact.event, Scan):
            code = fact.device, fact.event.code
            groups[(*code, fact.event.step.value if code in with_step else None)].facts += 1
    total, complaints = Tally(), []
    for (device, data, step), group in groups.items():
        tally = group.tally()
        total += tally
        if tally.lost or tally.doubled:
            told = ", ".join(f"{count} {fate.name.lower()}" for fate, count in group.fates.items()) or "none"
            complaints.append(f"{device}: code {data!r} ({step or 'any step'}): sends {told}, facts {group.facts}")
    return total, complaints


def promised(records: Iterable[Record]) -> int:
    """Return how many proofs a courier was told are kept."""
    return sum("kept" in record for record in records)


def pictures_of(proof: Proof) -> list[str]:
    """Return the SHA-256 of what a proof names in hex, the signature first."""
    signature = [proof.signature] if proof.signature is not None else []
    return [digest.hex() for digest in (*signature, *proof.photos)]


def compare_proofs(couriers: Iterable[Courier], facts: Iterable[Fact]) -> tuple[Tally, list[str]]:
    """Compare couriers with the proofs among the facts; return also a sentence for each that is wrong."""
    groups: defaultdict[tuple[str, ...], Group] = defaultdict(Group)
    for courier in couriers:
        kept = {record["kept"] for record in courier.records if "kept" in record}
        refused = {record["request"] for record in courier.records if "refused_why" in record}
        for asked in (record for record in courier.records if "asked" in record):
            parts = (asked[name] for name in ("delivered", "refused", "pictures"))
            key = courier.device, asked["stop"], asked["outcome"], *(" ".join(part) for part in parts)
            name = asked["asked"]
            fate = Fate.KEPT if name in kept else Fate.REFUSED if name in refused else Fate.DOUBTFUL
            groups[key].fates[fate] += 1
    for fact in facts:
        if isinstance(proof := fact.event, Proof):
            stated = (proof.delivered, proof.refused, pictures_of(proof))
            groups[fact.device, proof.stop, proof.outcome.value, *(" ".join(part) for part in stated)].facts += 1
    total, complaints = Tally(), []
    for (device, stop, outcome, *_), group in groups.items():
        tally = group.tally()
        total += tally
        if tally.lost or tally.doubled:
            complaints.append(f"{device}: stop {stop} {outcome}: {tally.lost} proofs lost, {tally.doubled} doubled")
    return total, complaints


@dataclass(frozen=True, slots=True)
class Polled:
    """One value on the wire in hundredths; None for a fault of the sensor."""

    value: int | None
    is_doubtful: bool = False


def polled(probe: Probe, register: Register) -> list[Polled]:
    """Return what one register said in each poll that covered it."""
    polls = [record for record in probe.records if "poll" in record]
    nexts_ms = [*(record["t_ms"] for record in polls[1:]), math.inf]
    return [
        Polled(centi(register, words), _is_doubtful(probe, record, next_ms))
        for record, next_ms in zip(polls, nexts_ms, strict=True)
        if (words := _words(record, register))
    ]


def _is_doubtful(probe: Probe, record: Record, next_ms: float) -> bool:
    at_ms = record["t_ms"]
    return (
        not DOUBTFUL_FAULTS.isdisjoint(record.get("faults", ()))
        or (probe.silence_ms is not None and next_ms - at_ms > probe.silence_ms)
        or any(at_ms - AFTER_MS <= break_ms <= at_ms + DOUBT_MS for break_ms in probe.breaks_ms)
    )


def _words(record: Record, register: Register) -> list[int]:
    start = register.address - record.get("address", register.address)
    words = record.get("registers", ())[start : start + register.width] if start >= 0 else ()
    return list(words) if len(words) == register.width else []


def centi(register: Register, words: Sequence[int]) -> int | None:
    """Return a register's value in hundredths, as the device should understand it; None for no measurement."""
    number: float = words[0]
    if register.width > 1:
        ordered = words[::-1] if register.form == "f32sw" else words
        (number,) = struct.unpack(">f", struct.pack(">HH", *ordered))
    elif words[0] == FAULT_VALUE:
        return None
    elif register.form == "s16" and words[0] & SIGN_BIT:
        number = words[0] - WORD_SPAN
    return round(number * register.scale * 100) if math.isfinite(number) else None


def ledger_values(facts: Iterable[Fact], sensor: str) -> list[int | None]:
    """Return the values of one sensor in all its blocks, in the order of the device's clock."""
    blocks = [
        (f.event.base_at_ms, f.ord, f.event) for f in facts if isinstance(f.event, Readings) if f.event.sensor == sensor
    ]
    blocks.sort(key=lambda block: block[:2])
    return [r.value for *_, b in blocks for r in unpack_readings(b.columns, b.count, b.interval_ms)]


def align(journal: Sequence[Polled], ledger: Sequence[int | None]) -> Tally:
    """Lay journal and ledger side by side with the fewest values lost or doubled.

    A search from the least to the most differences (0-1 breadth first), so it costs about as many steps as there are
    values, times the differences.
    """
    doubtful = sum(polled.is_doubtful for polled in journal)
    captured = len(journal) - doubtful
    waiting = deque([(0, 0, 0, 0)])
    seen: set[tuple[int, int]] = set()
    while waiting:
        i, j, lost, doubled = waiting.popleft()
        if (i, j) in seen:
            continue
        seen.add((i, j))
        if i == len(journal) and j == len(ledger):
            return Tally(captured, len(ledger) - doubled, lost, doubled, doubtful)
        matches = i < len(journal) and j < len(ledger) and journal[i].value == ledger[j]
        if i < len(journal) and journal[i].is_doubtful:
            waiting.appendleft((i + 1, j, lost, doubled))
        elif i < len(journal) and not matches:
            waiting.append((i + 1, j, lost + 1, doubled))
        # A captured value whose partner stands right here never does better with another one.
        if j < len(ledger) and not (matches and not journal[i].is_doubtful):
            waiting.append((i, j + 1, lost, doubled + 1))
        if matches:
            waiting.appendleft((i + 1, j + 1, lost, doubled))
    raise AssertionError("the end of both rows is always reached")
