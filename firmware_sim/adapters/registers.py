"""Where a probe keeps its values: every maker has another register map.

Written as ``temperature_c@0:s16:0.1,humidity_rh@1:u16:0.1,status@2``: quantity, address as on the wire
(base 0), format, and the worth of one count.
"""

import math
import struct
from dataclasses import dataclass

# The value that stands for "no measurement" in 16-bit registers.
FAULT_VALUE = 0x8000
QUANTITIES = ("temperature_c", "humidity_rh", "status")
FORMATS = ("s16", "u16", "f32", "f32sw")
MAX_ADDRESS = 0xFFFF
DEFAULT_MAP = "temperature_c@0:s16:0.1,humidity_rh@1:u16:0.1,status@2"


@dataclass(frozen=True, slots=True)
class Register:
    """One value's place and form; ``f32`` takes two registers, high word first, ``f32sw`` low word first."""

    quantity: str
    address: int
    form: str = "u16"
    scale: float = 1.0

    @property
    def width(self) -> int:
        """Registers taken."""
        return 1 if self.form.endswith("16") else 2

    def encode(self, value: float | None) -> list[int]:
        """Return the registers for a value; None is the fault value (0x8000, or NaN for floats)."""
        if self.width == 2:  # noqa: PLR2004 two registers, one float
            high, low = struct.unpack(">HH", struct.pack(">f", math.nan if value is None else value / self.scale))
            return [low, high] if self.form == "f32sw" else [high, low]
        if value is None:
            return [FAULT_VALUE]
        count = round(value / self.scale)
        low, high = (-0x7FFF, 0x7FFF) if self.form == "s16" else (0, 0xFFFF)
        return [min(max(count, low), high) & 0xFFFF]


def parse_registers(text: str) -> tuple[Register, ...]:
    """Read a register map.

    Raises:
        ValueError: An entry makes no sense or two overlap; the message says what was expected.
    """
    registers = tuple(_register(part.strip()) for part in text.split(","))
    taken: set[int] = set()
    for register in registers:
        span = set(range(register.address, register.address + register.width))
        if taken & span:
            raise ValueError(f"register map {text!r}: {register.quantity} overlaps another value")
        taken |= span
    return registers


def _register(text: str) -> Register:
    place, *rest = text.split(":")
    quantity, _, address = place.partition("@")
    form = rest[0] if rest else "u16"
    try:
        register = Register(quantity, int(address, 0), form, float(rest[1]) if len(rest) > 1 else 1.0)
    except ValueError:
        raise ValueError(f"register {text!r}: expected such as temperature_c@0:s16:0.1") from None
    if quantity not in QUANTITIES:
        raise ValueError(f"register {text!r}: unknown quantity, expected one of {', '.join(QUANTITIES)}")
    if form not in FORMATS:
        raise ValueError(f"register {text!r}: unknown format, expected one of {', '.join(FORMATS)}")
    if not 0 <= register.address <= MAX_ADDRESS or not 0 < register.scale < math.inf:
        raise ValueError(f"register {text!r}: address must be 0 to {MAX_ADDRESS} and scale above 0")
    return register
