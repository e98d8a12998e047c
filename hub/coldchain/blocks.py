"""From `readings` facts to rows of blocks. Pure."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from contract.columns import Reading, unpack_readings
from contract.errors import Malformed
from contract.event import Readings
from hub.errors import ProjectionError
from hub.projector import LedgerFact
from hub.timeline import stamp_columns


class NewBlock(Struct, frozen=True):
    """A block that came in: its row without sensor number and corrected time, and its readings in order of time."""

    fact_id: bytes
    sensor: str
    quantity: str
    row: dict[str, Any]
    readings: Sequence[Reading]
    distinct: bool
    """No two readings of one instant."""


def new_block(known: LedgerFact, block: Readings) -> NewBlock:
    """Read one block.

    Raises:
        ProjectionError: its columns are broken, its times run backwards, or it speaks for a sensor of another device.
    """
    if not block.sensor.startswith(f"{known.fact.device}."):
        why = f"device {known.fact.device} speaks for sensor {block.sensor!r}; expected one of its own"
        raise ProjectionError(known.fact_id, why)
    try:
        readings = unpack_readings(block.columns, block.count, block.interval_ms)
    except Malformed as error:
        raise ProjectionError(known.fact_id, str(error)) from error
    offsets = [reading.offset_ms for reading in readings]
    if offsets[0] != 0 or offsets != sorted(offsets):
        raise ProjectionError(known.fact_id, "readings are not in order of time from the block's base on")
    span_ms = offsets[-1]
    row = {
        **stamp_columns(known),
        "at_ms": block.base_at_ms,
        "mono_ms": block.base_mono_ms,
        "span_ms": span_ms,
        "fact_id": known.fact_id,
        "interval_ms": block.interval_ms,
        "count": block.count,
        "columns": block.columns,
        "replaces": block.replaces,
    }
    if span_ms > known.received_ms:
        raise ProjectionError(known.fact_id, f"readings span {span_ms} ms, more than the time since 1970")
    return NewBlock(known.fact_id, block.sensor, block.quantity.value, row, readings, len(set(offsets)) == len(offsets))
