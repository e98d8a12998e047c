"""A refrigerated box in a van or a dock: air temperature and humidity.

A one-mass thermal model: heat leaks through the walls, an open door lets the day in, a compressor with
hysteresis takes heat out. Rates are those of a 400 l passive-walled box with a small compressor.
"""

import math
from dataclasses import dataclass, replace
from typing import Protocol

from firmware_sim.chance import chance

DAY_S = 86_400.0
# A box is started in the morning.
STARTS_AT_S = 8 * 3600.0
# The warmest hour of the day, local solar time.
WARMEST_S = 15 * 3600.0
# A door opening falls into one slot of the day or none: keeps the schedule a pure function of time.
DOOR_SLOT_S = 900.0
STEP_S = 1.0
# The air above a running evaporator is dry; still air creeps back up over the damp load.
DRY_RH = 45.0
MOIST_RH = 65.0
HUMIDITY_TIME_S = 600.0


@dataclass(frozen=True, slots=True)
class BoxDesign:
    """The figures of one box."""

    setpoint_c: float = 5.0
    """Middle of the compressor's range."""
    hysteresis_k: float = 1.0
    """The compressor starts this far above the set point and stops this far below."""
    wall_time_s: float = 14_400.0
    """Time constant of the leak through the walls."""
    door_time_s: float = 600.0
    """Time constant with the door open."""
    cooling_k_per_s: float = 0.01
    """What the compressor takes out, per second."""


@dataclass(frozen=True, slots=True)
class Outside:
    """The air around the box."""

    mean_c: float = 22.0
    swing_k: float = 5.0
    humidity_rh: float = 60.0

    def temperature_c(self, time_of_day_s: float) -> float:
        """Return the air temperature at a time of day."""
        return self.mean_c + self.swing_k * math.cos(2 * math.pi * (time_of_day_s - WARMEST_S) / DAY_S)


@dataclass(frozen=True, slots=True)
class BoxState:
    """The air in the box at one moment."""

    temperature_c: float
    humidity_rh: float
    is_cooling: bool


def advance(
    state: BoxState, design: BoxDesign, outside_c: float, outside_rh: float, *, door_open: bool, dt_s: float
) -> BoxState:
    """Return the state ``dt_s`` later; steps of a few seconds at most, inputs constant over the step."""
    is_cooling = state.is_cooling
    if state.temperature_c >= design.setpoint_c + design.hysteresis_k:
        is_cooling = True
    elif state.temperature_c <= design.setpoint_c - design.hysteresis_k:
        is_cooling = False
    leak_per_s = 1 / design.wall_time_s + (1 / design.door_time_s if door_open else 0.0)
    gain_k_per_s = (outside_c - state.temperature_c) * leak_per_s
    cooling_k_per_s = design.cooling_k_per_s if is_cooling else 0.0
    if door_open:
        towards_rh, humidity_time_s = outside_rh, HUMIDITY_TIME_S / 4
    else:
        towards_rh, humidity_time_s = (DRY_RH if is_cooling else MOIST_RH), HUMIDITY_TIME_S
    humidity_rh = state.humidity_rh + (towards_rh - state.humidity_rh) * dt_s / humidity_time_s
    return replace(
        state,
        temperature_c=state.temperature_c + (gain_k_per_s - cooling_k_per_s) * dt_s,
        humidity_rh=min(100.0, max(0.0, humidity_rh)),
        is_cooling=is_cooling,
    )


class Door(Protocol):
    """What lets the day in."""

    def is_open(self, t_s: float) -> bool:
        """Return whether it is open `t_s` seconds after the start."""


@dataclass(frozen=True, slots=True)
class DoorPlan:
    """When the door stands open: now and then by seed, and at times that were asked for."""

    seed: int
    openings_per_hour: float = 1.0
    forced_s: tuple[tuple[float, float], ...] = ()
    """Spans of seconds since the start during which the door is open for certain."""

    def is_open(self, t_s: float) -> bool:
        """Return whether the door is open ``t_s`` seconds after the start."""
        if any(start_s <= t_s < end_s for start_s, end_s in self.forced_s):
            return True
        slot = math.floor(t_s / DOOR_SLOT_S)
        rng = chance(self.seed, "door", slot)
        if rng.random() >= self.openings_per_hour * DOOR_SLOT_S / 3600:
            return False
        start_s = slot * DOOR_SLOT_S + rng.uniform(0, DOOR_SLOT_S / 2)
        return start_s <= t_s < start_s + rng.uniform(10, 90)


@dataclass(slots=True)
class HeldDoor:
    """A door that follows its plan and, beside that, stands open as long as somebody leaves it open."""

    plan: DoorPlan
    left_open: bool = False

    def is_open(self, t_s: float) -> bool:
        """Return whether it is open now, `t_s` seconds after the start."""
        return self.left_open or self.plan.is_open(t_s)


class ColdBox:
    """A box followed through time; a given moment has the same state however it is reached, doors moved by hand apart."""

    def __init__(
        self,
        door: Door,
        *,
        design: BoxDesign | None = None,
        outside: Outside | None = None,
    ) -> None:
        """Start at the set point.

        Args:
            door: When the door is open.
            design: The box's figures.
            outside: The air around it.
        """
        self._door = door
        self._design = design or BoxDesign()
        self._outside = outside or Outside()
        self._step = 0
        self._state = BoxState(self._design.setpoint_c, (DRY_RH + MOIST_RH) / 2, is_cooling=False)

    def at(self, t_s: float) -> BoxState:
        """Return the state ``t_s`` seconds after the start; times must not go back."""
        while (self._step + 1) * STEP_S <= t_s:
            now_s = self._step * STEP_S
            self._state = advance(
                self._state,
                self._design,
                self._outside.temperature_c(STARTS_AT_S + now_s),
                self._outside.humidity_rh,
                door_open=self._door.is_open(now_s),
                dt_s=STEP_S,
            )
            self._step += 1
        return self._state
