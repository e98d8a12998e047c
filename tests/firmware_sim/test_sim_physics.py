import math
from itertools import pairwise

import pytest

from firmware_sim.physics.cold_box import BoxDesign, BoxState, ColdBox, DoorPlan, advance
from firmware_sim.physics.van import METRES_PER_DEGREE, SPEEDS_MPS, Van

CLOSED = 0.0


def box(seed: int = 1, openings_per_hour: float = CLOSED, forced_s: tuple[tuple[float, float], ...] = ()) -> ColdBox:
    return ColdBox(DoorPlan(seed, openings_per_hour, forced_s))


def test_a_closed_box_stays_within_its_limits_for_a_day() -> None:
    cold = box()
    values = [cold.at(t).temperature_c for t in range(0, 86_400, 30)]

    assert 3.5 < min(values) < 4.5
    assert 5.5 < max(values) < 6.5


def test_the_compressor_cycles() -> None:
    cold = box()
    states = [cold.at(t).is_cooling for t in range(0, 86_400, 10)]

    assert 5 < sum(a != b for a, b in pairwise(states)) < 200


def test_an_open_door_warms_and_moistens_the_box_and_it_recovers() -> None:
    cold = box(forced_s=((600, 1_500),))

    before, opened, after = cold.at(600), cold.at(1_500), cold.at(9_000)

    assert opened.temperature_c > before.temperature_c + 3
    assert opened.humidity_rh > 55
    assert after.temperature_c < 6.5


def test_without_power_the_box_goes_to_the_outside_temperature() -> None:
    state = BoxState(5.0, 50.0, is_cooling=False)
    dead = BoxDesign(cooling_k_per_s=0.0)
    for _ in range(86_400):
        state = advance(state, dead, 25.0, 60.0, door_open=False, dt_s=1.0)

    assert state.temperature_c == pytest.approx(25.0, abs=0.2)


def test_a_moment_has_the_same_state_however_it_is_reached() -> None:
    slow, fast = box(3, 2.0), box(3, 2.0)
    for t in range(7_200):
        slow.at(t)

    assert slow.at(7_200) == fast.at(7_200)


def test_doors_open_by_seed() -> None:
    def openings(seed: int) -> list[int]:
        plan = DoorPlan(seed, openings_per_hour=2.0)
        return [t for t in range(0, 86_400, 5) if plan.is_open(t)]

    assert openings(1) == openings(1)
    assert openings(1) != openings(2)
    assert 0.005 < len(openings(1)) * 5 / 86_400 < 0.08


def metres_between(van: Van, a_s: float, b_s: float) -> float:
    a, b = van.at(a_s), van.at(b_s)
    north = (b.latitude_deg - a.latitude_deg) * METRES_PER_DEGREE
    east = (b.longitude_deg - a.longitude_deg) * METRES_PER_DEGREE * math.cos(math.radians(a.latitude_deg))
    return math.hypot(north, east)


def a_van(seed: int = 1) -> Van:
    return Van(seed, latitude_deg=51.9, longitude_deg=4.5)


def test_a_van_moves_as_fast_as_it_says() -> None:
    van = a_van()
    for t in range(3_600):
        moved = metres_between(van, t, t + 1)
        speeds = van.at(t).speed_mps, van.at(t + 0.5).speed_mps, van.at(t + 1).speed_mps

        assert moved <= SPEEDS_MPS[1] + 0.1
        # At a corner the way is longer than the straight line.
        assert moved == pytest.approx(sum(speeds) / 3, abs=1.0)


def test_a_van_stops_drives_and_stays_in_town() -> None:
    van = a_van()
    states = [van.at(t) for t in range(0, 8 * 3_600, 5)]

    assert 0.2 < sum(state.speed_mps == 0 for state in states) / len(states) < 0.8
    assert len({state.heading_deg for state in states}) == 4
    assert all(abs(state.latitude_deg - 51.9) < 0.05 for state in states)
    assert all(abs(state.longitude_deg - 4.5) < 0.08 for state in states)


def test_a_drive_repeats_and_can_be_asked_in_any_order() -> None:
    forwards, backwards = a_van(), a_van()
    times = list(range(0, 2_000, 50))

    assert [forwards.at(t) for t in times] == [backwards.at(t) for t in reversed(times)][::-1]
    assert a_van(2).at(1_000) != a_van(1).at(1_000)
