"""Running seeds, and telling the shortest story of one that fails."""

from collections import Counter
from dataclasses import dataclass, replace

from tests.simulation.fleet import Fleet, Plan, plan_of
from tests.simulation.world import Violation

MOST_TRIALS = 300
"""Runs spent on making a story shorter."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run went."""

    problem: str | None
    fingerprint: str
    effects: Counter[str]
    messages: int
    events: int
    facts: int
    told: tuple[str, ...] = ()


def run(plan: Plan, *, telling: bool = False) -> Outcome:
    """Run a plan to its end; whatever goes wrong is the outcome's problem."""
    fleet = Fleet(plan, telling=telling)
    problem: str | None = None
    try:
        fleet.work()
        fleet.settle()
    except Violation as violation:
        problem = str(violation)
    except Exception as error:  # noqa: BLE001 - whatever the product raises is a finding like any other
        problem = _words(error)
    return Outcome(
        problem,
        fleet.world.fingerprint,
        fleet.world.effects,
        fleet.network.messages,
        fleet.world.events,
        len(fleet.truth.made),
        tuple(fleet.world.told),
    )


def _words(error: BaseException) -> str:
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame is not None else "nowhere"
    return f"{type(error).__name__}: {error} (at {where})"


def shortest(plan: Plan) -> Plan:
    """A failing plan with as few steps as still fail."""
    trials = 0
    size = max(len(plan.steps) // 2, 1)
    while size:
        start = 0
        while start < len(plan.steps) and trials < MOST_TRIALS:
            trial = replace(plan, steps=plan.steps[:start] + plan.steps[start + size :])
            trials += 1
            if run(trial).problem is not None:
                plan = trial
            else:
                start += size
        size //= 2
    for change in ({"loss": 0.0}, {"jitter_ms": 0}, {"latency_ms": 30}, {"devices": 1}, {"credit": 256}):
        trial = replace(plan, **change)  # type: ignore[arg-type]  # each is a field of its type
        if trial != plan and run(trial).problem is not None:
            plan = trial
    return plan


def story(plan: Plan) -> str:
    """What happens in a plan, in plain words with virtual times."""
    outcome = run(plan, telling=True)
    steps = "".join(f"\n    {s.at_ms / 1000:8.3f} s  {s.kind} (device {s.device})" for s in plan.steps)
    told = "\n    ".join(outcome.told)
    return f"{plan.words}\n  steps:{steps or ' none'}\n  story:\n    {told}\n  ends: {outcome.problem or 'well'}"


def story_of_failure(seed: int) -> str:
    """The shortest story of a failing seed."""
    return story(shortest(plan_of(seed)))
