"""Where a parcel is, from its events in any order."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.timeline import TimeSource
from hub.tracking.custody import STATUS_OF, CustodyEvent, Deed, EventKind, ParcelStatus, fold_parcel

SCAN, PROOF, CORRECTION = EventKind


def event(n: int, deed: Deed | None, kind: EventKind = SCAN, at: int | None = None, **more: object) -> CustodyEvent:
    return CustodyEvent(
        fact_id=bytes([n]),
        kind=kind,
        deed=deed,
        happened_ms=n * 1_000 if at is None else at,
        time_source=TimeSource.DEVICE,
        uncertainty_ms=None,
        known_ms=n * 1_000,
        device="van-1",
        incarnation=b"i",
        ord=n,
        **more,  # type: ignore[arg-type]  # the fields a test is about
    )


def step_of(*events: CustodyEvent) -> Deed | None:
    step = fold_parcel(events).step
    return step.deed if step else None


def test_the_latest_step_holds_whatever_came_first() -> None:
    assert step_of(event(3, Deed.DEPARTED), event(1, Deed.RECEIVED), event(2, Deed.LOADED)) is Deed.DEPARTED


def test_a_late_loaded_does_not_undo_delivered() -> None:
    state = fold_parcel([event(2, Deed.DELIVERED), event(1, Deed.LOADED)])

    assert (state.status, state.ignored) == (ParcelStatus.DELIVERED, ())


def test_f090_loaded_by_a_clock_ahead_does_not_undo_delivered_and_is_shown() -> None:
    state = fold_parcel([event(1, Deed.LOADED, at=9_000), event(2, Deed.DELIVERED)])

    assert (state.status, state.ignored) == (ParcelStatus.DELIVERED, (b"\1",))


@pytest.mark.parametrize("deed", sorted(set(Deed) - {Deed.COUNTED, Deed.DELIVERED}))
def test_only_returned_and_received_undo_delivered(deed: Deed) -> None:
    undone = step_of(event(1, Deed.DELIVERED), event(2, deed)) is not Deed.DELIVERED

    assert undone == (deed in {Deed.RETURNED, Deed.RECEIVED})


def test_counted_says_where_it_was_seen_and_changes_nothing() -> None:
    state = fold_parcel([event(1, Deed.RECEIVED), event(2, Deed.COUNTED, place="aisle-7")])

    assert (state.step and state.step.deed, state.seen.place) == (Deed.RECEIVED, "aisle-7")


def test_only_counted_is_known() -> None:
    assert fold_parcel([event(1, Deed.COUNTED)]).status is ParcelStatus.KNOWN


def test_the_scan_dates_a_delivery_and_its_proof_names_the_recipient() -> None:
    state = fold_parcel([event(1, Deed.DELIVERED), event(2, Deed.DELIVERED, PROOF, recipient="A. Bauer")])

    assert (state.step and state.step.happened_ms, state.recipient, state.ignored) == (1_000, "A. Bauer", ())


def test_a_parcel_that_came_back_has_no_recipient() -> None:
    state = fold_parcel([event(1, Deed.DELIVERED, PROOF, recipient="A. Bauer"), event(2, Deed.RETURNED)])

    assert (state.status, state.recipient) == (ParcelStatus.RETURNED, "")


def test_f121_a_correction_takes_back_a_delivery_even_one_dated_later() -> None:
    delivered = event(2, Deed.DELIVERED, at=99_000)
    correction = event(3, None, CORRECTION, targets=(b"\2",))
    state = fold_parcel([event(1, Deed.LOADED), delivered, correction])

    assert (state.step and state.step.deed, state.corrected) == (Deed.LOADED, {b"\2": b"\3"})
    assert (state.events, state.corrections) == (2, 1)


def test_f121_a_correction_can_say_what_holds_instead() -> None:
    correction = event(3, Deed.RETURNED, CORRECTION, targets=(b"\2",))

    assert step_of(event(1, Deed.LOADED), event(2, Deed.DELIVERED), correction) is Deed.RETURNED


def test_a_parcel_whose_every_event_was_corrected_is_still_known() -> None:
    state = fold_parcel([event(1, Deed.LOADED), event(2, None, CORRECTION, targets=(b"\1",))])

    assert (state.status, state.step, state.seen.fact_id) == (ParcelStatus.KNOWN, None, b"\1")


def test_nothing_is_no_parcel() -> None:
    with pytest.raises(ValueError, match="at least one scan or proof"):
        fold_parcel([event(1, None, CORRECTION, targets=(b"\7",))])


def test_every_deed_but_counted_has_a_status() -> None:
    assert set(STATUS_OF) == set(Deed) - {Deed.COUNTED}


@st.composite
def chains(draw: st.DrawFn) -> list[CustodyEvent]:
    deeds = draw(st.lists(st.sampled_from(Deed), min_size=1, max_size=6))
    events = [event(n, deed, at=draw(st.integers(0, 4))) for n, deed in enumerate(deeds, 1)]
    for n in draw(st.lists(st.integers(50, 52), unique=True, max_size=2)):
        targets = tuple(draw(st.lists(st.sampled_from([e.fact_id for e in events]), unique=True, max_size=2)))
        events.append(
            event(n, draw(st.sampled_from([None, *Deed])), CORRECTION, draw(st.integers(0, 4)), targets=targets)
        )
    return events


@given(chains(), st.randoms())
def test_p8_a_chain_folds_the_same_in_any_order(events: Sequence[CustodyEvent], random: st.DrawFn) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)

    assert fold_parcel(shuffled) == fold_parcel(events)
