"""How fast the story goes: calm for people who watch, quick and with everything that can go wrong when it is timed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

# What a minute of the timed demo must bring at least.
SCANS_PER_MINUTE = 1_000
READINGS_PER_MINUTE = 1_500
PROOFS_PER_MINUTE = 40
MIN_OUTAGES = 2
MIN_KILLS = 1
# Shorter, two outages and two restarts have no room.
SHORTEST_S = 20


class Act(StrEnum):
    """What happens, to the system under test or to what its devices look after."""

    CUT = "cut"
    """The network is gone and says so."""
    BLACK_HOLE = "black_hole"
    """The network swallows everything and says nothing."""
    RESUME = "resume"
    KILL_AGENT = "kill_agent"
    KILL_HUB = "kill_hub"
    OPEN_DOOR = "open_door"
    """Somebody leaves the door of a box open."""
    CLOSE_DOOR = "close_door"
    BREAK_PROBE = "break_probe"
    """It answers, but not with a value."""
    SILENCE_PROBE = "silence_probe"
    """It answers no more."""
    REPLACE_PROBE = "replace_probe"
    HURRY = "hurry"
    """A customer of this van closes earlier than was planned."""
    POINT_OUT = "point_out"
    """Everything has happened once and has come to be known: people are told where to look."""


OUTAGES: Final = frozenset({Act.CUT, Act.BLACK_HOLE})


@dataclass(frozen=True, slots=True)
class Cue:
    """What happens when, in seconds since the start, to which device; `box`: to which of its boxes."""

    at_s: float
    act: Act
    device: str = ""
    box: str = ""

    def later(self, by_s: float) -> "Cue":
        """Return the same at another time."""
        return replace(self, at_s=self.at_s + by_s)


@dataclass(frozen=True, slots=True)
class Pace:
    """Rates of people and sensors."""

    scans_hz: float
    """Of one hand, at most."""
    probe_interval_s: float
    seal_s: int
    stops: int
    """Of a van's tour."""
    parcels: tuple[int, int]
    """At a stop, at least and at most."""
    load: int
    """Parcels in one round of a van, or as many more as its last stop has."""
    drive_s: float
    """From the dock to the first customer."""
    door_s: float
    """From one customer to the next."""
    closes_s: int
    """How soon a customer closes who closes earlier."""
    time_scale: float
    """How many times faster than life the cold boxes age."""
    allowed_s: int
    """How long a box may be beyond its limits before that is an alarm."""
    no_data_s: int
    """How long it may say nothing; longer than blocks of readings take to reach the hub."""


CALM: Final = Pace(
    scans_hz=2.0,
    probe_interval_s=1.0,
    seal_s=5,
    stops=40,
    parcels=(1, 2),
    load=4,
    drive_s=8.0,
    door_s=4.0,
    closes_s=60,
    time_scale=10,
    allowed_s=8,
    no_data_s=12,
)

# Of a run of a minute; the rates of people and sensors do not grow with its length.
MINUTE: Final = Pace(
    scans_hz=12.0,
    probe_interval_s=0.25,
    seal_s=2,
    stops=45,
    parcels=(3, 5),
    load=20,
    drive_s=0.0,
    door_s=0.0,
    closes_s=5,
    time_scale=20,
    allowed_s=3,
    no_data_s=6,
)
SHORTEST_NO_DATA_S: Final = 4

# The door of van-3 is left open, then nobody hears of it, and when the van is back it is closed. So its excursion begins
# before the eyes of the hub, and its alarm and its end come to be known together, later. The door of van-2 is left open while
# everybody looks. Parcels stand in the cold room and are delivered before it is heard of again: then they are judged anew.
STORY: Final = (
    Cue(1, Act.OPEN_DOOR, "van-3", "rear"),
    Cue(3, Act.OPEN_DOOR, "van-2", "rear"),
    Cue(9, Act.CUT, "cold-room"),
    Cue(10, Act.BREAK_PROBE, "van-2", "front"),
    Cue(25, Act.SILENCE_PROBE, "van-2", "front"),
    Cue(26, Act.CUT, "van-3"),
    Cue(36, Act.HURRY, "van-1"),
    Cue(44, Act.CLOSE_DOOR, "van-3", "rear"),
    Cue(78, Act.RESUME, "van-3"),
    Cue(85, Act.RESUME, "cold-room"),
    Cue(90, Act.CLOSE_DOOR, "van-2", "rear"),
    Cue(104, Act.POINT_OUT),
)

# Behind the story, for ever: the same again, with outages as long as they are in life.
AGAIN_FROM_S: Final = 150.0
AGAIN_EVERY_S: Final = 360.0
AGAIN: Final = (
    Cue(0, Act.REPLACE_PROBE, "van-2", "front"),
    Cue(10, Act.OPEN_DOOR, "van-3", "rear"),
    Cue(36, Act.BLACK_HOLE, "van-3"),
    Cue(60, Act.CLOSE_DOOR, "van-3", "rear"),
    Cue(70, Act.HURRY, "van-1"),
    Cue(90, Act.CUT, "cold-room"),
    Cue(120, Act.OPEN_DOOR, "van-2", "rear"),
    Cue(170, Act.CLOSE_DOOR, "van-2", "rear"),
    Cue(196, Act.RESUME, "van-3"),
    Cue(210, Act.RESUME, "cold-room"),
    Cue(230, Act.BREAK_PROBE, "van-2", "front"),
    Cue(245, Act.SILENCE_PROBE, "van-2", "front"),
)

# The same story, and with it two outages of van-3 that have time to pile something up, a crash of a device while the network
# is there, one of the hub while it is not. Van-1 is killed: it has everything that can be in the middle of something.
TIMED_S: Final = 60.0
TIMED: Final = (
    Cue(4, Act.CUT, "cold-room"),
    Cue(5, Act.OPEN_DOOR, "van-2", "rear"),
    Cue(6, Act.CUT, "van-3"),
    Cue(10, Act.BREAK_PROBE, "van-2", "front"),
    Cue(12, Act.HURRY, "van-1"),
    Cue(17, Act.RESUME, "van-3"),
    Cue(19, Act.OPEN_DOOR, "van-3", "rear"),
    Cue(24, Act.KILL_AGENT, "van-1"),
    Cue(25, Act.CLOSE_DOOR, "van-2", "rear"),
    Cue(27, Act.SILENCE_PROBE, "van-2", "front"),
    Cue(31, Act.BLACK_HOLE, "van-3"),
    Cue(34, Act.CLOSE_DOOR, "van-3", "rear"),
    Cue(37, Act.KILL_HUB),
    Cue(43, Act.RESUME, "van-3"),
    Cue(44, Act.RESUME, "cold-room"),
    Cue(50, Act.POINT_OUT),
)


def pace_of(seconds: float | None) -> Pace:
    """Return the pace of a timed run, or the calm one; boxes age as fast as their story needs."""
    if seconds is None:
        return CALM
    share = seconds / TIMED_S
    return replace(
        MINUTE,
        time_scale=MINUTE.time_scale / share,
        allowed_s=max(1, round(MINUTE.allowed_s * share)),
        no_data_s=max(SHORTEST_NO_DATA_S, round(MINUTE.no_data_s * share)),
    )


def timed_cues(seconds: float) -> Iterator[Cue]:
    """Yield what happens in a timed run."""
    return (replace(cue, at_s=cue.at_s * seconds / TIMED_S) for cue in TIMED)


def calm_cues() -> Iterator[Cue]:
    """Yield the story, then the same for ever, slower."""
    yield from STORY
    from_s = AGAIN_FROM_S
    while True:
        yield from (cue.later(from_s) for cue in AGAIN)
        from_s += AGAIN_EVERY_S


class Script:
    """Cues by the clock."""

    def __init__(self, cues: Iterator[Cue]) -> None:
        """Take cues in the order of their times."""
        self._cues = cues
        self._next = next(cues, None)

    def due(self, since_s: float) -> Iterator[Cue]:
        """Yield what is to happen now, so many seconds after the start."""
        while self._next is not None and self._next.at_s <= since_s:
            cue, self._next = self._next, next(self._cues, None)
            yield cue


@dataclass(frozen=True, slots=True)
class Minima:
    """What a timed run must show, or it proves too little."""

    scans: int
    readings: int
    proofs: int
    outages: int = MIN_OUTAGES
    agent_kills: int = MIN_KILLS
    hub_kills: int = MIN_KILLS

    @classmethod
    def of(cls, seconds: float) -> "Minima":
        """Return the minima of a run; they do not grow beyond a minute's."""
        minutes = min(1.0, seconds / 60)
        return cls(*(int(most * minutes) for most in (SCANS_PER_MINUTE, READINGS_PER_MINUTE, PROOFS_PER_MINUTE)))
