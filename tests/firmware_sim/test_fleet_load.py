from hypothesis import given
from hypothesis import strategies as st

from contract.columns import unpack_readings
from contract.event import Event, Readings, Scan
from contract.limits import MAX_BLOCK_READINGS
from firmware_sim.fleet.load import Diary, Load

START_MS = 1_780_000_000_000
HOUR_MS = 3_600_000


def diary(load: Load, number: int = 0, seed: int = 1) -> Diary:
    return Diary("sim-1", number, load, seed=seed, start_ms=START_MS)


def taken(book: Diary, until_ms: int, *, in_contact: bool) -> list[tuple[int, Event]]:
    return list(book.take(START_MS + until_ms, in_contact=in_contact))


def reading_times(events: list[tuple[int, Event]]) -> list[int]:
    blocks = [event for _, event in events if isinstance(event, Readings)]
    return [
        block.base_at_ms + reading.offset_ms
        for block in blocks
        for reading in unpack_readings(block.columns, block.count, block.interval_ms)
    ]


def test_the_same_seed_tells_the_same_story() -> None:
    load = Load(scans_per_min=10, readings_s=5)

    first, again, other = (taken(diary(load, seed=s), HOUR_MS, in_contact=False) for s in (1, 1, 2))

    assert first == again
    assert first != other


def test_scans_come_at_about_the_rate_and_name_parcels_that_no_other_device_has() -> None:
    load = Load(scans_per_min=10)
    stories = [[e for _, e in taken(diary(load, number), HOUR_MS, in_contact=True)] for number in range(5)]
    codes = [event.code for story in stories for event in story if isinstance(event, Scan)]

    assert len(set(codes)) == len(codes) == sum(map(len, stories))
    assert 2500 < len(codes) < 3500


def test_without_contact_only_full_blocks_are_sealed() -> None:
    blocks = [event for _, event in taken(diary(Load(readings_s=1)), HOUR_MS, in_contact=False)]

    assert {block.count for block in blocks if isinstance(block, Readings)} == {MAX_BLOCK_READINGS}


def test_in_contact_a_block_is_sealed_when_its_time_has_come() -> None:
    book = diary(Load(readings_s=10, seal_s=60))
    events: list[tuple[int, Event]] = []
    while (due_ms := book.due_ms(in_contact=True)) is not None and due_ms < START_MS + HOUR_MS:
        events += book.take(due_ms, in_contact=True)

    assert 50 <= len(events) <= 52
    assert {event.count for _, event in events if isinstance(event, Readings)} == {7}
    assert all(at_ms - e.base_at_ms == 60_000 for at_ms, e in events if isinstance(e, Readings))


@given(st.lists(st.tuples(st.integers(1, 1_000_000), st.booleans()), min_size=1, max_size=10))
def test_no_reading_is_missing_or_twice_however_contact_comes_and_goes(spans: list[tuple[int, bool]]) -> None:
    book = diary(Load(scans_per_min=0.5, readings_s=5, seal_s=30))
    events: list[tuple[int, Event]] = []
    now_ms = 0
    for span_ms, in_contact in spans:
        now_ms += span_ms
        events += taken(book, now_ms, in_contact=in_contact)

    times = reading_times(events)
    assert times == list(range(times[0], times[-1] + 1, 5000)) if times else True
    assert all(at_ms <= START_MS + now_ms for at_ms in [*times, *(at for at, _ in events)])
    due_ms = book.due_ms(in_contact=spans[-1][1])
    assert due_ms is not None
    assert due_ms > START_MS + now_ms


def test_a_device_without_load_has_nothing_to_do() -> None:
    assert diary(Load()).due_ms(in_contact=True) is None
