"""Blocks that come in any order, twice, and dated anew by a clock fix, end in the same excursions, after each of them."""

import random
from collections.abc import Iterator

import pytest
from msgspec import Struct

from contract.coldchain.checkpoints import HOUR_MS, History, judge_again, last_before, run_on
from contract.coldchain.engine import advance, begin, conclude
from contract.coldchain.findings import Judgement
from contract.coldchain.hold import Reading
from contract.coldchain.profile import Limit, Profile, Rule, Side
from tests.contract.coldchain.brute_force import MINUTE_MS, judge_by_the_minute

PROFILES = (
    Profile(
        "single and cumulative",
        (
            Limit("above 8", Side.ABOVE, 800, Rule.SINGLE, 900),
            Limit("below 2", Side.BELOW, 200, Rule.CUMULATIVE, 1_200, inclusive=True),
            Limit("above 20", Side.ABOVE, 2_000),
        ),
        no_data_s=900,
    ),
    Profile(
        "dual",
        (
            Limit("above 8", Side.ABOVE, 800, Rule.DUAL, 1_500, inclusive=True),
            Limit("below 2", Side.BELOW, 200, Rule.DUAL, 1_500),
        ),
        ignore_first_s=600,
        no_data_s=600,
    ),
)


class Block(Struct, frozen=True):
    """Some readings of one boot, by its own clock, in minutes."""

    nr: int
    boot: int
    values: dict[int, int | None]


class Fix(Struct, frozen=True):
    """The clock of this boot is wrong by so much; the better one counts, whichever came first."""

    boot: int
    add: int
    better: int


class Trip(Struct, frozen=True):
    """What a sensor says in a few hours, over two boots."""

    profile: Profile
    said: tuple[Block | Fix, ...]
    hours: int


def trip(rng: random.Random, hours: int) -> Trip:
    """A walk through the limits, cut into blocks at chance, with a block twice in other words and a clock that jumps."""
    temperature, minute, boot = 500, 0, 0
    said: list[Block | Fix] = []
    values: dict[int, int | None] = {}
    reboot = rng.randrange(10, hours * 60)
    clock = rng.choice([0, 0, 7, -12])
    while minute < hours * 60:
        temperature += rng.choice([-400, -400, -100, 0, 100, 400, 400])
        temperature = min(max(temperature, -100), 2_100)
        values[minute] = None if rng.random() < 0.06 else temperature
        minute += rng.choice([5, 5, 5, 5, 10, 15, 40])
        step = boot == 0 and minute > reboot
        if values and (step or rng.random() < 0.25):
            said.append(Block(len(said), boot, values))
            values = {}
        if step:
            # The next boot begins with a wrong clock until a fix comes.
            boot, minute = 1, minute + clock
    said.append(Block(len(said), boot, values))
    said += [Fix(1, -clock, 1), Fix(0, rng.choice([0, 3]), 1), Fix(1, -clock + 1, 0)]
    # One block again with gaps in it, as thinning leaves it, and one more time the same.
    again = rng.choice([block for block in said if isinstance(block, Block) and block.values])
    said.append(Block(len(said), again.boot, dict(list(again.values.items())[::2])))
    said.append(again)
    return Trip(rng.choice(PROFILES), tuple(said), hours)


def stand(said: Iterator[Block | Fix]) -> dict[int, int | None]:
    """What holds at each minute once this has been said, in any order; of two blocks the first holds."""
    heard = list(said)
    fixes: dict[int, Fix] = {}
    for fix in heard:
        if isinstance(fix, Fix) and (fix.boot not in fixes or fixes[fix.boot].better < fix.better):
            fixes[fix.boot] = fix
    holds: dict[int, int | None] = {}
    for block in sorted((b for b in heard if isinstance(b, Block)), key=lambda b: b.nr):
        add = fixes[block.boot].add if block.boot in fixes else 0
        for minute, value in block.values.items():
            if minute + add >= 0:
                holds.setdefault(minute + add, value)
    return holds


class Sensor:
    """Keeps what was said and judges again from the oldest change on, as a hub does."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._said: list[Block | Fix] = []
        self._holds: dict[int, int | None] = {}
        self.history = History(begin(profile, 0))

    def hear(self, said: Block | Fix) -> None:
        self._said.append(said)
        before, self._holds = self._holds, stand(iter(self._said))
        nothing = object()
        changed = [
            minute
            for minute in before.keys() | self._holds.keys()
            if before.get(minute, nothing) != self._holds.get(minute, nothing)
        ]
        if changed:
            self.history = judge_again(self._profile, self.history, min(changed) * MINUTE_MS, self._readings)
        times = [course.at_ms for course in self.history.checkpoints]
        assert times == sorted(set(times))

    def _readings(self, from_ms: int) -> Iterator[Reading]:
        for minute in sorted(self._holds):
            if minute * MINUTE_MS >= from_ms:
                yield minute * MINUTE_MS, self._holds[minute]

    def judgement(self, to_minute: int) -> Judgement:
        return conclude(self._profile, self.history.course, self.history.found, to_minute * MINUTE_MS)


def check_permutations(seed: int, trips: int, orders: int) -> int:
    """Hear trips in many orders; compare after every prefix. Returns how many excursions there were to get wrong."""
    rng = random.Random(seed)
    excursions = 0
    for _ in range(trips):
        told = trip(rng, hours=4)
        to = told.hours * 60 + 60
        # What holds depends on what was said, never on the order; the slow judge need look only once at each.
        known: dict[frozenset[tuple[int, int | None]], Judgement] = {}
        for _ in range(orders):
            order = list(range(len(told.said)))
            rng.shuffle(order)
            order.insert(rng.randrange(len(order)), rng.choice(order))
            sensor = Sensor(told.profile)
            for heard in range(1, len(order) + 1):
                sensor.hear(told.said[order[heard - 1]])
                holds = sensor._holds
                key = frozenset(holds.items())
                if key not in known:
                    known[key] = judge_by_the_minute(told.profile, holds, 0, to)
                assert sensor.judgement(to) == known[key], (seed, told, order[:heard])
        excursions += max(len(judgement.excursions) for judgement in known.values())
    return excursions


def test_any_order_gives_the_same_excursions_after_every_prefix() -> None:
    assert check_permutations(seed=1, trips=10, orders=20) > 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_ten_thousand_orders_give_the_same_excursions_after_every_prefix(seed: int) -> None:
    assert check_permutations(seed, trips=10, orders=100) > 20


def minutes(values: dict[int, int | None]) -> list[Reading]:
    return [(minute * MINUTE_MS, value) for minute, value in sorted(values.items())]


def test_late_reading_is_judged_from_the_checkpoint_before_it_and_no_further_back() -> None:
    profile = PROFILES[0]
    readings = minutes(dict.fromkeys(range(0, 600, 5), 500))
    history = judge_again(profile, History(begin(profile, 0)), 0, lambda from_ms: iter(readings))
    asked = []

    def asking(from_ms: int) -> Iterator[Reading]:
        asked.append(from_ms)
        yield from (reading for reading in readings if reading[0] >= from_ms)

    judge_again(profile, history, 432 * MINUTE_MS, asking)

    assert asked == [415 * MINUTE_MS + 1]
    assert [course.at_ms % HOUR_MS for course in history.checkpoints] == [55 * MINUTE_MS] * 9


def test_readings_in_order_cost_no_judging_again() -> None:
    profile = PROFILES[0]
    history = History(begin(profile, 0))
    asked = []
    for minute in range(0, 300, 5):

        def asking(from_ms: int, at: int = minute * MINUTE_MS) -> Iterator[Reading]:
            asked.append(from_ms)
            yield at, 900

        history = judge_again(profile, history, minute * MINUTE_MS, asking)

    assert asked == [0, *(minute * MINUTE_MS + 1 for minute in range(0, 295, 5))]
    run = run_on(profile, begin(profile, 0), minutes(dict.fromkeys(range(0, 300, 5), 900)))
    assert history == History(run.course, run.checkpoints, run.found)


def test_reading_older_than_every_checkpoint_is_judged_from_the_beginning() -> None:
    profile = PROFILES[0]
    course, _ = advance(profile, begin(profile, 0), 60 * MINUTE_MS, 500)

    assert last_before([course], 60 * MINUTE_MS) is None
    assert last_before([course], 60 * MINUTE_MS + 1) is course
