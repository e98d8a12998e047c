"""A device's store in a process of its own, for tests that kill it or take its disk away.

`python victim.py FOLDER DEED [ARGUMENT]`; each confirmed fact is one line on stdout, flushed: what a person was told.
"""

import os
import resource
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from agent.blocks import SensorReading
from agent.clock import DeviceClock
from agent.outbox import Outbox
from agent.store.database import NAME
from agent.store.errors import NotKept, StoreError
from agent.store.schema import migrate, versions
from contract.delivery.device_actions import Release, SetAcked
from contract.event import Lane, Quantity, Scan, Step


def scan(number: int, size: int = 10) -> Scan:
    return Scan(b"x" * size, "", "plain", f"parcel {number}", Step.LOADED, "dock", "scanner")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def capture(outbox: Outbox, clock: DeviceClock, count: int, size: int = 10) -> int:
    """Keep scans until one is refused; how many were kept."""
    for number in range(count):
        try:
            (kept,) = outbox.append([scan(number, size)], actor="", stamp=clock.stamp())
        except NotKept as error:
            say(f"refused {error.cause} {error}")
            return number
        say(f"kept {kept.fact_id.hex()}")
    return count


def main(folder: Path, deed: str, argument: int) -> None:
    clock = DeviceClock.of_system()
    if deed == "upgrade":
        steps = [*versions(), "CREATE TABLE newer (x); INSERT INTO newer SELECT seq FROM fact;"]
        with closing(sqlite3.connect(folder / NAME, isolation_level=None)) as database:
            migrate(database, steps)
        say("upgraded")
        return
    if deed == "limited":
        # Every file of this process ends at this size, as on a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (argument, argument))
    if deed == "nobody" and os.getuid() == 0:
        # What is read-only stops everybody but root.
        os.setgid(65534)
        os.setuid(65534)
    try:
        outbox = Outbox.open(folder, "van-1", clock=clock, hold_ms=0)
    except StoreError as error:
        say(f"refused {type(error).__name__} {error}")
        return
    say("open")
    match deed:
        case "capture":
            capture(outbox, clock, argument)
        case "nobody":
            say(f"readable {len(outbox.read(Lane.CUSTODY, 0, 256, 1 << 20))}")
            capture(outbox, clock, 1)
        case "limited" | "full":
            kept = capture(outbox, clock, 10_000, size=2_000)
            outbox.apply([SetAcked(Lane.CUSTODY, kept)])
            outbox.apply([Release(tuple(outbox.release_candidates(100)))])
            say(f"left {outbox.summary().lanes[Lane.CUSTODY].released}")
            outbox.maintain()
            capture(outbox, clock, 1, size=2_000)
        case "memory":
            capture(outbox, clock, argument, size=8_000)
            used_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (used_bytes + 200_000, used_bytes + 200_000))
            hoard = [bytes(100) for _ in range(100_000)]
            capture(outbox, clock, 1_000 + len(hoard), size=8_000)
        case "files":
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
            capture(outbox, clock, argument)
        case "release":
            kept = capture(outbox, clock, argument)
            outbox.apply([SetAcked(Lane.CUSTODY, kept)])
            outbox.apply([Release(tuple(outbox.release_candidates(5)))])
        case "seal":
            reading = SensorReading("s", Quantity.TEMPERATURE_C, clock.stamp(), 500, 60_000)
            outbox.add_readings([reading] * 3)
            say("kept readings")
            outbox.seal_due(in_contact=True, seal_ms=0)
        case "reincarnate":
            capture(outbox, clock, argument)
            outbox.reincarnate("forked")
        case "repair":
            capture(outbox, clock, argument)
            outbox.repair()
    outbox.close()
    say("closed")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0)
