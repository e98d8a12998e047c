"""Mean kinetic temperature: the one temperature that would have aged a product as much as all that it went through.

It informs beside the verdict and never decides it: a low mean clears no excursion. Each value weighs for the time that it held;
stretches without data are left out and named.

Source: J. D. Haynes (1971), as in USP general chapter 1079.2, which also gives the windows: 24 h for products kept cold,
30 days for those at controlled room temperature, the time of the excursion included.
"""

import math
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from contract.coldchain.findings import DurationMs, NoData
from contract.coldchain.hold import Reading, stretches
from contract.event import EpochMs

DELTA_H_KJ_PER_MOL: Final = 83.144
"""Activation energy of a usual degradation, where that of the product is not known (USP 1079.2)."""
GAS_CONSTANT_KJ_PER_MOL_K: Final = 8.31446e-3
ZERO_C_IN_K: Final = 273.15
ABSOLUTE_ZERO: Final = -27_315
"""In hundredths of a degree Celsius; what is not above it was not measured."""
DAY_MS: Final = 86_400_000


class Window(StrEnum):
    """How far back the mean looks."""

    DAY = "24h"
    """For products kept cold."""
    MONTH = "30d"
    """For products at controlled room temperature."""

    @property
    def span_ms(self) -> int:
        """How long it is."""
        return DAY_MS if self is Window.DAY else 30 * DAY_MS


class Mkt(Struct, frozen=True):
    """A mean with all that it stands on.

    Attributes:
        from_ms, to_ms: of what time.
        value_c: degrees Celsius; None where nothing was measured.
        delta_h_kj_per_mol: with which activation energy.
        known_ms: of how much of the time a value is known.
        no_data: the rest: what was left out, short stretches before the first value included.
    """

    from_ms: EpochMs
    to_ms: EpochMs
    value_c: float | None
    delta_h_kj_per_mol: float
    known_ms: DurationMs
    no_data: tuple[NoData, ...]


def mkt(
    readings: Iterable[Reading],
    from_ms: int,
    to_ms: int,
    *,
    no_data_s: int = 900,
    delta_h_kj_per_mol: float = DELTA_H_KJ_PER_MOL,
) -> Mkt:
    """The mean kinetic temperature from one instant to another.

    Args:
        readings: in order of time, in hundredths of a degree Celsius; those outside are left out, except a value from before
            that still holds.
        from_ms: since when.
        to_ms: until when.
        no_data_s: as in the profile.
        delta_h_kj_per_mol: activation energy; above 0.

    Raises:
        ValueError: the activation energy is not above 0.
    """
    if not (math.isfinite(delta_h_kj_per_mol) and delta_h_kj_per_mol > 0):
        raise ValueError(f"activation energy {delta_h_kj_per_mol} kJ/mol: expected a number above 0, such as 83.144")
    # Whole milliseconds by value: as many exponentials as distinct values, and the same result whatever the order.
    held_ms: Counter[int] = Counter()
    no_data: list[NoData] = []
    measured = ((at_ms, None if value is None or value <= ABSOLUTE_ZERO else value) for at_ms, value in readings)
    for held in stretches(measured, from_ms, to_ms, no_data_s * 1_000):
        if held.value is None:
            no_data.append(NoData(held.from_ms, held.to_ms))
        else:
            held_ms[held.value] += held.span_ms
    mean = _mean_c(held_ms, delta_h_kj_per_mol) if held_ms else None
    return Mkt(from_ms, to_ms, mean, delta_h_kj_per_mol, held_ms.total(), tuple(no_data))


def _mean_c(held_ms: Counter[int], delta_h_kj_per_mol: float) -> float:
    scale_k = delta_h_kj_per_mol / GAS_CONSTANT_KJ_PER_MOL_K
    exponents = {value: -scale_k / (value / 100 + ZERO_C_IN_K) for value in held_ms}
    # exp(-34) or so for each value, less for cold ones: relative to the largest nothing underflows.
    largest = max(exponents.values())
    relative = math.fsum(ms * math.exp(exponents[value] - largest) for value, ms in held_ms.items()) / held_ms.total()
    return scale_k / -(largest + math.log(relative)) - ZERO_C_IN_K
