"""Retention by itself: a thread that moves and erases what has grown old enough, now and every hour."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from hub.archive.moving import Archived, archive_facts
from hub.archive.photos import erase_photos
from hub.centre import Centre
from hub.errors import HubError

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


@contextmanager
def archiving(centre: Centre, keep_days: int | None, keep_photos_days: int | None = None) -> Iterator[None]:
    """Archive and erase while the block runs, the first time at once; None: nothing of that kind."""
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            try:
                if keep_photos_days is not None and (erased := erase_older(centre, keep_photos_days)):
                    log.info("old photos erased", photos=erased)
                for made in () if keep_days is None else archive_older(centre, keep_days):
                    log.info("old facts archived", file=made.name, facts=made.facts, bytes=made.bytes)
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
