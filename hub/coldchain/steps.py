"""In which steps facts came to be known: those of one receipt at once.

Of a sensor that is judged each change of a verdict is kept with when it became known. So where facts that are folded together
change its past, they are folded again in the steps in which they came.
"""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from sqlalchemy import Connection, select

from contract.event import ClockFix, Readings, Status
from hub.coldchain.tables import sensor_record
from hub.projector import LedgerFact
from hub.timeline import chunks


def tells(known: LedgerFact) -> bool:
    """Whether a fact says something of readings, or of when they were taken."""
    event = known.fact.event
    return isinstance(event, Readings) or (isinstance(event, Status) and isinstance(event.detail, ClockFix))


def received_severally(facts: Iterable[LedgerFact]) -> set[str]:
    """Devices of which facts came at several instants."""
    receipts: dict[str, int] = {}
    return {
        known.fact.device
        for known in facts
        if receipts.setdefault(known.fact.device, known.received_ms) != known.received_ms
    }


def steps_of(facts: Sequence[LedgerFact]) -> dict[bytes, int]:
    """In which step each of these facts came to be known."""
    together = groupby(facts, lambda known: known.received_ms)
    return {known.fact_id: step for step, (_, some) in enumerate(together) for known in some}


def judged_devices(tx: Connection, devices: Collection[str]) -> set[str]:
    """Those of these devices that have sensors about whose judgement something was decided."""
    there = sensor_record.c
    return {
        name
        for some in chunks(sorted(devices))
        for name in tx.scalars(
            select(there.device).where(there.device.in_(some), there.profile_from_ms.is_not(None)).distinct()
        )
    }
