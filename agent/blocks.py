"""Which samples make one block, and when a block is sealed into a fact. Pure rules; the outbox carries them out."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from agent.clock import STEP_MS, Stamp
from contract.columns import Position, Reading, pack_positions, pack_readings
from contract.event import Alarm, Booted, ClockStep, Configured, Event, Phase, Positions, Quantity, Readings, Status
from contract.fact import Clock
from contract.limits import DEFAULT_SEAL_S, MAX_BLOCK_READINGS

OFFLINE_SEAL_MS: Final = 6 * 3_600_000
"""Out of contact only full blocks are sealed, but none is left open longer: an open block cannot be thinned."""
CHECK_BYTES: Final = 4
READINGS: Final = "readings"
POSITIONS: Final = "positions"


@dataclass(frozen=True, slots=True)
class SensorReading:
    """One measurement of a sensor; `value` in hundredths, None for a fault of the sensor."""

    sensor: str
    quantity: Quantity
    stamp: Stamp
    value: int | None
    interval_ms: int


@dataclass(frozen=True, slots=True)
class ReceiverPosition:
    """One position of a receiver; degrees in 1e-7, speed in cm/s, heading in hundredths of a degree."""

    receiver: str
    stamp: Stamp
    interval_ms: int
    lat_e7: int
    lon_e7: int
    accuracy_m: int = 0
    speed_cm_s: int = 0
    heading_c: int = 0


Measured = SensorReading | ReceiverPosition


@dataclass(frozen=True, slots=True)
class Series:
    """What all samples of a block have in common."""

    kind: str
    name: str
    quantity: str
    interval_ms: int
    boot: bytes


@dataclass(frozen=True, slots=True)
class OpenBlock:
    """A block that takes samples."""

    id: int
    series: Series
    base_at_ms: int
    base_mono_ms: int
    count: int


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """One row of an open block: both clocks, and a reading's value or a position's five numbers."""

    at_ms: int
    mono_ms: int
    clock: Clock
    numbers: tuple[int | None, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Sample)


def series_of(measured: Measured, boot: bytes) -> Series:
    """The series that a measurement belongs to."""
    if isinstance(measured, SensorReading):
        return Series(READINGS, measured.sensor, measured.quantity, measured.interval_ms, boot)
    return Series(POSITIONS, measured.receiver, "", measured.interval_ms, boot)


def sample_of(measured: Measured) -> Sample:
    """The row that a measurement becomes."""
    m = measured
    numbers: tuple[int | None, ...] = (
        (m.value,) if isinstance(m, SensorReading) else (m.lat_e7, m.lon_e7, m.accuracy_m, m.speed_cm_s, m.heading_c)
    )
    return Sample(m.stamp.at_ms, m.stamp.mono_ms, m.stamp.clock, numbers)


def pack_sample(sample: Sample) -> bytes:
    """The bytes of a row, guarded by a CRC-32."""
    body = _encoder.encode(sample)
    return zlib.crc32(body).to_bytes(CHECK_BYTES, "big") + body


def unpack_sample(data: bytes) -> Sample | None:
    """The row, or None where its bytes were damaged."""
    check, body = data[:CHECK_BYTES], data[CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(CHECK_BYTES, "big") != check:
        return None
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None


def fits(block: OpenBlock, series: Series, sample: Sample) -> bool:
    """Whether a sample continues a block: same schedule and boot, room, and both clocks running together."""
    if block.series != series or block.count >= MAX_BLOCK_READINGS:
        return False
    elapsed_ms = sample.mono_ms - block.base_mono_ms
    drift_ms = (sample.at_ms - block.base_at_ms) - elapsed_ms
    return elapsed_ms >= 0 and abs(drift_ms) <= STEP_MS


def is_due(
    block: OpenBlock, mono_ms: int, boot: bytes, *, in_contact: bool, seal_ms: int = DEFAULT_SEAL_S * 1000
) -> bool:
    """Whether a block is to be sealed now."""
    if block.series.boot != boot or block.count >= MAX_BLOCK_READINGS:
        return True
    age_ms = mono_ms - block.base_mono_ms
    return age_ms >= (seal_ms if in_contact else OFFLINE_SEAL_MS)


def ended_by(event: Event, block: OpenBlock) -> bool:
    """Whether an event ends a block: an alarm of its sensor that starts or ends, a boot, a clock step, a new schedule."""
    match event:
        case Alarm(phase=Phase.RAISED | Phase.ENDED, sensor=sensor):
            return block.series.kind == READINGS and block.series.name == sensor
        case Status(detail=Booted() | ClockStep() | Configured()):
            return True
        case _:
            return False


def seal(block: OpenBlock, samples: Sequence[Sample]) -> tuple[Readings | Positions, Stamp]:
    """The event that a block becomes, and the stamp of its fact: that of the last sample.

    Raises:
        TooLarge: no samples, or more than a block may hold.
    """
    series, first, last = block.series, samples[0], samples[-1]
    synced = all(sample.clock is Clock.SYNCED for sample in samples)
    stamp = Stamp(last.at_ms, last.mono_ms, Clock.SYNCED if synced else Clock.FREE)
    offsets = [sample.mono_ms - first.mono_ms for sample in samples]
    if series.kind == READINGS:
        readings = [Reading(offset, s.numbers[0]) for offset, s in zip(offsets, samples, strict=True)]
        columns = pack_readings(readings, series.interval_ms)
        return (
            Readings(
                sensor=series.name,
                quantity=Quantity(series.quantity),
                base_at_ms=first.at_ms,
                base_mono_ms=first.mono_ms,
                interval_ms=series.interval_ms,
                count=len(samples),
                columns=columns,
            ),
            stamp,
        )
    numbers = [tuple(number or 0 for number in s.numbers) for s in samples]
    positions = [Position(offset, *row) for offset, row in zip(offsets, numbers, strict=True)]
    return (
        Positions(
            receiver=series.name,
            base_at_ms=first.at_ms,
            base_mono_ms=first.mono_ms,
            interval_ms=series.interval_ms,
            count=len(samples),
            columns=pack_positions(positions, series.interval_ms),
        ),
        stamp,
    )
