"""Backups on a schedule: make, verify, record and prune them in a thread of their own, and say when that does not work."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from contract.delivery.hub_actions import IncidentKind, Report
from hub.backup import make_backup, note_missing, prune, scheduled_name
from hub.centre import Centre
from hub.errors import HubError
from hub.folders import make_folder
from hub.incidents import close_incident, report_incident
from hub.projector import Change

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

FAILED_KEY: Final = "backup_failed"
LOOK_S: Final = 60.0
"""How soon a backup that was taken away counts no more."""


@contextmanager
def scheduled_backups(
    centre: Centre, folder: Path, every_s: float, tell: Callable[[Sequence[Change]], None]
) -> Iterator[None]:
    """Look which backups are there and make more while the block runs, the first at once; `tell` is given what changed."""
    ended = threading.Event()

    def run() -> None:
        due_s = monotonic()
        while not ended.is_set():
            # Before a backup, too, for that may take long.
            with suppress(HubError, DBAPIError):
                note_missing(centre.db, centre.now_ms())
                centre.backups_seen.set()
            if monotonic() < due_s:
                ended.wait(min(LOOK_S, max(0, due_s - monotonic())))
                continue
            due_s = monotonic() + every_s
            try:
                _make(centre, folder)
                with centre.db.write() as tx:
                    failed_before = close_incident(tx, FAILED_KEY, centre.now_ms())
                if failed_before:
                    tell([Change("incident", FAILED_KEY)])
            except (HubError, DBAPIError, OSError) as error:
                # A full disk among them: this thread must go on, or there would never be another backup.
                log.exception("no backup was made", why=str(error))
                with suppress(HubError, DBAPIError):
                    _report(centre, folder, str(error))
                    tell([Change("incident", FAILED_KEY)])

    thread = threading.Thread(target=run, name="backups", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        # A backup that is being written is given up: its file does not have its name yet.
        thread.join(1)


def _make(centre: Centre, folder: Path) -> None:
    make_folder(folder)
    now_ms = centre.now_ms()
    made = make_backup(centre.db, centre.blobs, folder.absolute() / scheduled_name(now_ms), now_ms)
    prune(centre.db, folder, centre.now_ms())
    log.info("backup made", path=str(made.path), facts=made.facts, bytes=made.bytes)


def _report(centre: Centre, folder: Path, why: str) -> None:
    detail = f"no backup was made in {folder}: {why}"
    with centre.db.write() as tx:
        report_incident(tx, Report(IncidentKind.BACKUP_FAILED, "", FAILED_KEY, detail), centre.now_ms())
