"""Fault plans: which things go wrong on a simulated line, and how often.

Written as ``noise=0.01,split=0.3,unplug=120,stuck``. Every decision is drawn from the device's seed, so
a run repeats exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any

MAX_PIECES = 3


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How often each fault happens; all absent by default.

    Each kind of device knows only some of them (``SCANNER_FAULTS`` and its like).
    """

    noise: float = 0.0
    """Share of frames with one byte hit."""
    split: float = 0.0
    """Share of frames that come in pieces, with pauses between."""
    merge: float = 0.0
    """Share of frames held back and sent in one go with the next."""
    drop_gs: float = 0.0
    """Share of codes with group separators from which the scanner drops them all."""
    late: float = 0.0
    """Share of Modbus answers that come after any sensible time-out."""
    lost_ack: float = 0.0
    """Share of host acknowledgements an SSI scanner never hears."""
    fault_register: float = 0.0
    """Share of Modbus polls at which the probe reports itself broken."""
    lost_fix: float = 0.0
    """Share of GPS epochs without a fix (tunnels, yards)."""
    clock_jump: float = 0.0
    """Share of GPS epochs dated 1,024 weeks back (a receiver's week number rolled over)."""
    unplug: float | None = None
    """Mean seconds between two times the cable is pulled."""
    stuck: float | None = None
    """Seconds after the start from which the value never changes again."""
    power_on_85: bool = False
    """Whether the first values after power-on are the DS18B20's +85.0 °C."""

    @property
    def names(self) -> frozenset[str]:
        """The faults that are switched on."""
        plain = FaultPlan()
        return frozenset(f.name for f in fields(self) if getattr(self, f.name) != getattr(plain, f.name))


SCANNER_FAULTS = frozenset({"noise", "split", "merge", "drop_gs", "unplug"})
SSI_FAULTS = frozenset({"noise", "split", "drop_gs", "lost_ack", "unplug"})
HID_FAULTS = frozenset({"drop_gs"})
PROBE_FAULTS = frozenset({"noise", "split", "late", "unplug", "stuck", "power_on_85", "fault_register"})
GPS_FAULTS = frozenset({"noise", "split", "merge", "unplug", "stuck", "lost_fix", "clock_jump"})
FEEDBACK_FAULTS = frozenset({"unplug"})

_SECONDS = frozenset({"unplug", "stuck"})
_FLAGS = frozenset({"power_on_85"})
# "stuck" alone: stuck from the first value on.
_BARE = {"stuck": 0.0, "power_on_85": True}


def parse_faults(text: str, known: frozenset[str]) -> FaultPlan:
    """Read a fault plan as people write it.

    Args:
        text: Comma-separated ``name=value`` or, for ``stuck`` and ``power_on_85``, the bare name.
        known: The faults this kind of device can have.

    Raises:
        ValueError: A name or value makes no sense; the message says what was expected.
    """
    values: dict[str, Any] = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        if name not in known:
            raise ValueError(f"unknown fault {name!r}, expected some of: {', '.join(sorted(known))}")
        if not equals and name not in _BARE:
            raise ValueError(f"fault {name!r} needs a value, such as {name}={_example(name)}")
        values[name] = _value(name, value) if equals else _BARE[name]
    return FaultPlan(**values)


def _example(name: str) -> str:
    return "120" if name in _SECONDS else "0.05"


def _value(name: str, text: str) -> float:
    if name in _FLAGS:
        raise ValueError(f"fault {name!r} takes no value, got {text!r}")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"fault {name}={text!r}: expected a number, such as {_example(name)}") from None
    if name in _SECONDS:
        if not 0 <= value < float("inf") or (name == "unplug" and value == 0):
            raise ValueError(f"fault {name}={text}: expected seconds above 0")
    elif not 0 <= value <= 1:
        raise ValueError(f"fault {name}={text}: expected a share from 0 to 1")
    return value


def with_noise(data: bytes, rng: Random) -> bytes:
    """Hit one byte of ``data``: replace it, or push a stray byte in before it.

    Stray bytes have the high bit set, so they are never a terminator, and never turn one code of a
    stream into another one: a destroyed code can only be missing, not mistaken.
    """
    at = rng.randrange(len(data))
    stray = bytes([rng.randrange(0x80, 0x100)])
    rest = data[at:] if rng.random() < 0.5 or data[at] == stray[0] else data[at + 1 :]  # noqa: PLR2004 even odds
    return data[:at] + stray + rest


def in_pieces(data: bytes, rng: Random) -> Sequence[bytes]:
    """Cut ``data`` into two or three pieces, none of them empty where there are bytes enough."""
    cuts = sorted(rng.sample(range(1, len(data)), min(rng.randint(1, MAX_PIECES - 1), len(data) - 1)))
    return [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
