"""Retention by itself: a thread that moves, erases and withholds what has grown old enough, now and every hour."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from hub.archive.moving import Archived, archive_facts
from hub.archive.photos import erase_photos
from hub.archive.terms import FOR_EVER, Terms
from hub.archive.withholding import note_term, withhold_personal
from hub.centre import Centre
from hub.errors import HubError
from hub.shipments.withholding import withhold_orders

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

EVERY_S: Final = 3_600.0
DAY_MS: Final = 86_400_000


def archive_older(centre: Centre, keep_days: int) -> Iterator[Archived]:
    """Move all facts that the hub has had for longer than this; files as they are made.

    Raises:
        ArchiveDamaged: a file did not read back as it was written.
        OSError: the disk did not take it.
    """
    # By the clock that is not set: facts that devices may still ask about must not grow old in one leap.
    return archive_facts(centre.db, centre.age_ms() - keep_days * DAY_MS, centre.now_ms())


def erase_older(centre: Centre, keep_days: int) -> int:
    """Erase photos that the hub has had for longer than this and that nothing holds; how many.

    Raises:
        OSError: a file cannot be removed.
    """
    return erase_photos(centre.db, centre.blobs, centre.age_ms() - keep_days * DAY_MS, centre.now_ms())


def withhold_older(centre: Centre, keep_days: int) -> Iterator[int]:
    """Withhold the personal data of facts that the hub has had for longer than this; step by step, how many facts."""
    return withhold_personal(centre.db, centre.age_ms() - keep_days * DAY_MS, centre.now_ms())


def withhold_older_orders(centre: Centre, keep_days: int) -> Iterator[int]:
    """Withhold what shipments and stops tell of people that were done for longer than this; step by step, how many."""
    return withhold_orders(centre.db, centre.age_ms() - keep_days * DAY_MS, centre.now_ms())


def _steps(centre: Centre, terms: Terms) -> Iterator[None]:
    """All that is to be done now, piece by piece."""
    if terms.photos is not None and (erased := erase_older(centre, terms.photos)):
        log.info("old photos erased", photos=erased)
        yield
    # Before archives are made, for nothing is taken out of these.
    for count in () if terms.personal is None else withhold_older(centre, terms.personal):
        if count:
            log.info("personal data withheld", facts=count)
        yield
    # Behind the facts: what holds a proof holds its shipment.
    for count in () if terms.personal is None else withhold_older_orders(centre, terms.personal):
        if count:
            log.info("personal data withheld", shipments_and_stops=count)
        yield
    for made in () if terms.facts is None else archive_older(centre, terms.facts):
        log.info("old facts archived", file=made.name, facts=made.facts, bytes=made.bytes)
        yield


@contextmanager
def archiving(centre: Centre, terms: Terms) -> Iterator[None]:
    """Archive, erase and withhold while the block runs, the first time at once."""
    note_term(centre.db, terms.personal)
    if terms == FOR_EVER:
        yield
        return
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                for _ in _steps(centre, terms):
                    if ended.is_set():
                        return
            except (HubError, DBAPIError, OSError) as error:
                # A full disk among them: nothing was taken out of the ledger, and there may be room later.
                log.exception("retention failed", why=str(error))
            ended.wait(EVERY_S)

    thread = threading.Thread(target=run, name="archive", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A file that is being written is given up: no row points to it yet.
        thread.join(1)
