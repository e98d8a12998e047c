"""The rows of open blocks: durable one by one until they are sealed into a fact."""

import sqlite3

from agent.blocks import OpenBlock, Sample, Series, pack_sample, unpack_sample

_COLUMNS = "id, kind, name, quantity, interval_ms, boot, base_at_ms, base_mono_ms"


def _block(connection: sqlite3.Connection, row: tuple[int, str, str, str, int, bytes, int, int]) -> OpenBlock:
    block, kind, name, quantity, interval_ms, boot, base_at_ms, base_mono_ms = row
    last = connection.execute("SELECT k FROM sample WHERE block = ? ORDER BY k DESC LIMIT 1", (block,)).fetchone()
    series = Series(kind, name, quantity, interval_ms, boot)
    return OpenBlock(block, series, base_at_ms, base_mono_ms, 0 if last is None else last[0] + 1)


def find(connection: sqlite3.Connection, kind: str, name: str) -> OpenBlock | None:
    """The open block of a sensor or receiver."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM block WHERE kind = ? AND name = ?", (kind, name)).fetchone()  # noqa: S608 a constant
    return None if row is None else _block(connection, row)


def all_open(connection: sqlite3.Connection) -> list[OpenBlock]:
    """Every open block, oldest first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM block ORDER BY id").fetchall()  # noqa: S608 a constant
    return [_block(connection, row) for row in rows]


def start(connection: sqlite3.Connection, series: Series, sample: Sample) -> OpenBlock:
    """Open a block with its first sample's times."""
    values = (
        series.kind,
        series.name,
        series.quantity,
        series.interval_ms,
        series.boot,
        sample.at_ms,
        sample.mono_ms,
    )
    cursor = connection.execute(
        "INSERT INTO block (kind, name, quantity, interval_ms, boot, base_at_ms, base_mono_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        values,
    )
    if cursor.lastrowid is None:
        raise AssertionError("an insert has a row id")
    return OpenBlock(cursor.lastrowid, series, sample.at_ms, sample.mono_ms, 0)


def add(connection: sqlite3.Connection, block: OpenBlock, sample: Sample) -> None:
    """Put a sample behind the others of its block."""
    connection.execute(
        "INSERT INTO sample (block, k, sample) VALUES (?, ?, ?)", (block.id, block.count, pack_sample(sample))
    )


def of(connection: sqlite3.Connection, block: OpenBlock) -> list[Sample]:
    """The samples of a block in order, without those that were damaged."""
    return [sample for (data,) in _rows(connection, block) if (sample := unpack_sample(data)) is not None]


def _rows(connection: sqlite3.Connection, block: OpenBlock) -> list[tuple[bytes]]:
    return connection.execute("SELECT sample FROM sample WHERE block = ? ORDER BY k", (block.id,)).fetchall()


def take(connection: sqlite3.Connection, block: OpenBlock) -> tuple[list[Sample], int]:
    """Remove a block; its samples in order, and how many were damaged."""
    rows = _rows(connection, block)
    connection.execute("DELETE FROM sample WHERE block = ?", (block.id,))
    connection.execute("DELETE FROM block WHERE id = ?", (block.id,))
    samples = [sample for (data,) in rows if (sample := unpack_sample(data)) is not None]
    return samples, len(rows) - len(samples)


def count(connection: sqlite3.Connection) -> int:
    """Samples that wait for sealing."""
    return int(connection.execute("SELECT count(*) FROM sample").fetchone()[0])
