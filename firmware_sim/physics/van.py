"""A van on its round: a seeded drive through a grid of streets."""

import math
from bisect import bisect_right
from dataclasses import dataclass

from firmware_sim.chance import chance

# Degrees north and east of the town where vans drive unless told.
ROTTERDAM = (51.9244, 4.4777)
METRES_PER_DEGREE = 111_320.0
BLOCK_M = 120.0
# Streets rarely run due north.
GRID_TURN_DEG = 12.0
ACCELERATION_MPS2 = 1.5
SPEEDS_MPS = (8.0, 14.0)
MAX_BLOCKS = 5
# The van turns back towards the middle of its town beyond this distance.
TOWN_BLOCKS = 25
LIGHT_S = (0.0, 30.0)
DELIVERY_S = (60.0, 180.0)
DELIVERY_SHARE = 0.25

# East and north of one step in each of the grid's directions, clockwise from north.
_STEPS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True, slots=True)
class VanState:
    """Where the van is and how it moves."""

    latitude_deg: float
    longitude_deg: float
    speed_mps: float
    heading_deg: float
    """Clockwise from north; at a standstill, where the van points."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One straight run from a standstill to a standstill, and the stop after it."""

    start_s: float
    east: int
    north: int
    direction: int
    length_m: float
    top_mps: float
    stop_s: float

    @property
    def ramp_s(self) -> float:
        """Time to reach the top speed, and as long again to lose it."""
        return self.top_mps / ACCELERATION_MPS2

    @property
    def drive_s(self) -> float:
        """Time from start to standstill."""
        return self.ramp_s + self.length_m / self.top_mps

    @property
    def end_s(self) -> float:
        """When the next leg starts."""
        return self.start_s + self.drive_s + self.stop_s

    def motion(self, t_s: float) -> tuple[float, float]:
        """Return metres driven and speed at a time within the leg."""
        since_s = t_s - self.start_s
        left_s = self.drive_s - since_s
        if left_s <= 0:
            return self.length_m, 0.0
        if since_s < self.ramp_s:
            return ACCELERATION_MPS2 * since_s**2 / 2, ACCELERATION_MPS2 * since_s
        if left_s < self.ramp_s:
            return self.length_m - ACCELERATION_MPS2 * left_s**2 / 2, ACCELERATION_MPS2 * left_s
        return self.top_mps * (since_s - self.ramp_s / 2), self.top_mps


class Van:
    """A drive that is the same for the same seed, and can be asked about any time."""

    def __init__(self, seed: int, *, latitude_deg: float, longitude_deg: float) -> None:
        """Start at the middle of a town.

        Args:
            seed: Decides streets, speeds and stops.
            latitude_deg: The middle of the town; below 85 degrees north or south.
            longitude_deg: The middle of the town.
        """
        self._rng = chance(seed, "van")
        self._latitude_deg = latitude_deg
        self._longitude_deg = longitude_deg
        self._legs = [self._leg(0.0, 0, 0, self._rng.randrange(len(_STEPS)))]

    def at(self, t_s: float) -> VanState:
        """Return the state ``t_s`` seconds after the start."""
        while self._legs[-1].end_s <= t_s:
            self._legs.append(self._next_leg(self._legs[-1]))
        leg = self._legs[bisect_right(self._legs, t_s, key=lambda leg: leg.start_s) - 1]
        metres, speed_mps = leg.motion(t_s)
        step_east, step_north = _STEPS[leg.direction]
        east_m = leg.east * BLOCK_M + step_east * metres
        north_m = leg.north * BLOCK_M + step_north * metres
        turn = math.radians(GRID_TURN_DEG)
        true_east_m = east_m * math.cos(turn) + north_m * math.sin(turn)
        true_north_m = north_m * math.cos(turn) - east_m * math.sin(turn)
        metres_per_degree_east = METRES_PER_DEGREE * math.cos(math.radians(self._latitude_deg))
        return VanState(
            self._latitude_deg + true_north_m / METRES_PER_DEGREE,
            self._longitude_deg + true_east_m / metres_per_degree_east,
            speed_mps,
            (90.0 * leg.direction + GRID_TURN_DEG) % 360.0,
        )

    def _next_leg(self, last: Leg) -> Leg:
        step_east, step_north = _STEPS[last.direction]
        blocks = round(last.length_m / BLOCK_M)
        east, north = last.east + step_east * blocks, last.north + step_north * blocks
        ahead, right, left = ((last.direction + turn) % len(_STEPS) for turn in (0, 1, 3))
        inwards = [
            way
            for way in (ahead, right, left)
            if abs(east + _STEPS[way][0] * MAX_BLOCKS) <= TOWN_BLOCKS
            and abs(north + _STEPS[way][1] * MAX_BLOCKS) <= TOWN_BLOCKS
        ]
        return self._leg(last.end_s, east, north, self._rng.choice(inwards))

    def _leg(self, start_s: float, east: int, north: int, direction: int) -> Leg:
        rng = self._rng
        is_delivery = rng.random() < DELIVERY_SHARE
        length_m = rng.randint(1, MAX_BLOCKS) * BLOCK_M
        # A short street leaves no room for a high speed: half of it to accelerate, half to brake.
        top_mps = min(rng.uniform(*SPEEDS_MPS), math.sqrt(length_m * ACCELERATION_MPS2))
        stop_s = rng.uniform(*(DELIVERY_S if is_delivery else LIGHT_S))
        return Leg(start_s, east, north, direction, length_m, top_mps, stop_s)
