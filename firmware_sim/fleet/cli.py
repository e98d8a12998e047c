"""The subcommand `fleet` of `holdfast-sim`."""

import argparse
import json
import os
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from firmware_sim import arguments
from firmware_sim.arguments import Commands, checked, subcommand
from firmware_sim.errors import SimulatorError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from firmware_sim.fleet.enrolment import Enrolled

MAX_DEVICES = 10_000
"""Of one seed; with more, codes would repeat."""
TOKEN_VARIABLE = "HOLDFAST_TOKEN"  # noqa: S105 its name, not its value
EXAMPLES = f"""examples:
  holdfast-sim fleet --data hub-data --devices 200 --scans-per-min 6 --readings 10 --seconds 60
  holdfast-sim fleet --data hub-data --hub http://127.0.0.1:8080 --devices 2000 --reconnect-storm --json
  holdfast-sim fleet --agents new-vans --hub mqtt://192.168.1.10:1883 --devices 3 --offline-s 3600

With --data the hub of that folder on this machine enrols new devices for this run. With --agents the devices are
those whose agent.toml files `holdfast-hub device add ID ID ... --out DIR` wrote. Where --hub is the http address of the
hub, its ledger is compared as well; the token for that is made with --data, or taken from {TOKEN_VARIABLE}."""


def add_fleet(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Add the subcommand."""
    words = "load for a hub: many devices that deliver as real ones do, from one process"
    sub = subcommand(commands, "fleet", words, EXAMPLES)
    sub.set_defaults(command=partial(_fleet, sub))
    positive, number = checked(arguments.positive), checked(_at_least_none)
    sub.add_argument(
        "--hub",
        default="",
        metavar="URL",
        help="mqtt://HOST:PORT of the broker (default: as in the agent.toml files), or http://HOST:PORT of the hub",
    )
    sub.add_argument(
        "--devices",
        type=checked(arguments.whole(1, MAX_DEVICES)),
        default=50,
        metavar="N",
        help="how many (default 50)",
    )
    sub.add_argument("--data", type=Path, metavar="DIR", help="the hub's data folder: it enrols new devices")
    sub.add_argument("--agents", type=Path, metavar="DIR", help="a folder of agent.toml files of enrolled devices")
    sub.add_argument("--scans-per-min", type=number, default=6.0, metavar="N", help="of each device (default 6)")
    sub.add_argument("--readings", type=positive, metavar="S", help="a reading every S seconds (default none)")
    sub.add_argument("--seconds", type=positive, default=30.0, metavar="S", help="how long they capture (default 30)")
    sub.add_argument(
        "--offline-s", type=number, default=0.0, metavar="S", help="each comes with a backlog of S seconds (default 0)"
    )
    sub.add_argument(
        "--reconnect-storm", action="store_true", help="break all connections in one instant, half way through"
    )
    sub.add_argument("--seed", type=arguments.seed, default=1, metavar="N", help="decides everything (default 1)")
    sub.add_argument("--json", action="store_true", help="print the outcome as one JSON object")


def _at_least_none(text: str) -> float:
    value = arguments.number(text)
    if value < 0:
        raise ValueError(f"{text!r}: expected 0 or more")
    return value


def _fleet(parser: argparse.ArgumentParser, args: argparse.Namespace, stop: threading.Event) -> None:
    # Here, because the simulated devices on serial lines do without the protocol, and without an HTTP client.
    from firmware_sim.facts import LedgerReader  # noqa: PLC0415 see above
    from firmware_sim.fleet.fleet import Fleet  # noqa: PLC0415 see above
    from firmware_sim.fleet.load import Load  # noqa: PLC0415 see above
    from firmware_sim.fleet.run import Plan, as_json, as_lines, compare, run, shortcoming  # noqa: PLC0415 see above

    if (args.data is None) == (args.agents is None):
        parser.error("give either --data (devices are enrolled for this run) or --agents (they are enrolled already)")

    def say(line: str) -> None:
        print(line, file=sys.stderr if args.json else sys.stdout, flush=True)

    is_api = args.hub.startswith(("http://", "https://"))
    token = _token(args) if is_api else ""
    with _agents(args) as agents:
        load = Load(scans_per_min=args.scans_per_min, readings_s=args.readings)
        hub = "" if is_api else args.hub
        fleet = Fleet(agents, hub=hub, load=load, seed=args.seed, offline_s=args.offline_s)
        outcome = run(fleet, Plan(args.seconds, storm=args.reconnect_storm), stop, say)
    if is_api:
        with LedgerReader(args.hub.rstrip("/"), token) as ledger:
            outcome = replace(outcome, compared=compare(fleet.captured_ids(), ledger))
    if args.json:
        print(json.dumps(as_json(outcome)), flush=True)
    else:
        for line in as_lines(outcome):
            say(line)
    if (why := shortcoming(outcome)) is not None:
        raise SimulatorError(why)


@contextmanager
def _agents(args: argparse.Namespace) -> "Iterator[list[Enrolled]]":
    from firmware_sim.fleet.enrolment import enrol, read_agents  # noqa: PLC0415 as in _fleet

    if args.agents is not None:
        found = read_agents(args.agents)
        if len(found) < args.devices:
            raise SimulatorError(f"{args.agents} holds {len(found)} devices; {args.devices} were asked for")
        yield found[: args.devices]
        return
    # New names each time: a device that comes back with an empty memory would be taken for one that lost its database.
    run_id = os.urandom(3).hex()
    with tempfile.TemporaryDirectory(prefix="holdfast-fleet-") as folder:
        yield enrol(args.data, [f"sim-{run_id}-{i:05d}" for i in range(args.devices)], Path(folder))


def _token(args: argparse.Namespace) -> str:
    from firmware_sim.processes import run_command  # noqa: PLC0415 as in _fleet

    if args.data is None:
        token = os.environ.get(TOKEN_VARIABLE, "")
        if not token:
            raise SimulatorError(
                f"to compare with the ledger at {args.hub} put a token into {TOKEN_VARIABLE}, or give --data"
            )
        return token
    words = ("token", "create", "--role", "auditor", "--label", "fleet", "--days", "1", "--data", str(args.data))
    return run_command("holdfast-hub", *words).strip().rpartition("\n")[2].strip()
