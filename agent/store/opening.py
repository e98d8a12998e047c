"""Opening the folder: lock, interrupted work, damage, and whether this database is still the one that was written last."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.faultpoint import faultpoint
from agent.log import Log
from agent.store import chain
from agent.store.ballast import Ballast
from agent.store.blobs import BlobFiles
from agent.store.database import NAME, Database
from agent.store.errors import Cause, NotKept, StoreDamaged
from agent.store.salvage import adopt_files, finish, needs_salvage, salvage
from agent.store.witness import Witness, read_witness
from contract.limits import MAX_TEXT_CHARS

log = Log("store")

DAMAGED: Final = "database_damaged"
LOST: Final = "database_lost"
SET_BACK: Final = "database_behind_witness"
RENAMED: Final = "device_renamed"


@dataclass(frozen=True, slots=True)
class Opened:
    """The database, and details of what was wrong with it. Why an incarnation was begun stands in its row."""

    database: Database
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a database of this device needs to be opened.

    Attributes:
        folder: Where it is.
        device: Whose it is.
        new_incarnation: Makes 16 bytes that were never used before.
        at_ms: Now.
    """

    folder: Path
    device: str
    new_incarnation: Callable[[], bytes]
    at_ms: int

    def open(self, *, check: bool) -> Opened:
        """As `_open`; on a full disk, where not even opening has room, the reserve is given up for it.

        Raises:
            FutureSchema: a newer version wrote it.
            NotKept: it cannot be written.
            OSError: the folder cannot be written.
        """
        try:
            return self._open(check=check)
        except NotKept as error:
            if error.cause is not Cause.FULL:
                raise
        Ballast(self.folder).drop()
        return self._open(check=check)

    def _open(self, *, check: bool) -> Opened:
        """Open the database, salvaging it if it is damaged and beginning a new incarnation if it was set back.

        Args:
            check: The last writer did not close in order: look for damage.

        Raises:
            FutureSchema: a newer version wrote it.
            NotKept: it cannot be written.
            OSError: the folder cannot be written.
        """
        finish(self.folder)
        path = self.folder / NAME
        if needs_salvage(path):
            return self.salvage("the main file is empty or gone, but its WAL is not")
        try:
            database = Database.open(path, check=check)
        except StoreDamaged as error:
            return self.salvage(str(error))
        try:
            return self._continue(database)
        except (StoreDamaged, NotKept) as error:
            database.close()
            if isinstance(error, NotKept) and error.cause is not Cause.DAMAGED:
                raise
            return self.salvage(str(error.__cause__ or error))
        except BaseException:
            database.close()
            raise

    def salvage(self, why: str) -> Opened:
        """Rebuild the database and open it.

        Raises:
            NotKept: the new database cannot be written.
            OSError: the same.
        """
        detail = self.rebuild(why)
        return Opened(Database.open(self.folder / NAME, check=False), detail)

    def rebuild(self, why: str) -> str:
        """Set the database aside and put in its place what can be read of it; a sentence about that is returned.

        Raises:
            NotKept: the new database cannot be written.
            OSError: the same.
        """
        rescued = salvage(self.folder, lambda c: self._begin(c, DAMAGED), self.at_ms)
        log.warning(
            "database_damaged",
            why=why,
            kept=rescued.kept,
            unreadable=rescued.lost,
            say="It was set aside; what could be read is sent again.",
        )
        return f"{rescued.kept} facts kept, {rescued.lost} unreadable: {why}"[:MAX_TEXT_CHARS]

    def _begin(self, connection: sqlite3.Connection, reason: str) -> None:
        chain.begin(connection, self.device, self.new_incarnation(), reason)

    def _continue(self, database: Database) -> Opened:
        witness = read_witness(self.folder)
        present = database.read(chain.present)
        if present is None:
            return self._start(database, witness)
        try:
            database.read(chain.check_heads)
            set_back = witness is not None and database.read(lambda c: _is_behind(c, witness))
        except ValueError as error:
            raise StoreDamaged(f"the device database holds a value that none has: {error}") from error
        if set_back:
            log.warning(
                "The device database is older than its witness file: it was set back. Everything is sent again."
            )
            return self._reincarnate(database, SET_BACK)
        if present.device != self.device:
            log.warning("device_renamed", before=present.device, now=self.device)
            return self._reincarnate(database, RENAMED)
        carry_all(database)
        return Opened(database)

    def _start(self, database: Database, witness: Witness | None) -> Opened:
        files_left = any(BlobFiles(self.folder).present())
        lost = witness is not None or files_left

        def start(connection: sqlite3.Connection) -> None:
            self._begin(connection, LOST if lost else "")
            adopt_files(connection, self.folder, self.at_ms)

        database.write(start)
        if lost:
            log.warning("database_lost", say="A new one was begun; what only the old one held is lost.")
        return Opened(database)

    def _reincarnate(self, database: Database, reason: str) -> Opened:
        def begin(connection: sqlite3.Connection) -> None:
            self._begin(connection, reason)
            # Files of facts that this database does not know (any more): the hub may still wait for them.
            adopt_files(connection, self.folder, self.at_ms)

        database.write(begin)
        carry_all(database)
        return Opened(database)


def open_readable(folder: Path) -> Opened:
    """Open the database without writing anything.

    Raises:
        FutureSchema: a newer version wrote it.
        NotKept: there is nothing to read; the message is a sentence for the person.
    """
    try:
        return Opened(Database.open_readable(folder / NAME))
    except StoreDamaged as error:
        raise NotKept(
            Cause.READ_ONLY, f"The device's storage in {folder} can be neither written nor read: {error}"
        ) from error


def carry_all(database: Database, moved: Callable[[], None] = lambda: None) -> None:
    """Chain under the incarnation in force, with its old identity, all that is kept from earlier ones.

    Args:
        database: Where.
        moved: Told inside each transaction that the heads of the lanes are others now.

    Raises:
        NotKept: the disk took no more; the rest is as it was.
        StoreDamaged: what is stored contradicts itself.
    """

    def carry(connection: sqlite3.Connection) -> None:
        chain.carry(connection)
        moved()

    while database.read(chain.is_carrying):
        faultpoint("reincarnate")
        database.write(carry)
        # The next step has the room of this one.
        database.checkpoint()


def _is_behind(connection: sqlite3.Connection, witness: Witness) -> bool:
    present = chain.present(connection)
    if present is None or witness.incarnation != present.incarnation:
        # A crash right after a new incarnation leaves the witness of the one before.
        return witness.incarnation not in chain.past(connection)
    return any(n > chain.ends(connection, lane).head_n for lane, n in witness.heads.items())
