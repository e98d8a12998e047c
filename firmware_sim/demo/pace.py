"""How fast the story goes: calm for people who watch, quick and with everything that can go wrong when it is timed."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from firmware_sim.chance import chance

# What a minute of the timed demo must bring at least.
SCANS_PER_MINUTE = 1_000
READINGS_PER_MINUTE = 1_500
MIN_OUTAGES = 2
MIN_KILLS = 1
# Shorter, two outages and two restarts have no room.
SHORTEST_S = 20


class Act(StrEnum):
    """What happens to the system under test."""

    CUT = "cut"
    """The network is gone and says so."""
    BLACK_HOLE = "black_hole"
    """The network swallows everything and says nothing."""
    RESUME = "resume"
    KILL_AGENT = "kill_agent"
    KILL_HUB = "kill_hub"


@dataclass(frozen=True, slots=True)
class Pace:
    """Rates of people and sensors."""

    scans_hz: float
    """Of one hand, at most."""
    probe_interval_s: float
    seal_s: int
    load: int
    """Parcels in one round of a van."""
    time_scale: float
    """How many times faster than life the cold boxes age."""


CALM = Pace(scans_hz=1.0, probe_interval_s=2.0, seal_s=10, load=4, time_scale=10)
QUICK = Pace(scans_hz=9.0, probe_interval_s=0.25, seal_s=2, load=6, time_scale=20)

# Seconds from the start of an outage to its end, and on to the next, when nobody hurries.
CALM_FIRST_S = 30.0
CALM_OUT_S = (90.0, 180.0)
CALM_IN_S = (60.0, 150.0)

# Shares of a timed run: two outages that have time to pile something up, a crash of a device while the network is there, one
# of the hub while it is not.
TIMED = (
    (0.10, Act.CUT),
    (0.28, Act.RESUME),
    (0.40, Act.KILL_AGENT),
    (0.52, Act.BLACK_HOLE),
    (0.62, Act.KILL_HUB),
    (0.72, Act.RESUME),
)


def timed_acts(seconds: float) -> Iterator[tuple[float, Act]]:
    """Yield what happens when in a timed run, seconds after its start."""
    return ((share * seconds, act) for share, act in TIMED)


def calm_acts(seed: int) -> Iterator[tuple[float, Act]]:
    """Yield outages for ever, minutes long, cut off and swallowed by turns."""
    rng = chance(seed, "outages")
    at_s = CALM_FIRST_S
    while True:
        for act in (Act.CUT, Act.BLACK_HOLE):
            yield at_s, act
            at_s += rng.uniform(*CALM_OUT_S)
            yield at_s, Act.RESUME
            at_s += rng.uniform(*CALM_IN_S)


@dataclass(frozen=True, slots=True)
class Minima:
    """What a timed run must show, or it proves too little."""

    scans: int
    readings: int
    outages: int = MIN_OUTAGES
    agent_kills: int = MIN_KILLS
    hub_kills: int = MIN_KILLS

    @classmethod
    def of(cls, seconds: float) -> "Minima":
        """Return the minima of a run; they do not grow beyond a minute's."""
        minutes = min(1.0, seconds / 60)
        return cls(int(SCANS_PER_MINUTE * minutes), int(READINGS_PER_MINUTE * minutes))
