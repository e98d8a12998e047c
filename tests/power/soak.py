"""Cuts the power as often as asked, or as long: `.venv/bin/python tests/power/soak.py --cuts 20000 --minutes 30`.

Prints one line of JSON with the counts; exits 1 at the first promise that was broken, naming the seed and the moment.
"""

import argparse
import json
import os
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

# The tree before this folder, whose modules would hide packages of the same name.
sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.power import device, hub
from tests.power.promises import Wrong

HUB_SHARE = 10
"""One life in so many is a hub's, which takes longer."""


def main(arguments: list[str] | None = None) -> int:
    """Live until there were enough cuts or the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=20_000, help="so many cuts in all (default 20000)")
    parser.add_argument("--minutes", type=float, default=30.0, help="at most so long (default 30)")
    parser.add_argument("--seed", type=int, default=1_000_000, help="where seeds begin (default 1000000)")
    parser.add_argument("--deeds", type=int, default=400, help="deeds of one life; more make more captures a cut")
    chosen = parser.parse_args(arguments)
    devices, hubs = device.Tally(), hub.HubTally()
    seed, end_s, broken = chosen.seed, time.monotonic() + 60 * chosen.minutes, ""
    while not broken and devices.cuts + hubs.cuts < chosen.cuts and time.monotonic() < end_s:
        try:
            # What the product logs about each start would be the larger part of what is printed.
            with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere), redirect_stdout(nowhere):
                if seed % HUB_SHARE == 0:
                    hub.live(seed, hubs)
                else:
                    device.live(seed, devices, device.Plan(deeds=chosen.deeds))
        except Wrong as error:
            broken = str(error)
        seed += 1
    told = {
        "seeds": [chosen.seed, seed - 1],
        "cuts": devices.cuts + hubs.cuts,
        "device_cuts": devices.cuts,
        "hub_cuts": hubs.cuts,
        "captures_confirmed": devices.captures,
        "facts_confirmed": devices.facts,
        "measurements_confirmed": devices.measurements,
        "facts_acknowledged_by_hub": hubs.acknowledged,
        "false_confirmations": int(bool(broken)),
        "broken": broken,
        "cpu_s": round(time.process_time(), 1),
    }
    sys.stdout.write(json.dumps(told) + "\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
