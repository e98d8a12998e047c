"""Runs the benchmarks, each area in a process of its own, and writes `build/bench.json`.

    python -m tests.bench.run                 all of them
    python -m tests.bench.run capture wire    some

Exit code 1 when a benchmark failed; an aim that is missed is shown, and no failure.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.full_hub import PERCENT

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
RESULT = ROOT / "build/bench.json"
ONE_AREA_S = 600.0
"""One that takes longer hangs; all together are to take 15 minutes at most."""


class Failed(Exception):
    """A benchmark did not give the figures that it announces."""


def areas() -> list[str]:
    """The names that can be asked for."""
    return sorted(path.stem.removeprefix("bench_") for path in FOLDER.glob("bench_*.py"))


def ids_of(area: str) -> tuple[str, ...]:
    """All ids that an area gives, without running it."""
    ids: tuple[str, ...] = importlib.import_module(f"tests.bench.bench_{area}").IDS
    return ids


def measure(area: str) -> None:
    """Run one area here; each figure is a line of JSON on stdout as soon as it is there."""
    module = importlib.import_module(f"tests.bench.bench_{area}")
    with tempfile.TemporaryDirectory(prefix=f"bench-{area}-") as folder:
        for figure in module.figures(Path(folder)):
            names = {field.name: getattr(figure, field.name) for field in fields(Figure)}
            _print(json.dumps(names))


def measured(area: str) -> Iterator[Figure]:
    """Run one area in a process of its own and yield its figures as they come.

    Raises:
        Failed: It ended with an error, hung, or gave other figures than its `IDS`.
    """
    due = set(ids_of(area))
    command = [sys.executable, "-m", "tests.bench.run", "--here", area]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        watch = threading.Timer(ONE_AREA_S, process.kill)
        watch.start()
        try:
            for line in process.stdout or ():
                figure = Figure(**json.loads(line))
                yield _expected(area, figure, due)
        except BaseException:
            process.kill()
            raise
        finally:
            watch.cancel()
    if process.returncode:
        raise Failed(f"{area} ended with {process.returncode}")
    if due:
        raise Failed(f"{area} did not give {', '.join(sorted(due))}")


def _expected(area: str, figure: Figure, due: set[str]) -> Figure:
    if figure.id not in due:
        raise Failed(f"{area} gave {figure.id!r}, which its IDS do not name, or gave it twice")
    due.remove(figure.id)
    return figure


def run(chosen: Sequence[str], result: Path) -> int:
    """Run areas one after the other; return the exit code."""
    all_figures: list[Figure] = []
    failures: list[str] = []
    for area in chosen:
        began_s = time.monotonic()
        _say(f"{area} ...")
        try:
            for figure in measured(area):
                all_figures.append(figure)
                _say(f"  {figure.id} {_short(figure.value)} {figure.unit}")
        except Failed as error:
            failures.append(str(error))
            _say(f"  FAILED: {error}")
        _say(f"{area} took {time.monotonic() - began_s:.0f} s")
    result.parent.mkdir(exist_ok=True)
    result.write_text(json.dumps([figure.as_json() for figure in all_figures], indent=1) + "\n", encoding="utf-8")
    _print("\n".join([*table(all_figures), f"written to {os.path.relpath(result)}"]))
    for failure in failures:
        _say(f"FAILED: {failure}")
    return 1 if failures else 0


def table(all_figures: Sequence[Figure]) -> list[str]:
    """The figures as lines of text, in columns."""
    rows = [("id", "value", "unit", "against", "its value", "ratio", "aim", "met")]
    rows += [
        (
            f.id,
            _short(f.value),
            f.unit,
            f.against,
            _short(f.against_value),
            _short(f.ratio),
            f.aim,
            "" if not f.aim else "yes" if f.met else "NO",
        )
        for f in all_figures
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    right = {1, 4, 5}
    lines = [
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    notes = [f"{f.id}: {f.note}" for f in all_figures if f.note]
    return [line.rstrip() for line in lines] + (["", *notes] if notes else [])


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(argv: Sequence[str]) -> int:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description="Measures Holdfast on this machine.")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=f"which (default all): {' '.join(areas())}")
    parser.add_argument("--percent", metavar="N", help="fill only so much of the past of `pages`, on a small disk")
    parser.add_argument("--here", metavar="AREA", help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.here is not None:
        measure(args.here)
        return 0
    if args.percent is not None:
        if not (args.percent.isdecimal() and 1 <= int(args.percent) <= 100):
            parser.error(f"--percent {args.percent}: expected a whole number from 1 to 100")
        os.environ[PERCENT] = args.percent
    unknown = sorted(set(args.areas) - set(areas()))
    if unknown:
        parser.error(f"unknown: {' '.join(unknown)}; known: {' '.join(areas())}")
    return run(args.areas or areas(), RESULT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
