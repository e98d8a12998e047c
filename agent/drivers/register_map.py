"""From a probe's registers to requests and samples."""

import math
import struct
from collections.abc import Iterable, Mapping

from msgspec import Struct

from agent.config import ModbusProbeConfig, RegisterConfig
from agent.drivers.frames import Sample
from agent.drivers.modbus_rtu import MAX_REGISTERS, Read
from contract.event import Quantity

# DS18B20 datasheet, temperature register: +85 °C is what it holds from power-on until the first conversion.
POWER_ON_CENTI = 8500
# Nothing colder than absolute zero, nothing hotter than any probe; saturated air reads a little above 100 %.
POSSIBLE_CENTI = {Quantity.TEMPERATURE_C: (-27_315, 100_000), Quantity.HUMIDITY_RH: (0, 11_000)}
SIGN_BIT = 0x8000
WORD_SPAN = 0x10000


class Place(Struct, frozen=True, order=True):
    """Where one register is on the bus."""

    unit: int
    function: int
    address: int


class RegisterMap:
    """What to ask a bus for, and what the answers mean."""

    def __init__(self, config: ModbusProbeConfig) -> None:
        self._registers = tuple((r, Place(r.unit or config.unit, r.function, r.address)) for r in config.registers)
        self._status = config.status_register
        self.requests = self._plan()

    def status_of(self, unit: int) -> Place | None:
        """Where a unit's status register is, if it has one."""
        return Place(unit, self._status.function, self._status.address) if self._status else None

    def samples(self, request: Read, words: Mapping[Place, int], fault: str | None) -> list[Sample]:
        """The samples of the registers that `request` covers.

        Args:
            request: what was just answered.
            words: all registers read in this round so far.
            fault: why the answer holds no values, if it does not.
        """
        fault = fault or self._status_fault(request.unit, words)
        covered = range(request.address, request.address + request.count)
        out = []
        for register, place in self._registers:
            if (place.unit, place.function) == (request.unit, request.function) and place.address in covered:
                value, why = (None, fault) if fault else measure(register, place, words)
                out.append(Sample(register.sensor_name, register.quantity, value, why))
        return out

    def _status_fault(self, unit: int, words: Mapping[Place, int]) -> str | None:
        place = self.status_of(unit)
        if self._status is None or place is None:
            return None
        if place not in words:
            return "status_unknown"
        bits = words[place] & self._status.mask
        return None if bits == self._status.ok else f"status_{bits:04x}"

    def _plan(self) -> tuple[Read, ...]:
        """As few requests as the addresses allow; a unit's status comes before what it judges."""
        spans = {(place, register.words) for register, place in self._registers}
        statuses = {s for place, _ in spans if (s := self.status_of(place.unit))}
        requests: list[Read] = []
        for place, count in sorted(spans | {(status, 1) for status in statuses}):
            last = requests[-1] if requests else None
            end = place.address + count
            joins = (
                last is not None
                and (last.unit, last.function) == (place.unit, place.function)
                and place.address <= last.address + last.count
                and end - last.address <= MAX_REGISTERS
            )
            if joins and last is not None:
                whole = max(last.count, end - last.address)
                requests[-1] = Read(last.unit, last.function, last.address, whole)
            else:
                requests.append(Read(place.unit, place.function, place.address, count))
        return tuple(sorted(requests, key=lambda request: (request.unit, not _holds(request, statuses))))


def _holds(request: Read, places: Iterable[Place]) -> bool:
    return any(
        (place.unit, place.function) == (request.unit, request.function)
        and request.address <= place.address < request.address + request.count
        for place in places
    )


def measure(register: RegisterConfig, place: Place, words: Mapping[Place, int]) -> tuple[int | None, str | None]:
    """Value in hundredths, or the fault that stands in its place."""
    parts = [words[Place(place.unit, place.function, place.address + i)] for i in range(register.words)]
    if register.word_order == "little":
        parts.reverse()
    bits = sum(part << 16 * i for i, part in enumerate(reversed(parts)))
    number: float = bits
    if register.type == "float32":
        (number,) = struct.unpack(">f", bits.to_bytes(4, "big"))
    elif register.type == "int16" and bits & SIGN_BIT:
        number = bits - WORD_SPAN
    if register.fault_value is not None and register.fault_value in (bits, number):
        return None, "fault_value"
    if not math.isfinite(number):
        return None, "not_a_number"
    centi = round(number * register.scale * 100)
    lowest, highest = POSSIBLE_CENTI[register.quantity]
    return (centi, None) if lowest <= centi <= highest else (None, "impossible")
