"""Runs by chance: faults of a few kinds each, in the midst of work."""

from dataclasses import replace

import pytest

from contract.delivery.device import DeviceProtocol
from tests.simulation.faults import FAULTS
from tests.simulation.fleet import plan_of
from tests.simulation.soak import Tally, run_seeds
from tests.simulation.story import run, shortest, story, story_of_failure

SEEDS = 1_000
PARTS = 20
"""So that the workers of a test run share them."""
PER_PART = SEEDS // PARTS

LED_TO = frozenset(
    {
        "attachment_released",
        "attachments_asked_again",
        "began_anew_forked",
        "began_anew_restored",
        "capture_refused",
        "released",
        "telemetry_dropped",
        "thinned",
        "told_to_wait",
        "unsynced_lost",
        "witness_ahead",
    }
)
"""What faults must have led to somewhere, or they were too tame."""


@pytest.mark.parametrize("part", range(PARTS))
def test_p1_p2_p3_p4_p6_p7_p8_a_thousand_seeds_keep_every_promise(part: int) -> None:
    tally = run_seeds(range(part * PER_PART, (part + 1) * PER_PART))

    assert not tally.failed, story_of_failure(tally.failed[0])


def test_every_kind_of_fault_has_an_effect_within_the_thousand_seeds() -> None:
    tally = Tally()
    for seed in range(SEEDS):
        tally.add(seed, run(plan_of(seed)))
        if tally.runs_with.keys() >= FAULTS.keys() | LED_TO:
            break

    assert FAULTS.keys() | LED_TO <= tally.runs_with.keys()


@pytest.mark.parametrize("seed", [3, 77, 4_711])
def test_two_runs_of_one_seed_are_the_same_to_the_bit(seed: int) -> None:
    first, second = run(plan_of(seed)), run(plan_of(seed))

    assert first == second
    assert first.fingerprint != run(plan_of(seed + 1)).fingerprint


def test_dropping_a_step_leaves_the_chance_of_the_others_alone() -> None:
    plan = plan_of(3)
    fewer = replace(plan, steps=plan.steps[:2] + plan.steps[3:])

    assert [s.seed for s in fewer.steps] == [s.seed for s in plan.steps if s is not plan.steps[2]]


def test_a_failure_is_told_by_its_shortest_story(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_promise(self: DeviceProtocol, *_: object) -> list[object]:
        raise AssertionError("attachments are not sent today")

    monkeypatch.setattr(DeviceProtocol, "_pump_blob", break_promise)
    seed = next(s for s in range(100) if any(step.kind == "proof" for step in plan_of(s).steps))
    short = shortest(plan_of(seed))

    assert len(short.steps) <= 1
    assert "attachments are not sent today" in story(short)
