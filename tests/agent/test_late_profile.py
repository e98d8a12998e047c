"""A profile that reaches a device late is judged from its beginning, by what the device has kept."""

import pytest

from contract.coldchain.profile import Limit, Profile, Side
from contract.event import Phase, Quantity
from contract.local import ColdState
from tests.agent.cold_kit import Guarded, document
from tests.agent.store.kit import EPOCH_MS, Bench


@pytest.mark.parametrize("sealed", [False, True])
def test_profile_that_comes_late_is_judged_from_its_beginning_by_what_was_kept(bench: Bench, sealed: bool) -> None:
    guarded = Guarded(bench, assigned=document(sensors=()))
    for value in [500, *[900] * 31]:
        guarded.read(value)
    if sealed:
        guarded.outbox.seal_due(in_contact=True, seal_ms=0)
    guarded.guard.arrived(document(version=2, from_ms=EPOCH_MS + 111_000))

    # Of 310 s beyond the limit the first 90 s were before the profile's beginning.
    assert guarded.guard.told()[0].budgets[0].used_ms == 210_000
    for value in [900] * 40:
        guarded.read(value)
    assert guarded.phases() == [("warm", Phase.RAISED)]
    assert guarded.alarms()[0].started_at_ms == EPOCH_MS + 111_000


def test_profile_that_comes_when_its_limit_is_long_broken_is_an_alarm_at_once_and_only_once(bench: Bench) -> None:
    guarded = Guarded(bench, assigned=document(sensors=()))
    for value in (500, 1_600, 500, 1_700, 1_600):
        guarded.read(value)
    guarded.guard.arrived(document(version=2))

    (alarm,) = guarded.alarms()
    assert (alarm.limit, alarm.phase, alarm.extreme) == ("hot", Phase.RAISED, 1_700)
    assert alarm.started_at_ms == bench.time.wall_ms() - 10_000
    assert guarded.told == [alarm]
    guarded.bench.close()
    again = Guarded(guarded.bench, assigned=document(version=2))
    again.read(1_600)
    assert again.alarms() == [alarm]


def test_sensor_that_was_heard_all_along_is_not_silent_when_its_profile_comes_late(bench: Bench) -> None:
    guarded = Guarded(bench, assigned=document(sensors=()))
    for _ in range(40):
        guarded.read(500)
    guarded.guard.arrived(document(version=2))
    guarded.guard.look()

    assert guarded.alarms() == []
    assert guarded.guard.told()[0].state is ColdState.INSIDE


def test_profile_of_another_quantity_judges_nothing_of_what_was_kept(bench: Bench) -> None:
    guarded = Guarded(bench, assigned=document(sensors=()))
    guarded.read(9_900)
    humid = Profile("damp", (Limit("damp", Side.ABOVE, 6_000),), quantity=Quantity.HUMIDITY_RH)
    guarded.guard.arrived(document(humid, version=2))
    guarded.read(9_900)
    guarded.bench.close()

    assert Guarded(guarded.bench).alarms() == []


def test_device_without_the_time_judges_a_late_profile_from_now_on(bench: Bench) -> None:
    bench.time.epoch_ms = 0
    bench.time.is_synced = False
    guarded = Guarded(bench, assigned=document(sensors=()))
    guarded.read(1_600)
    bench.time.elapsed_ms += 1_000
    guarded.guard.arrived(document(version=2))
    assert guarded.alarms() == []
    guarded.read(1_600)
    assert guarded.phases() == [("hot", Phase.RAISED)]
