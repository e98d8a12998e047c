"""Runs many seeds of the simulation on all cores: `.venv/bin/python tests/simulation/soak.py --seeds 100000`.

The first failure ends it with its shortest story. `--seed N` replays one seed and tells its story.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

# This tree before any other, so that a copied tree runs on its own contract.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.simulation.fleet import plan_of
from tests.simulation.story import Outcome, run, story, story_of_failure

CHUNK = 25
"""Seeds handed to a worker at once."""
REPORT_S = 10.0


def say(words: str) -> None:
    """One line for whoever watches."""
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


class Tally:
    """What all runs came to."""

    def __init__(self) -> None:
        self.seeds = self.facts = self.messages = self.events = 0
        self.runs_with: Counter[str] = Counter()
        """Runs in which a kind of fault had an effect."""
        self.failed: list[int] = []

    def add(self, seed: int, outcome: Outcome) -> None:
        """Count one run."""
        self.seeds += 1
        self.facts += outcome.facts
        self.messages += outcome.messages
        self.events += outcome.events
        self.runs_with.update(outcome.effects.keys())
        if outcome.problem is not None:
            self.failed.append(seed)

    def join(self, other: "Tally") -> None:
        """Count another's runs as well."""
        self.seeds += other.seeds
        self.facts += other.facts
        self.messages += other.messages
        self.events += other.events
        self.runs_with.update(other.runs_with)
        self.failed += other.failed


def run_seeds(seeds: range) -> Tally:
    """Run some seeds one after the other, up to the first that fails."""
    tally = Tally()
    for seed in seeds:
        tally.add(seed, run(plan_of(seed)))
        if tally.failed:
            break
    return tally


def _chunks(first: int, count: int, until_s: float) -> Iterator[range]:
    for start in range(first, first + count, CHUNK):
        if time.monotonic() > until_s:
            return
        yield range(start, min(start + CHUNK, first + count))


def soak(first: int, count: int, workers: int, minutes: float | None) -> Tally:
    """Run seeds on all workers and print how it goes; ends at the first failure."""
    began_s = said_s = time.monotonic()
    until_s = began_s + 60 * minutes if minutes is not None else float("inf")
    total = Tally()
    with get_context("fork").Pool(workers) as pool:
        for tally in pool.imap_unordered(run_seeds, _chunks(first, count, until_s)):
            total.join(tally)
            now_s = time.monotonic()
            if now_s - said_s >= REPORT_S:
                said_s = now_s
                say(f"{total.seeds} seeds, {total.seeds / (now_s - began_s):.0f} a second")
            if total.failed or now_s > until_s:
                pool.terminate()
                break
    took_s = time.monotonic() - began_s
    say(
        f"{total.seeds} seeds in {took_s:.1f} s ({total.seeds / took_s:.0f} a second on {workers} workers): "
        f"{total.facts} facts, {total.messages} messages, {total.events} events"
    )
    say("runs in which each kind of fault had an effect:")
    for kind, runs in sorted(total.runs_with.items(), key=lambda item: -item[1]):
        say(f"  {runs:8d}  {kind}")
    return total


def main() -> int:
    """The command line; 1 where a seed failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000, help="how many seeds to run")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--minutes", type=float, help="stop after this long, however many seeds are left")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="replay this seed alone and tell its story")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        plan = plan_of(arguments.seed)
        failed = run(plan).problem is not None
        say(story_of_failure(arguments.seed) if failed else story(plan))
        return int(failed)
    total = soak(arguments.first, arguments.seeds, arguments.workers, arguments.minutes)
    if not total.failed:
        return 0
    seed = min(total.failed)
    say(f"seed {seed} failed; replay it with --seed {seed}. Its shortest story:\n{story_of_failure(seed)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
