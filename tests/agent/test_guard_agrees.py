"""Edge and hub agree: readings through the agent's guard and through the contract's `judge` give the same alarms.

The guard takes them one by one through capture and a real store, with restarts, reboots and clock steps between them; `judge`
takes the whole history at once, by the time that really passed.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contract.coldchain.engine import judge
from contract.coldchain.profile import Limit, Profile, Rule, Side
from contract.event import Alarm, Phase
from tests.agent.cold_kit import FRIDGE, Guarded, document
from tests.agent.store.kit import EPOCH_MS, Bench, facts

PROFILES = [
    FRIDGE,
    Profile(
        "dual",
        (
            Limit("warm", Side.ABOVE, 800, Rule.DUAL, allowed_s=240),
            Limit("cold", Side.BELOW, 200, Rule.DUAL, allowed_s=240, inclusive=True),
        ),
        no_data_s=300,
    ),
    Profile("late", (Limit("warm", Side.ABOVE, 800, inclusive=True),), ignore_first_s=400, no_data_s=120),
]


class Between(Enum):
    """What happens before a reading."""

    NOTHING = "nothing"
    RESTART = "the agent starts again"
    REBOOT = "the device starts again"
    STEP_BACK = "somebody sets the wall clock back"
    STEP_ON = "somebody sets the wall clock on"


STEP_MS = {Between.STEP_BACK: -3_600_000, Between.STEP_ON: 3_600_000}


class Step(NamedTuple):
    after_s: int
    value: int | None
    between: Between = Between.NOTHING


class Found(NamedTuple):
    """One alarm; it started at this true time."""

    limit: str
    started_ms: int
    extreme: int | None
    ended: bool


def stories(*between: Between) -> st.SearchStrategy[list[Step]]:
    return st.lists(
        st.builds(
            Step,
            st.sampled_from([1, 10, 60, 119, 120, 121, 240, 300, 301, 1_000]),
            st.sampled_from([None, 100, 199, 200, 201, 500, 500, 799, 800, 801, 900, 1_501]),
            st.sampled_from([Between.NOTHING, Between.NOTHING, *between]),
        ),
        min_size=1,
        max_size=20,
    )


@contextmanager
def fresh_bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder) / "device")
        yield bench
        bench.close()


class Device:
    """A guarded device whose true time is known, whatever its clocks say."""

    def __init__(self, bench: Bench, profile: Profile) -> None:
        self.bench = bench
        self.guarded = Guarded(bench, assigned=document(profile))
        self.true_ms = bench.time.wall_ms()
        self.history: list[tuple[int, int | None]] = []
        self.true_of: dict[tuple[bytes, int], int] = {}

    def live(self, step: Step) -> None:
        if step.between in (Between.RESTART, Between.REBOOT):
            self.bench.close()
            if step.between is Between.REBOOT:
                self.bench.reboot(len(self.history).to_bytes(16, "big"))
                self.true_ms += self.bench.time.elapsed_ms
            self.guarded = Guarded(self.bench)
        self.bench.time.epoch_ms += STEP_MS.get(step.between, 0)
        self.guarded.read(step.value, after_s=step.after_s)
        self.true_ms += step.after_s * 1000
        self.history.append((self.true_ms, step.value))
        self.true_of[self.bench.clock.boot, self.bench.time.elapsed_ms] = self.true_ms

    def alarms(self) -> set[Found]:
        """What the guard stated, with the extremes that it shows of alarms that last."""
        found: dict[str, Found] = {}
        for fact in facts(self.guarded.outbox):
            alarm = fact.event
            if isinstance(alarm, Alarm):
                started_ms = self.true_of[fact.boot, fact.mono_ms] - (fact.at_ms - alarm.started_at_ms)
                assert alarm.alarm not in found or found[alarm.alarm].started_ms == started_ms
                found[alarm.alarm] = Found(alarm.limit, started_ms, alarm.extreme, alarm.phase is Phase.ENDED)
        for one in self.guarded.guard.told()[0].alarms:
            assert not found[one.alarm].ended
            found[one.alarm] = found[one.alarm]._replace(extreme=one.extreme)
        return set(found.values())


def assert_agree(profile: Profile, story: list[Step]) -> None:
    with fresh_bench() as bench:
        device = Device(bench, profile)
        for step in story:
            device.live(step)
        edge = device.alarms()
    # Behind the last value `judge` says what is if that value held; the guard states nothing before it knows.
    to_ms = max((at_ms for at_ms, value in device.history if value is not None), default=EPOCH_MS)
    judgement = judge(profile, device.history, EPOCH_MS, to_ms)

    assert edge == {Found(e.limit, e.started_ms, e.extreme, e.ended_ms is not None) for e in judgement.alarmed}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@settings(max_examples=25, deadline=None)
@given(story=stories(Between.RESTART, Between.REBOOT))
@example(story=[Step(10, 500), *[Step(60, 900)] * 8, Step(10, 500), *[Step(60, 900)] * 8, Step(10, 500)])
@example(story=[*[Step(60, 900, Between.REBOOT)] * 14, Step(10, 500, Between.RESTART)])
def test_guard_and_judge_find_the_same_alarms_over_restarts_and_reboots(profile: Profile, story: list[Step]) -> None:
    assert_agree(profile, story)


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
@settings(max_examples=25, deadline=None)
@given(story=stories(Between.RESTART, Between.STEP_BACK, Between.STEP_ON))
@example(story=[Step(1, 801), Step(119, None), Step(119, 801), Step(300, 801), Step(119, None)])
@example(
    story=[Step(120, 900), Step(120, 900, Between.STEP_BACK), *[Step(120, 900)] * 5, Step(10, 500, Between.STEP_ON)]
)
def test_f091_guard_and_judge_find_the_same_alarms_over_clock_steps(profile: Profile, story: list[Step]) -> None:
    assert_agree(profile, story)
