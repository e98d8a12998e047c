"""The device's clocks: raw values, steps, and which of the hub's times are worth stating."""

import pytest

from agent.clock import DeviceClock, SystemTime, read_boot_id
from contract.event import ClockFix, ClockStep
from contract.fact import Clock
from tests.agent.store.kit import BOOT, EPOCH_MS, VirtualTime

YEAR_MS = 365 * 24 * 3_600_000


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
def clock(time: VirtualTime) -> DeviceClock:
    return DeviceClock(BOOT, time)


def fix(uncertainty_ms: int, *, mono_ms: int = 0, hub_ms: int = EPOCH_MS) -> ClockFix:
    return ClockFix(BOOT, mono_ms, hub_ms, uncertainty_ms)


def test_stamp_says_whether_the_wall_clock_is_known_to_be_right(clock: DeviceClock, time: VirtualTime) -> None:
    assert clock.stamp().clock is Clock.SYNCED
    time.is_synced = False
    assert clock.stamp().clock is Clock.FREE


@pytest.mark.parametrize("by_ms", [-3_000, 3_000, 3_600_000, 10 * YEAR_MS])
def test_p8_f090_f091_step_of_the_wall_clock_is_told_once(clock: DeviceClock, time: VirtualTime, by_ms: int) -> None:
    before = clock.stamp()
    time.elapsed_ms += 5_000
    time.epoch_ms += by_ms

    assert clock.step() == ClockStep(by_ms, -by_ms)
    assert clock.step() is None
    after = clock.stamp()
    assert after.at_ms - before.at_ms == 5_000 + by_ms
    assert after.mono_ms - before.mono_ms == 5_000


def test_slewing_is_no_step(clock: DeviceClock, time: VirtualTime) -> None:
    time.elapsed_ms += 3_600_000
    time.epoch_ms += 1_800

    assert clock.step() is None


def test_f090_a_clock_before_1970_steps_once_and_not_for_ever(clock: DeviceClock, time: VirtualTime) -> None:
    time.epoch_ms -= 60 * YEAR_MS
    assert clock.step() == ClockStep(-60 * YEAR_MS, 60 * YEAR_MS)
    time.elapsed_ms += 10_000

    assert clock.step() is None


def unsynced(time: VirtualTime) -> DeviceClock:
    time.is_synced = False
    return DeviceClock(BOOT, time)


@pytest.mark.parametrize("by_ms", [54 * YEAR_MS, -3_600_000])
def test_f091_a_clock_that_knew_no_right_time_is_behind_nothing(time: VirtualTime, by_ms: int) -> None:
    clock = unsynced(time)
    time.epoch_ms += by_ms
    time.is_synced = True

    assert clock.step() == ClockStep(by_ms, None)


def test_f091_a_clock_that_runs_on_unsynchronised_does_not_become_right(time: VirtualTime) -> None:
    clock = unsynced(time)
    assert clock.step() is None
    time.epoch_ms -= 3_600_000

    assert clock.step() == ClockStep(-3_600_000, None)


def test_f091_the_right_time_is_known_on_after_network_time_is_gone(time: VirtualTime) -> None:
    clock = unsynced(time)
    time.is_synced = True
    assert clock.step() is None
    time.is_synced = False
    time.elapsed_ms += 3_600_000
    time.epoch_ms += 60_000
    assert clock.step() == ClockStep(60_000, -60_000)
    time.epoch_ms -= 660_000

    assert clock.step() == ClockStep(-660_000, 600_000)


def test_f091_a_step_of_a_clock_that_stays_synchronised_is_measured_by_how_it_was_before(
    clock: DeviceClock, time: VirtualTime
) -> None:
    time.epoch_ms -= 3_600_000

    assert clock.step() == ClockStep(-3_600_000, 3_600_000)


def test_f091_the_hubs_clock_is_a_right_time_too_less_what_it_is_vague_by(time: VirtualTime) -> None:
    clock = unsynced(time)
    clock.adopt(fix(400, mono_ms=0))
    time.epoch_ms -= 3_600_000

    assert clock.step() == ClockStep(-3_600_000, 3_600_000 - 400)


def test_f091_a_clock_set_to_what_the_hub_says_is_not_behind(clock: DeviceClock, time: VirtualTime) -> None:
    clock.adopt(fix(0, mono_ms=0, hub_ms=EPOCH_MS - 90_000))
    time.epoch_ms -= 90_000

    assert clock.step() == ClockStep(-90_000, 0)


@pytest.mark.parametrize(("wall_ms", "stamped_ms"), [(-5_000, 0), (10**15, 253_402_300_799_999)])
def test_f090_wall_clock_beyond_all_years_is_stamped_as_the_nearest_end(
    clock: DeviceClock, time: VirtualTime, wall_ms: int, stamped_ms: int
) -> None:
    time.epoch_ms = wall_ms - time.elapsed_ms

    assert clock.stamp().at_ms == stamped_ms


def test_first_fix_of_a_boot_is_worth_stating(clock: DeviceClock) -> None:
    assert clock.is_better(fix(30_000))


@pytest.mark.parametrize(
    ("before_ms", "after_ms", "better"),
    [(400, 399, False), (400, 350, True), (20, 10, True), (20, 11, False), (400, 15_000, False), (0, 0, False)],
)
def test_f093_later_fix_must_be_usefully_narrower(
    clock: DeviceClock, before_ms: int, after_ms: int, better: bool
) -> None:
    clock.adopt(fix(before_ms))

    assert clock.is_better(fix(after_ms)) is better


def test_f092_fix_that_contradicts_the_last_one_is_stated(clock: DeviceClock) -> None:
    clock.adopt(fix(100))

    assert clock.is_better(fix(200, hub_ms=EPOCH_MS + 10_000))
    assert not clock.is_better(fix(200, hub_ms=EPOCH_MS + 200))


def test_machine_tells_its_time() -> None:
    system = SystemTime()

    assert system.wall_ms() > EPOCH_MS
    assert system.mono_ms() > 0
    assert system.synced() in (True, False)
    assert len(read_boot_id()) == 16
