"""Watches the hub's own clock, by which devices without a better one are dated: a step is told, never hidden."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError

from contract.delivery.hub_actions import IncidentKind, Report
from hub import tables as t
from hub.centre import Centre
from hub.clock import STEP_MS, ClockWatch, boot_ms
from hub.errors import HubError
from hub.incidents import report_incident
from hub.projector import Change

LOOK_S: Final = 5.0
KEY: Final = "hub_clock"


def behind_ledger_ms(centre: Centre) -> int:
    """How far the clock is behind the newest receipt in the ledger; 0 below STEP_MS."""
    with centre.db.read() as tx:
        newest_ms = tx.execute(select(func.max(t.device_contact.c.contact_ms))).scalar() or 0
    behind_ms = newest_ms - centre.now_ms()
    return behind_ms if behind_ms >= STEP_MS else 0


def report_step(centre: Centre, step_ms: int) -> Change:
    """Open the incident, or count it again."""
    detail = (
        f"the hub's clock was set {'forward' if step_ms > 0 else 'back'} by {abs(step_ms) / 1000:.0f} s;"
        " what was dated by it before or after is wrong by as much"
    )
    with centre.db.write() as tx:
        report_incident(tx, Report(IncidentKind.HUB_CLOCK, "", KEY, detail), centre.now_ms())
    return Change("incident", KEY)


@contextmanager
def watching_clock(centre: Centre, tell: Callable[[Sequence[Change]], None]) -> Iterator[None]:
    """Look now and then while the block runs; `tell` is given what changed."""
    ended = threading.Event()
    watch = ClockWatch(centre.now_ms, boot_ms)

    def run() -> None:
        step_ms = -behind_ledger_ms(centre)
        while not ended.is_set():
            if step_ms:
                # On a full disk the log of the machine has to do.
                with suppress(HubError, DBAPIError):
                    tell([report_step(centre, step_ms)])
            ended.wait(LOOK_S)
            step_ms = watch.step_ms()

    thread = threading.Thread(target=run, name="clock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
