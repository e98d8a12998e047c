"""`python tests/mutants/run.py [NAME ...]`: each mutant in a copy of the tree, where its catchers must fail.

    --first     only the quickest catcher of each
    --jobs N    mutants at once (default: one a core)
    --minutes N stop beginning new ones after so long
    --table     print the table for docs/reliability.md and do nothing else

A catcher catches only by a failed test: an error while it is loaded catches nothing, and all catchers must pass in a copy
without a bug first.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.mutants.mutant import ROOT, TABLE_HEAD, Mutant, apply, read_all

SIMULATION: Final = "simulation"
SEEDS: Final = """
import sys
from tests.simulation.soak import run_seeds
sys.exit(3 if run_seeds(range(int(sys.argv[1]))).failed else 0)
"""
"""Up to the first seed that fails, whose story nobody needs."""
SEED_FAILED: Final = 3
TESTS_FAILED: Final = 1
CATCHER_LIMIT_S: Final = 300
NEEDED: Final = ("contract", "agent", "hub", "firmware_sim", "mobile_ui", "tests", "docs", "pyproject.toml")


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant: the catchers that did not notice it, with the last lines they said."""

    mutant: Mutant
    missed: tuple[str, ...]
    took_s: float


def copy_tree(to: Path) -> Path:
    """The parts of the tree that tests need."""
    tree = to / "tree"
    tree.mkdir()
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "vendor", "node_modules")
            shutil.copytree(source, tree / name, ignore=ignored)
        elif source.exists():
            shutil.copy2(source, tree / name)
    vendor = ROOT / "hub" / "static" / "vendor"
    if vendor.exists():
        (tree / "hub" / "static" / "vendor").symlink_to(vendor)
    return tree


def command(catchers: Sequence[str]) -> list[str]:
    """What runs these catchers, which are all of one kind."""
    first = catchers[0]
    if first.startswith(SIMULATION):
        seeds = first.partition(" ")[2].partition(" ")[0]
        return [sys.executable, "-c", SEEDS, seeds]
    return [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *catchers]


def run(catchers: Sequence[str], tree: Path) -> tuple[int, str]:
    """The exit code of these catchers in a tree, and the end of what they said."""
    # Before the place of an editable installation, so that the copy is what is imported.
    environment = os.environ | {"PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command(catchers),
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=CATCHER_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end after {CATCHER_LIMIT_S} s"
    return done.returncode, "\n".join((done.stdout + done.stderr).splitlines()[-30:])


def survivors_of(mutant: Mutant, catchers: Sequence[str]) -> Outcome:
    """Run catchers against a mutant."""
    began_s = monotonic()
    with tempfile.TemporaryDirectory(prefix="hf-mutant-") as folder:
        tree = copy_tree(Path(folder))
        if refused := apply(mutant, tree):
            return Outcome(mutant, (f"the patch does not apply: {refused}",), monotonic() - began_s)
        missed = []
        for catcher in catchers:
            code, said = run([catcher], tree)
            if code != (SEED_FAILED if catcher.startswith(SIMULATION) else TESTS_FAILED):
                missed.append(f"{catcher}\n{said}")
    return Outcome(mutant, tuple(missed), monotonic() - began_s)


def is_green(catchers: Sequence[str]) -> str:
    """Run catchers in a copy without a bug; what they said if they fail, else nothing."""
    with tempfile.TemporaryDirectory(prefix="hf-mutant-") as folder:
        tree = copy_tree(Path(folder))
        tests = [c for c in catchers if not c.startswith(SIMULATION)]
        groups = [tests] if tests else []
        groups += [[c] for c in catchers if c.startswith(SIMULATION)]
        for group in groups:
            code, said = run(group, tree)
            if code:
                return said
    return ""


def main(arguments: Sequence[str]) -> int:
    """1 when a mutant is not caught by what is said to catch it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--table", action="store_true")
    chosen = parser.parse_args(arguments)
    mutants = [m for m in read_all() if not chosen.names or m.name in chosen.names]
    if chosen.table:
        _say(TABLE_HEAD + "".join(m.row() for m in mutants))
        return 0
    until_s = monotonic() + 60 * chosen.minutes
    work = {m: m.catchers[:1] if chosen.first else m.catchers for m in mutants}
    if said := is_green(list(dict.fromkeys(c for catchers in work.values() for c in catchers))):
        _say(f"the catchers fail without any bug:\n{said}\n")
        return 1
    failed = left_out = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for mutant, outcome in zip(work, pool.map(lambda m: _in_time(m, work[m], until_s), work), strict=True):
            if outcome is None:
                left_out += 1
                continue
            failed += bool(outcome.missed)
            _say(f"{'MISSED' if outcome.missed else 'caught':6} {outcome.took_s:5.1f} s  {mutant.name}\n")
            for missed in outcome.missed:
                _say(f"       not by {missed}\n")
    _say(
        f"{len(work) - failed - left_out} of {len(work)} mutants caught, {failed} missed, {left_out} left out for time\n"
    )
    return 1 if failed else 0


def _in_time(mutant: Mutant, catchers: Sequence[str], until_s: float) -> Outcome | None:
    return survivors_of(mutant, catchers) if monotonic() < until_s else None


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
