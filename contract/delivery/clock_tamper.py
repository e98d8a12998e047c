"""A device's clock that was set back, which could hide an excursion, shows by itself: from the fact that states the step."""

from collections.abc import Sequence
from typing import Final

from contract.delivery.hub_actions import FactRow, IncidentKind, Report
from contract.delivery.hub_view import HubView
from contract.event import ClockStep, Status
from contract.fact import Fact
from contract.limits import AUDIT_PREFIX_BYTES

SET_BACK_MS: Final = 10_000
"""Too little to hide an excursion; more than a quartz of 50 ppm strays in the two days after a fix by the hub."""


def clock_tampers(device: str, rows: Sequence[FactRow], view: HubView) -> list[Report]:
    """What to report of these rows: one incident for each fact, when its content first comes, and never again.

    Args:
        device: who sent them.
        rows: not in the ledger yet, as far as this message goes.
        view: the ledger; it is asked only where a clock was set back.
    """
    steps = {row.fact_id: (row.fact, step) for row in rows if row.fact is not None and (step := _set_back(row.fact))}
    if not steps:
        return []
    audited = view.audit(device, [identity[:AUDIT_PREFIX_BYTES] for identity in steps])
    there = {a.identity for a in audited if a.has_content}
    return [_report(device, identity, *found) for identity, found in steps.items() if identity not in there]


def _set_back(fact: Fact) -> ClockStep | None:
    """The step that made a right clock wrong: one that was ahead may be set right, one that knew no time may get it."""
    if not isinstance(fact.event, Status) or not isinstance(step := fact.event.detail, ClockStep):
        return None
    # How far it is behind counts, not how far this step went: it may be set back little by little.
    is_behind = step.behind_ms is not None and step.behind_ms > SET_BACK_MS
    return step if step.by_ms < 0 and is_behind else None


def _report(device: str, identity: bytes, fact: Fact, step: ClockStep) -> Report:
    return Report(
        IncidentKind.CLOCK_TAMPER,
        device,
        f"clock_tamper:{device}:{identity.hex()}",
        f"at ord {fact.ord} of {fact.incarnation.hex()} the wall clock was set back by {-step.by_ms // 1_000} s, "
        f"to {(step.behind_ms or 0) // 1_000} s behind the right time; order and monotonic time are kept",
    )
