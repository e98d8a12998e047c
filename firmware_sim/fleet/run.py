"""One measured run of a fleet: connect, load, perhaps a storm, drain, and compare with the hub's ledger."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from firmware_sim.errors import SimulatorError
from firmware_sim.facts import LedgerReader
from firmware_sim.fleet.fleet import Fleet, Tally, percentile

CONTACT_S: Final = 120.0
"""A fleet that is not in contact by then meets a hub that cannot take it."""
STALL_S: Final = 60.0
"""A backlog may take long, but not stand still for so long: this is above every re-send timer of a healthy connection."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    seconds: float
    storm: bool = False
    """Break all connections in one instant in the middle of the run."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What the ledger has of what the devices captured."""

    lost: int
    """Captured and not in the ledger."""
    doubled: int
    """In the ledger more than once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    tally: Tally
    seconds: float
    """From the first connection to the end."""
    drain_s: float
    """From the last capture until everything was acknowledged, or until nothing moved any more."""
    came_back_s: tuple[float, ...]
    """How long each device needed after the storm; empty without one."""
    compared: Compared | None
    """None where nobody said how to read the ledger."""

    @property
    def lost(self) -> int:
        """Facts that are not at the hub for all that is known: not acknowledged, or acknowledged and not in the ledger."""
        return self.tally.waiting if self.compared is None else max(self.tally.waiting, self.compared.lost)


def run(fleet: Fleet, plan: Plan, stop: threading.Event, say: Callable[[str], None]) -> Outcome:
    """Run a fleet that is not started yet; `stop` ends it early, in order.

    Raises:
        SimulatorError: The hub does not answer all devices, or not again after a storm.
    """
    began_s = time.monotonic()
    came_back_s: list[float] = []
    with fleet:
        say(f"{len(fleet.devices)} devices connect")
        _await_contact(fleet)
        say(f"all in contact after {fleet.came_back_s()[-1]:.1f} s; {fleet.tally().captured} facts captured so far")
        fleet.run_load()
        stop.wait(plan.seconds / 2 if plan.storm else plan.seconds)
        if plan.storm and not stop.is_set():
            fleet.storm()
            _await_contact(fleet)
            came_back_s = fleet.came_back_s()
            say(f"all came back {came_back_s[-1]:.1f} s after their connections broke")
            stop.wait(plan.seconds / 2)
        fleet.stop_load()
        drain_began_s = time.monotonic()
        drain(fleet)
        ended_s = time.monotonic()
        tally = fleet.tally()
    return Outcome(tally, ended_s - began_s, ended_s - drain_began_s, tuple(came_back_s), None)


def drain(fleet: Fleet, stall_s: float = STALL_S) -> bool:
    """Wait until everything captured is acknowledged, or until nothing was for `stall_s` seconds; False is the latter."""
    waiting = fleet.tally().waiting
    while not fleet.wait_drained(stall_s):
        before, waiting = waiting, fleet.tally().waiting
        if waiting >= before:
            return False
    return True


def compare(captured: Iterable[bytes], ledger: LedgerReader) -> Compared:
    """Look for each captured fact in the hub's ledger.

    Raises:
        SimulatorError: The ledger cannot be read.
    """
    wanted = {identity.hex() for identity in captured}
    found = Counter(row.identity for row in ledger.rows() if row.identity in wanted)
    return Compared(lost=len(wanted) - len(found), doubled=sum(count > 1 for count in found.values()))


def shortcoming(outcome: Outcome) -> str | None:
    """What a fleet must not find; None when all is well."""
    if outcome.lost:
        return f"{outcome.lost} of {outcome.tally.captured} facts are not at the hub"
    if outcome.compared is not None and outcome.compared.doubled:
        return f"{outcome.compared.doubled} facts are in the hub's ledger more than once"
    return None


def as_json(outcome: Outcome) -> dict[str, object]:
    """The outcome for a script."""
    tally, ms, back = outcome.tally, outcome.tally.latencies_ms, outcome.came_back_s
    return {
        "devices": tally.devices,
        "seconds": round(outcome.seconds, 1),
        "captured": tally.captured,
        "sent": tally.sent,
        "committed": tally.committed,
        "repeated": tally.items_sent - tally.sent,
        "lost": outcome.lost,
        "doubled": None if outcome.compared is None else outcome.compared.doubled,
        "outages": tally.outages,
        "unreadable": tally.dropped,
        "latency_ms": {name: _rounded(percentile(ms, share)) for name, share in SHARES},
        "reconnect_s": {name: _rounded(percentile(back, share)) for name, share in SHARES} if back else None,
        "drain_s": round(outcome.drain_s, 1),
        "bytes_up": tally.bytes_up,
        "bytes_down": tally.bytes_down,
    }


SHARES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def _rounded(value: float) -> float | None:
    return None if value != value else round(value, 2)  # noqa: PLR0124 NaN: nothing was measured


def as_lines(outcome: Outcome) -> list[str]:
    """The outcome for people."""
    tally, back = outcome.tally, outcome.came_back_s
    lines = [
        f"captured {tally.captured}, sent {tally.sent}, committed {tally.committed}, lost {outcome.lost}",
        f"repeated on the wire {tally.items_sent - tally.sent}; connections lost or refused {tally.outages}",
        f"capture to acknowledgement, ms: {_percentiles(tally.latencies_ms)} of {len(tally.latencies_ms)} facts",
        f"drained {outcome.drain_s:.1f} s after the last capture",
        f"bytes up {tally.bytes_up}, down {tally.bytes_down}",
    ]
    if back:
        lines.insert(3, f"back in contact after the storm, s: {_percentiles(back)} of {len(back)} devices")
    if outcome.compared is not None:
        lines.append(f"in the hub's ledger: lost {outcome.compared.lost}, doubled {outcome.compared.doubled}")
    return lines


def _percentiles(ordered: tuple[float, ...]) -> str:
    return " ".join(f"{name} {percentile(ordered, share):.1f}" for name, share in SHARES)


def _await_contact(fleet: Fleet) -> None:
    if not fleet.wait_in_contact(CONTACT_S):
        tally = fleet.tally()
        raise SimulatorError(
            f"after {CONTACT_S:.0f} s the hub has answered {tally.in_contact} of {tally.devices} devices"
            f" ({tally.outages} connections failed)"
        )
