"""Small things that the agent keeps beside its facts, by kind and name: drafts, documents of the hub, settings."""

from agent.store.database import Database


class Shelf:
    """Bytes by kind and name. Writes inside `Database.write` join that transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, kind: str, name: str, body: bytes) -> None:
        """Keep bytes, replacing what was there.

        Raises:
            NotKept: not on disk.
        """
        self._database.write(
            lambda c: c.execute(
                "INSERT INTO shelf (kind, name, body) VALUES (?, ?, ?) "
                "ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body",
                (kind, name, body),
            )
        )

    def drop(self, kind: str, name: str) -> None:
        """Forget bytes.

        Raises:
            NotKept: still there.
        """
        self._database.write(lambda c: c.execute("DELETE FROM shelf WHERE kind = ? AND name = ?", (kind, name)))

    def get(self, kind: str, name: str) -> bytes | None:
        """The bytes, as committed.

        Raises:
            StoreDamaged: the database cannot be read.
        """
        statement = "SELECT body FROM shelf WHERE kind = ? AND name = ?"
        row = self._database.read(lambda c: c.execute(statement, (kind, name)).fetchone())
        return None if row is None else row[0]

    def names(self, kind: str) -> list[str]:
        """All names of a kind, in order.

        Raises:
            StoreDamaged: the database cannot be read.
        """
        statement = "SELECT name FROM shelf WHERE kind = ? ORDER BY name"
        return [row[0] for row in self._database.read(lambda c: c.execute(statement, (kind,)).fetchall())]
