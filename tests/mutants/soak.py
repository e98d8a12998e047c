"""The proofs, for long: simulation by many seeds, the model, all mutants, power cuts. One summary, and 1 for any failure."""

import argparse
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

ROOT: Final = Path(__file__).parents[2]
SEEDS: Final = 100_000
GRACE: Final = 1.5
"""A part that does not end by itself gets so much of its time, and GRACE_S to begin and end."""
GRACE_S: Final = 120


@dataclass(frozen=True)
class Part:
    """One proof: its command, whether it takes `--minutes`, and its share of a bounded time."""

    name: str
    command: tuple[str, ...]
    share: float
    bounded: bool = True

    @property
    def exists(self) -> bool:
        """Whether this tree has it."""
        return not self.command[0].endswith(".py") or (ROOT / self.command[0]).exists()


PARTS: Final = (
    Part("model", ("-m", "tests.model.cli"), 0.08, bounded=False),
    Part("simulation", ("tests/simulation/soak.py", "--seeds", str(SEEDS)), 0.42),
    Part("mutants", ("tests/mutants/run.py",), 0.35),
    Part("power cuts", ("tests/power/soak.py",), 0.15),
)


def main(arguments: Sequence[str]) -> int:
    """Run all parts, whatever becomes of each."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, help="bound the whole; without it every seed and every mutant is run")
    minutes: float | None = parser.parse_args(arguments).minutes
    results: list[tuple[str, int, float]] = []
    for part in PARTS:
        if not part.exists:
            continue
        _say(f"== {part.name}\n")
        began_s = monotonic()
        code = _run(part, None if minutes is None else minutes * part.share)
        results.append((part.name, code, monotonic() - began_s))
    _say("\n== summary\n")
    for name, code, took_s in results:
        _say(f"{'ok' if code == 0 else 'FAILED':6} {took_s / 60:6.1f} min  {name}\n")
    return int(any(code for _, code, _ in results))


def _run(part: Part, minutes: float | None) -> int:
    bound = ["--minutes", f"{minutes:.2f}"] if minutes is not None and part.bounded else []
    limit_s = None if minutes is None else 60 * minutes * GRACE + GRACE_S
    # A group of its own, so that its workers end with it.
    running = subprocess.Popen([sys.executable, *part.command, *bound], cwd=ROOT, start_new_session=True)
    try:
        return running.wait(limit_s)
    except subprocess.TimeoutExpired:
        _say(f"{part.name} did not end in time\n")
        return 1
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
