"""A scan that only repeats is a second fact, kept and shown, and marked as what it is."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from sqlalchemy import Connection, Engine

from contract.event import Decision, Step
from contract.fact import Clock
from hub.timeline import TimeSource
from hub.tracking.api import router
from hub.tracking.custody import CustodyEvent, Deed, EventKind, in_order
from hub.tracking.queries import parcel_events
from hub.tracking.rescans import KINDS_OF_GOODS, RESCAN_MS, rescans
from hub.tracking.stated import CORRECT, correction_subject
from tests.hub.asking import app_of, ask
from tests.hub.folding import T0, Ledger, engine, fold, scan
from tests.hub.web.seeded import MINUTE_MS, NOW_MS, Story, seeded_hub

BEFORE = CustodyEvent(
    fact_id=b"\1",
    kind=EventKind.SCAN,
    deed=Deed.LOADED,
    happened_ms=T0,
    time_source=TimeSource.DEVICE,
    uncertainty_ms=None,
    known_ms=T0,
    device="van-1",
    incarnation=b"i",
    ord=1,
    actor="w.chen",
    place="dock-4",
    code_kind="sscc",
)


def then(n: int = 2, after_ms: int = 4_000, **changes: Any) -> CustodyEvent:
    """The same scan, later."""
    return structs.replace(BEFORE, fact_id=bytes([n]), ord=n, happened_ms=T0 + after_ms, **changes)


@pytest.fixture
def database() -> Iterator[Engine]:
    made = engine()
    yield made
    made.dispose()


@pytest.fixture
def tx(database: Engine) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def marks(tx: Connection, key: str = "P1") -> list[int | None]:
    """For each entry, the place in the chain of the one that it repeats."""
    events = parcel_events(tx, key)
    places = {event.fact_id: n for n, event in enumerate(events)}
    return [None if event.rescan_of is None else places[event.rescan_of] for event in events]


# -- the rule --------------------------------------------------------------------------------------------------------


def test_f002_a_scan_that_says_the_same_again_repeats_the_one_before() -> None:
    assert rescans([BEFORE, then()]) == {b"\2": b"\1"}


def test_f002_each_of_several_repeats_names_the_one_right_before_it() -> None:
    assert rescans([BEFORE, then(2, 4_000), then(3, 8_000)]) == {b"\2": b"\1", b"\3": b"\2"}


@pytest.mark.parametrize(("after_ms", "repeats"), [(0, True), (RESCAN_MS, True), (RESCAN_MS + 1, False)])
def test_f002_a_scan_repeats_only_what_was_said_a_short_while_ago(after_ms: int, repeats: bool) -> None:
    assert bool(rescans([BEFORE, then(after_ms=after_ms)])) is repeats


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "van-2"},
        {"actor": "m.ito"},
        {"place": "dock-5"},
        {"deed": Deed.DEPARTED},
        {"kind": EventKind.PROOF},
        {"time_source": TimeSource.RECEIVED},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_f002_what_says_anything_else_is_no_repeat(changes: dict[str, Any]) -> None:
    assert rescans([BEFORE, then(**changes)]) == {}


@pytest.mark.parametrize(
    "both",
    [
        {"deed": Deed.COUNTED},
        {"kind": EventKind.PROOF},
        {"time_source": TimeSource.RECEIVED},
        *({"code_kind": kind} for kind in sorted(KINDS_OF_GOODS)),
    ],
    ids=lambda both: next(iter(both.values())),
)
def test_f002_what_may_be_another_thing_or_another_hour_is_no_repeat(both: dict[str, Any]) -> None:
    assert rescans([structs.replace(BEFORE, **both), then(**both)]) == {}


@pytest.mark.parametrize(
    "changes",
    [{"incarnation": b"j"}, {"verdict": "duplicate"}, {"lat_e7": 1, "lon_e7": 2}, {"cold_budget_s": 60}],
    ids=lambda changes: next(iter(changes)),
)
def test_f002_what_the_device_adds_by_itself_makes_it_no_other_scan(changes: dict[str, Any]) -> None:
    assert rescans([BEFORE, then(**changes)]) == {b"\2": b"\1"}


@pytest.mark.parametrize(
    "between",
    [
        then(3, 2_000, device="van-2"),
        then(3, 2_000, kind=EventKind.PROOF),
        then(3, 2_000, kind=EventKind.CORRECTION, deed=None, device="hub", targets=(b"\1",)),
    ],
    ids=["other-device", "proof", "correction"],
)
def test_f002_a_scan_repeats_nothing_across_what_was_said_between(between: CustodyEvent) -> None:
    assert rescans([BEFORE, between, then()]) == {}


@given(
    st.lists(
        st.builds(
            lambda n, gap_ms, device, deed: then(n, gap_ms, device=device, deed=deed),
            st.integers(2, 200),
            st.integers(0, 3 * RESCAN_MS),
            st.sampled_from(["van-1", "van-2"]),
            st.sampled_from([Deed.LOADED, Deed.DEPARTED, Deed.COUNTED]),
        ),
        max_size=8,
        unique_by=lambda event: event.fact_id,
    )
)
def test_f002_the_first_to_say_something_is_never_marked(events: Sequence[CustodyEvent]) -> None:
    ordered = sorted([BEFORE, *events], key=in_order)
    marked = rescans(ordered)
    left = [event for event in ordered if event.fact_id not in marked]

    assert ordered[0] is left[0]
    assert {(e.device, e.deed) for e in left} == {(e.device, e.deed) for e in ordered}


# -- from the ledger -------------------------------------------------------------------------------------------------


def test_f002_a_repeat_is_kept_and_counted_as_a_fact_of_its_own(tx: Connection) -> None:
    ledger = Ledger()
    for after_ms in (0, 4_000):
        ledger.add(scan(), at_ms=T0 + after_ms)
    fold(tx, ledger.facts)

    assert marks(tx) == [None, 0]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_f002_marks_are_the_same_in_whatever_order_facts_arrive(tx: Connection, order: Sequence[int]) -> None:
    ledger = Ledger()
    ledger.add(scan())
    ledger.add(scan(), at_ms=T0 + 4_000)
    ledger.add(scan(step=Step.DEPARTED), at_ms=T0 + 8_000)
    for n in order:
        fold(tx, [ledger.facts[n]])

    assert marks(tx) == [None, 0, None]


def test_f002_a_late_fact_of_another_device_between_takes_the_mark_away(tx: Connection) -> None:
    ledger = Ledger()
    for after_ms in (0, 4_000):
        ledger.add(scan(), at_ms=T0 + after_ms)
    fold(tx, ledger.facts)
    ledger.add(scan(step=Step.RECEIVED), at_ms=T0 + 2_000, device="dock-1", received_ms=T0 + 10**7)
    fold(tx, ledger.facts[2:])

    assert marks(tx) == [None, None, None]


def test_f002_a_repeat_stays_marked_when_what_it_repeats_is_corrected_later(tx: Connection) -> None:
    ledger = Ledger()
    first = ledger.add(scan())
    ledger.add(scan(), at_ms=T0 + 4_000)
    subject = correction_subject(None, "P1")
    ledger.add(Decision(CORRECT, (first.fact_id,), "m.ito", "twice", subject), device="hub", at_ms=T0 + 9_000)
    fold(tx, ledger.facts)

    assert marks(tx) == [None, 0, None]


def test_f002_a_scan_after_the_correction_of_the_same_scan_says_it_anew(tx: Connection) -> None:
    ledger = Ledger()
    first = ledger.add(scan())
    subject = correction_subject(None, "P1")
    ledger.add(Decision(CORRECT, (first.fact_id,), "m.ito", "wrong van", subject), device="hub", at_ms=T0 + 2_000)
    ledger.add(scan(), at_ms=T0 + 4_000)
    fold(tx, ledger.facts)

    assert marks(tx) == [None, None, None]


def test_f002_scans_whose_distance_nobody_knows_are_not_marked(tx: Connection) -> None:
    ledger = Ledger()
    for boot in (b"1" * 16, b"2" * 16):
        ledger.add(scan(), at_ms=5, mono_ms=1_000, clock=Clock.FREE, boot=boot, received_ms=T0)
    fold(tx, ledger.facts)

    assert marks(tx) == [None, None]


def test_f002_the_interface_names_the_fact_that_is_repeated_also_from_page_to_page(database: Engine) -> None:
    ledger = Ledger()
    for after_ms in (0, 4_000, 8_000):
        ledger.add(scan(), at_ms=T0 + after_ms)
    with database.begin() as tx:
        fold(tx, ledger.facts)
    client = app_of(router, database, T0)
    pages = [ask(client, f"/api/v1/parcels/P1/events?limit=1&cursor={n}").json()["items"] for n in range(3)]
    one, two, three = (item for items in pages for item in items)

    assert (one["rescan_of"], two["rescan_of"], three["rescan_of"]) == (None, one["fact_id"], two["fact_id"])


@pytest.mark.parametrize(("language", "words"), [("en", "scanned again"), ("zh", "再次扫描")])
def test_f002_the_page_of_a_parcel_says_so_with_a_sign_and_a_word(tmp_path: Path, language: str, words: str) -> None:
    with seeded_hub(tmp_path) as hub:
        with hub.database.write() as tx:
            story = Story()
            for minutes_ago in (9, 8):
                story.scan("P1", at_ms=NOW_MS - minutes_ago * MINUTE_MS)
            story.scan("P1", Step.DEPARTED)
            story.tell(tx)
        page = hub.signed_in().get(f"/tracking/P1?lang={language}", headers={"accept": "text/html"}).text

    first, second, third = page.split('data-kind="scan"')[1:]
    assert f'<span aria-hidden="true">↻</span> {words}</span>' in second
    assert words not in first + third
