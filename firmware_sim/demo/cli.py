"""The subcommand `demo` of `holdfast-sim`."""

import argparse
import json
import sys
import threading
from functools import partial
from pathlib import Path

from firmware_sim import arguments
from firmware_sim.arguments import Commands, checked, subcommand
from firmware_sim.demo.pace import SHORTEST_S
from firmware_sim.errors import SimulatorError

EXAMPLES = """examples:
  holdfast-sim demo                         until Ctrl-C, for people
  holdfast-sim demo --seconds 60 --json     with outages and crashes, then compares and ends"""


def add_demo(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    words = "a depot, three vans, a hub, outages and crashes: the whole story on this machine"
    sub = subcommand(commands, "demo", words, EXAMPLES)
    sub.set_defaults(command=partial(_demo, sub))
    sub.add_argument(
        "--seconds",
        type=checked(_seconds),
        metavar="N",
        help="end after N seconds and compare what was captured with what the hub has; without it, run until Ctrl-C",
    )
    sub.add_argument("--json", action="store_true", help="print the comparison as one JSON object (needs --seconds)")
    sub.add_argument(
        "--data", type=Path, metavar="DIR", help="where everything is kept (default a new folder under ./demo-data)"
    )
    sub.add_argument("--seed", type=arguments.seed, default=1, metavar="N", help="decides everything (default 1)")


def _seconds(text: str) -> float:
    seconds = arguments.number(text)
    if seconds < SHORTEST_S:
        raise ValueError(f"{text!r}: expected at least {SHORTEST_S} seconds, so that outages and restarts have room")
    return seconds


def _demo(parser: argparse.ArgumentParser, args: argparse.Namespace, stop: threading.Event) -> None:
    # Here, because the simulated devices do without an HTTP client.
    from firmware_sim.demo.depot import Depot, fresh_folder  # noqa: PLC0415 see above
    from firmware_sim.demo.pace import Minima  # noqa: PLC0415 see above
    from firmware_sim.demo.show import Show  # noqa: PLC0415 see above
    from firmware_sim.demo.words import as_json, as_lines, shortcoming  # noqa: PLC0415 see above

    if args.json and args.seconds is None:
        parser.error("--json tells how a timed run ended: give --seconds as well")

    def say(line: str) -> None:
        print(line, file=sys.stderr if args.json else sys.stdout, flush=True)

    data = (fresh_folder() if args.data is None else args.data).absolute()
    summary = Show(Depot(data), seed=args.seed, seconds=args.seconds, say=say).run(stop)
    if summary is None:
        if args.seconds is not None:
            raise SimulatorError("ended before its time, so nothing was compared")
        say("Everything has ended.")
        return
    if args.json:
        print(json.dumps(as_json(summary)), flush=True)
    else:
        for line in as_lines(summary):
            say(line)
    if (why := shortcoming(summary, Minima.of(args.seconds))) is not None:
        raise SimulatorError(why)
