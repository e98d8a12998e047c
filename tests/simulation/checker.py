"""The judge: what must be true when faults have ended and everything came to rest."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contract.delivery.hub_view import StreamName
from contract.event import ClockFix, Lane, Status
from contract.fact import next_hash, root_hash
from contract.items import CAUSES
from contract.messages import Hello
from hub.timeline import Stamped, date
from tests.simulation.ledger import effect_id, is_killer
from tests.simulation.world import EPOCH_MS, Violation, short

if TYPE_CHECKING:
    from tests.simulation.device import SimDevice
    from tests.simulation.fleet import Fleet

SHOWING = ("device_regressed", "hub_regressed", "fork")
"""Incidents of a stream that tell up to where it was said to go."""
HARMLESS = {"stale_hello"}
"""Incidents that a slow or doubled hello opens."""
SHOWN_BY: dict[str, set[str]] = {
    "fork": {"clone", "image_restored", "hub_restored", "hub_copied_back", "hub_lost", "replay_up"},
    "hub_regressed": {"hub_restored", "hub_copied_back", "hub_lost", "hub_attachments_lost"},
    # A hello of an earlier boot that comes late, or is played back to a hub that forgot it, looks like a device set back.
    "device_regressed": {"clone", "image_restored", "witness_ahead", "late_from_an_earlier_life", "replay_up"},
    "gap": {
        "clone",
        "image_restored",
        "database_lost",
        "disk_lost",
        "database_damaged",
        "hub_restored",
        "hub_copied_back",
        "hub_lost",
    },
    "content_lost": {"telemetry_dropped", "row_corrupted", "database_damaged", "attachment_corrupted"},
    "device_damage": {"database_lost", "database_damaged", "image_restored", "row_corrupted", "attachment_corrupted"},
    "clock_tamper": {"device_clock_jump"},
    "blob_refused": {"attachment_corrupted"},
    "quarantine": {"poison_fact", "wrong_lane", "foreign_fact", "killer_fact"},
    "not_authentic": {"forged_up"},
    "malformed": {"malformed_up"},
}
"""Which faults may be behind an incident of a kind; without one of them it is a false alarm."""


@dataclass
class Expected:
    """An incident that must be shown by itself."""

    why: str
    kinds: set[str]
    devices: tuple["SimDevice", ...]
    mishaps: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.mishaps = tuple(d.disk.mishaps for d in self.devices)

    def is_void(self) -> bool:
        """Whether another mishap came in between, or there is nothing to see."""
        if tuple(d.disk.mishaps for d in self.devices) != self.mishaps:
            return True
        disks = [d.disk for d in self.devices]
        return len(disks) > 1 and all(
            d.incarnation == disks[0].incarnation
            and all(d.lanes[lane].head_hash == disks[0].lanes[lane].head_hash for lane in Lane)
            for d in disks
        )


@dataclass
class ExpectedRegression(Expected):
    """A restored hub lacks a prefix that a device saw committed."""

    stream: StreamName
    n: int
    hash: bytes
    told: bool = False
    """Whether a hello has told the hub of that prefix while it lacked it: from then on it must show."""

    def is_told_by(self, hello: Hello) -> bool:
        """Whether this hello of that device names as acknowledged what the hub lacks."""
        if hello.boot != self.devices[0].disk.boot or hello.incarnation != self.stream.incarnation:
            return False
        return any(c.lane is self.stream.lane and (c.acked or c.head).n >= self.n for c in hello.lanes)

    def is_void(self) -> bool:
        """Whether it began anew, by a word of the hub of before, without ever telling this one what it had."""
        return super().is_void() or (not self.told and self.devices[0].disk.incarnation != self.stream.incarnation)


def check_shown(fleet: "Fleet") -> None:
    """P6, within two hello periods after all were online.

    Raises:
        Violation: an incident is not there.
    """
    shown = {(i.device, i.kind.value) for i in fleet.hub.ledger.incidents.values()}
    for expected in fleet.expected:
        name = expected.devices[0].name
        if not expected.is_void() and not any((name, kind) in shown for kind in expected.kinds):
            raise Violation(f"P6: {expected.why} on {name} does not show as {' or '.join(sorted(expected.kinds))}")


def unrest(fleet: "Fleet") -> str | None:
    """What has not come to rest yet."""
    hub = fleet.hub
    if not hub.up or hub.ledger.waiting():
        return "the hub has not folded all facts"
    for device in fleet.devices:
        disk = device.disk
        for lane, stored in disk.lanes.items():
            if stored.acked_n != stored.head_n:
                return f"{device.label} has {lane} acknowledged up to {stored.acked_n} of {stored.head_n}"
        pending = disk.pending_blob()
        if pending is not None:
            return f"attachment {short(pending.sha256)} of {device.label} is not at the hub"
        for identity in disk.cores:
            line = hub.ledger.lines.get(identity)
            if line is None or (line.core is None and identity not in disk.flipped):
                return f"the hub lacks fact {short(identity)}, which {device.label} still has"
    for name, fact in fleet.truth.blobs.items():
        line = hub.ledger.lines.get(fact)
        if line is not None and line.core is not None and name not in hub.files and _is_on_a_disk(fleet, name):
            return f"attachment {short(name)} is still only on a device"
    return None


def _is_on_a_disk(fleet: "Fleet", name: bytes) -> bool:
    return any(name in d.disk.files and name not in d.disk.flipped for d in fleet.devices)


def check_all(fleet: "Fleet") -> None:
    """Everything that must be true at rest.

    Raises:
        Violation: something is not.
    """
    fleet.truth.check_held("at the end")
    for problem in (
        *_lost(fleet),
        *_silent(fleet),
        *_unshown_losses(fleet),
        *_doubled(fleet),
        *_disordered(fleet),
        *_misdated(fleet),
    ):
        raise Violation(problem)
    for problem in _false_alarms(fleet):
        raise Violation(problem)


def _lost(fleet: "Fleet") -> Iterator[str]:
    """P2: custody facts that a person was told are kept."""
    truth, lines = fleet.truth, fleet.hub.ledger.lines
    in_backups = fleet.hub.backed_up()
    for identity in truth.kept:
        line = lines.get(identity)
        if truth.made[identity].lane is not Lane.CUSTODY or identity in truth.gone or identity in in_backups:
            continue
        if line is None or line.core is None:
            yield f"P2: kept fact {short(identity)} is not at the hub"


def _silent(fleet: "Fleet") -> Iterator[str]:
    """P4: what was ever chained is a row with content or cause, or lies in a stated gap, or was never announced."""
    ledger = fleet.hub.ledger
    for identity, made in fleet.truth.made.items():
        line = ledger.lines.get(identity)
        if line is not None:
            if line.core is None and line.cause not in CAUSES:
                yield f"P4: fact {short(identity)} has no content for a cause that nobody knows: {line.cause}"
            continue
        if identity in fleet.truth.unannounced:
            continue
        # Announced by a hello that comes after the first one of the next incarnation, where nobody looks for it any more.
        if identity in fleet.truth.gone and fleet.world.effects["late_from_an_earlier_life"]:
            continue
        if not any(_is_explained(fleet, made.device, made.lane, *place) for place in made.places):
            yield f"P4: fact {short(identity)} of {made.device} is missing without a row or a gap"


def _unshown_losses(fleet: "Fleet") -> Iterator[str]:
    """P4: somebody must hear of contents that went for a bad cause."""
    ledger = fleet.hub.ledger
    for identity, line in ledger.lines.items():
        bad = line.core is None and line.cause in ("storage_full", "corrupt", "db_lost")
        if bad and f"content_lost:{line.device}:{line.cause}" not in ledger.incidents:
            yield f"P4: nobody was told that fact {short(identity)} came without content: {line.cause}"


def _is_explained(fleet: "Fleet", device: str, lane: Lane, incarnation: bytes, n: int) -> bool:
    ledger = fleet.hub.ledger
    stream = StreamName(device, incarnation, lane)
    if any(g.stream == stream and g.first_n <= n <= g.last_n for g in ledger.gaps):
        return True
    if max((m.n for m in ledger.claims(stream)), default=0) < n and all(b.n < n for b in ledger.branches(stream)):
        return True
    where = f"{device}:{incarnation.hex()}:{lane}"
    return any(key.startswith((f"gap:{where}:", *(f"{kind}:{where}" for kind in SHOWING))) for key in ledger.incidents)


def _doubled(fleet: "Fleet") -> Iterator[str]:
    """P3: one effect for each fact, and always the same one."""
    hub = fleet.hub
    for identity, effects in hub.sent_effects.items():
        if effects != {effect_id(identity)}:
            yield f"P3: fact {short(identity)} had {len(effects)} effects"
    for identity, line in hub.ledger.lines.items():
        if identity in fleet.truth.unfit and line.core is not None and line.problem is None:
            yield f"P5: fact {short(identity)} is not fit for the ledger and not in quarantine"
        due = line.core is not None and line.problem is None
        if due and identity not in hub.ledger.effects:
            yield f"P3: fact {short(identity)} had no effect"
        if line.fact is not None and is_killer(line.fact) and line.problem is None:
            yield f"P5: killer {short(identity)} is not in quarantine"


def _disordered(fleet: "Fleet") -> Iterator[str]:
    """P8: along each branch the hashes follow from the identities, so the order can be reconstructed."""
    ledger = fleet.hub.ledger
    for stream, heads in ledger.branch_heads.items():
        known: set[bytes] = {root_hash(stream.device, stream.incarnation, stream.lane)}
        ends = {g.last_n for g in ledger.gaps if g.stream == stream}
        placed = sorted(ledger.positions.get(stream, ()), key=lambda p: p[0])
        for n, whole, identity in placed:
            if identity is None:
                known.add(whole)
            elif not any(next_hash(before, n, identity) == whole for before in known):
                yield f"P8: position {n} of {stream.lane} does not follow from the one before it"
            known.add(whole)
        seen: set[int] = {n for n, _, _ in placed}
        for head in heads:
            missing = [n for n in range(1, head.n + 1) if n not in seen]
            if missing and not all(
                any(g.stream == stream and g.first_n <= n <= g.last_n for g in ledger.gaps) for n in missing
            ):
                yield f"P4: positions {missing} of {stream.lane} are missing below {head.n}, gaps end at {sorted(ends)}"
        # What a gap stood for may come after all, one position at a time, and then grows beside it.
        if not ends and len(placed) != len({(n, whole) for n, whole, _ in placed}):
            yield f"P3: a position of {stream.lane} has two rows"


def _misdated(fleet: "Fleet") -> Iterator[str]:
    """R15: where a fix of its boot exists, the corrected time is right within what is stated."""
    if fleet.hub_clock_was_wrong:
        return
    lines = [line for line in fleet.hub.ledger.lines.values() if line.fact is not None and line.problem is None]
    fixes: dict[bytes, list[ClockFix]] = {}
    for line in lines:
        if (
            line.fact is not None
            and isinstance(line.fact.event, Status)
            and isinstance(line.fact.event.detail, ClockFix)
        ):
            fixes.setdefault(line.fact.event.detail.boot, []).append(line.fact.event.detail)
    for identity, line in fleet.hub.ledger.lines.items():
        made = fleet.truth.made.get(identity)
        fact = line.fact
        if fact is None or made is None or line.problem is not None or fact.boot not in fixes:
            continue
        if getattr(fact.event, "replaces", None) is not None:
            continue
        dated = date(Stamped(fact.at_ms, fact.mono_ms, fact.mono_ms, fact.clock, line.received_ms), fixes[fact.boot])
        if dated.uncertainty_ms is None:
            continue
        error_ms = abs(dated.at_ms - EPOCH_MS - made.at_ms)
        # Whole milliseconds on both clocks.
        if error_ms > dated.uncertainty_ms + 2:
            yield f"R15: fact {short(identity)} is dated {error_ms} ms off, stated are {dated.uncertainty_ms} ms"


def _false_alarms(fleet: "Fleet") -> Iterator[str]:
    effects = fleet.world.effects
    for incident in fleet.hub.ledger.incidents.values():
        kind = incident.kind.value
        if kind not in HARMLESS and not any(effects[cause] for cause in SHOWN_BY.get(kind, ())):
            yield f"P6: false alarm {kind}: {incident.detail}"
