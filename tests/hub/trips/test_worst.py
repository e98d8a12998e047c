"""Which of several sensors count along a way."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from contract.coldchain.profile import Limit, Profile, Rule, Side
from hub.trips.judging import Leg, Watched, judged
from hub.trips.sensors import Probe
from hub.trips.worst import worst

MINUTE = 60_000
WARM = Limit("warm", Side.ABOVE, 800, Rule.SINGLE, 30 * 60)
BOX = Profile("box", (WARM,))
BUDGET = Profile("budget", (Limit("warm", Side.ABOVE, 800, Rule.CUMULATIVE, 30 * 60),))


def watched(name: str, from_min: int, to_min: int, *hot: tuple[int, int], profile: Profile = BOX) -> Watched:
    """One reading a minute, warm in these stretches."""
    readings = [
        (minute * MINUTE, 900 if any(start <= minute < end for start, end in hot) else 500)
        for minute in range(from_min, to_min)
    ]
    return Watched(Probe(name, 1, "van-1", "", "", None, None), profile, readings)


def leg(from_min: int, to_min: int, *sensors: Watched) -> Leg:
    return Leg("van-1", from_min * MINUTE, to_min * MINUTE, sensors)


def chosen(legs: list[Leg]) -> list[list[str]]:
    return [[one.probe.id for one in by_name.values()] for by_name in worst(legs)]


def alarms(legs: list[Leg]) -> int:
    return sum(len(way.judgement.alarmed) for way in judged(legs, worst(legs)))


def test_a_run_that_goes_on_behind_a_scan_is_judged_whole_though_another_sensor_was_worse_before_it() -> None:
    early, across = (5, 30), (40, 75)
    legs = [
        leg(0, 60, watched("a", 0, 60, early), watched("b", 0, 60, across)),
        leg(60, 120, watched("a", 60, 120, early), watched("b", 60, 120, across)),
    ]
    assert chosen(legs) == [["b"], ["b"]]
    assert alarms(legs) == 1


def test_a_run_from_one_vehicle_into_another_is_judged_whole() -> None:
    legs = [
        leg(0, 60, watched("a", 0, 60, (5, 30)), watched("b", 0, 60, (44, 60))),
        leg(60, 120, watched("c", 60, 120, (80, 104)), watched("d", 60, 120, (60, 75))),
    ]
    assert chosen(legs) == [["b"], ["d"]]
    assert alarms(legs) == 1


def test_where_the_whole_says_nothing_each_stay_names_its_own_worst() -> None:
    legs = [
        leg(0, 60, watched("a", 0, 60, (5, 10)), watched("b", 0, 60, (5, 25))),
        leg(60, 120, watched("a", 60, 120, (80, 90)), watched("b", 60, 120, (80, 85))),
        leg(120, 180, watched("a", 120, 180), watched("b", 120, 180)),
    ]
    assert chosen(legs)[:2] == [["b"], ["a"]]
    assert alarms(legs) == 0


@st.composite
def ways(draw: st.DrawFn) -> list[Leg]:
    profile = draw(st.sampled_from([BOX, BUDGET]))
    legs = []
    for nr in range(draw(st.integers(1, 4))):
        start = nr * 40
        sensors = []
        for name in "abc"[: draw(st.integers(1, 3))]:
            hot = []
            for _ in range(draw(st.integers(0, 2))):
                begins = start + draw(st.integers(0, 39))
                hot.append((begins, min(begins + draw(st.integers(1, 40)), start + 40)))
            sensors.append(watched(name, start, start + 40, *hot, profile=profile))
        legs.append(leg(start, start + 40, *sensors))
    return legs


@settings(max_examples=150)
@given(ways())
def test_if_any_choice_of_sensors_alarms_the_way_does(legs: list[Leg]) -> None:
    choices = product(*(one.watched for one in legs))
    any_alarm = any(
        way.judgement.alarmed
        for choice in choices
        for way in judged(legs, [{one.profile.name: one} for one in choice if one.profile])
    )
    assert bool(alarms(legs)) is any_alarm
