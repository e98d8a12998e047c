"""What was measured last, sealed or not: for whoever must go on behind an instant after a crash."""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from agent.outbox import Outbox
from agent.store import samples
from contract.columns import unpack_readings
from contract.errors import ContractError
from contract.event import Lane, Quantity, Readings
from contract.fact import decode_core

RECENT_BLOCKS: Final = 256
"""Sealed blocks looked through: 16 sensors that are sealed once a minute, for a quarter of an hour."""
RECENT_BYTES: Final = RECENT_BLOCKS * 16 * 1024


class Mark(NamedTuple):
    """An instant of a boot, and what is measured."""

    quantity: Quantity
    boot: bytes
    mono_ms: int


class Measured(NamedTuple):
    """A reading: when in its boot, and the value in hundredths; None for a fault."""

    mono_ms: int
    value: int | None


def measured_after(outbox: Outbox, marks: Mapping[str, Mark]) -> dict[str, list[Measured]]:
    """The readings of each sensor behind its mark, in the same boot and of the same quantity, oldest first.

    Raises:
        StoreDamaged: the database cannot be read.
    """
    found: dict[str, list[Measured]] = {sensor: [] for sensor in marks}
    for sensor, *kind, measured in (*_sealed(outbox), *outbox.database.read(_open)):
        mark = marks.get(sensor)
        if mark is not None and [mark.quantity, mark.boot] == kind:
            found[sensor] += [one for one in measured if one.mono_ms > mark.mono_ms]
    return found


_Stretch = tuple[str, str, bytes, list[Measured]]
"""Sensor, quantity, boot and readings."""


def _sealed(outbox: Outbox) -> Iterator[_Stretch]:
    ends = outbox.lane(Lane.TELEMETRY)
    after_n = max(ends.base_n, ends.head_n - RECENT_BLOCKS)
    for position in outbox.read(Lane.TELEMETRY, after_n, RECENT_BLOCKS, RECENT_BYTES):
        try:
            fact = None if position.core is None else decode_core(position.core)
            if fact is None or not isinstance(fact.event, Readings):
                continue
            block = fact.event
            readings = unpack_readings(block.columns, block.count, block.interval_ms)
        except ContractError:
            continue
        measured = [Measured(block.base_mono_ms + r.offset_ms, r.value) for r in readings]
        yield block.sensor, block.quantity, fact.boot, measured


def _open(connection: sqlite3.Connection) -> list[_Stretch]:
    return [
        (
            block.series.name,
            block.series.quantity,
            block.series.boot,
            [Measured(sample.mono_ms, sample.numbers[0]) for sample in samples.of(connection, block)],
        )
        for block in samples.all_open(connection)
    ]
