"""What a scan means at a stop and while loading: right, again, extra, another stop's, another van's."""

import msgspec
import pytest

from contract.event import Verdict
from contract.route import Task, TaskKind
from mobile_ui.core.day import fold_day
from mobile_ui.core.say import say
from mobile_ui.core.scan_check import Checked, Match, Tone, check_at_stop, check_while_loading, missing
from tests.mobile_ui.kit import parcel, route, stop

DAY = fold_day(route(), [])
FIRST = DAY.stops[0].stop


@pytest.mark.parametrize(
    ("key", "already", "vehicle", "match", "tone"),
    [
        (parcel(1, 0), frozenset(), "van 12", Match.RIGHT, Tone.KEPT),
        (parcel(1, 0), frozenset({parcel(1, 0)}), "", Match.AGAIN, Tone.KEPT),
        (parcel(4, 0), frozenset(), "van 12", Match.WRONG_STOP, Tone.REFUSED),
        ("X", frozenset(), "van 31", Match.OTHER_VAN, Tone.REFUSED),
        ("X", frozenset(), "", Match.EXTRA, Tone.UNEXPECTED),
    ],
)
def test_a_scan_at_a_stop_is_right_or_said_to_be_another_ones(
    key: str, already: frozenset[str], vehicle: str, match: Match, tone: Tone
) -> None:
    checked = check_at_stop(DAY, FIRST, key, already, vehicle)

    assert (checked.match, checked.tone) == (match, tone)


def test_a_wrong_stop_and_a_wrong_van_are_named() -> None:
    other = check_at_stop(DAY, FIRST, parcel(4, 0), frozenset())
    assert other.said == say("Wrong stop: it is for stop {n}, {name}", n=4, name="Pharmacy at the Bund")
    assert check_while_loading(DAY, "X", Verdict.WRONG_ROUTE, "van 31").said == say(
        "Wrong van: it is for {vehicle}", vehicle="van 31"
    )


def test_what_a_task_collects_is_right_at_its_stop() -> None:
    assert check_at_stop(DAY, DAY.stops[2].stop, "RET-1", frozenset(), collects=True).match is Match.RIGHT


@pytest.mark.parametrize(
    ("key", "collects", "said"),
    [
        ("RET-1", False, "This one is picked up. Keep what is handed over first"),
        (parcel(3), True, "This one is handed over. Keep what is picked up first"),
    ],
)
def test_what_is_fetched_is_never_said_to_be_handed_over_nor_the_other_way_round(
    key: str, collects: bool, said: str
) -> None:
    checked = check_at_stop(DAY, DAY.stops[2].stop, key, frozenset(), collects=collects)

    assert checked == Checked(Match.OTHER_WAY, Tone.REFUSED, say(said))


def test_a_parcel_that_came_to_the_stop_after_the_proof_was_begun_is_not_said_to_be_another_stops() -> None:
    begun = msgspec.structs.replace(FIRST, parcels=FIRST.parcels[:1])

    checked = check_at_stop(DAY, begun, parcel(1, 1), frozenset())

    assert checked == Checked(
        Match.LATER, Tone.REFUSED, say("It came to this stop meanwhile. Keep this proof, then begin another")
    )


def test_a_sample_is_handed_out() -> None:
    where = stop(9, tasks=(Task("t", TaskKind.HAND_OUT, "Sample", "SAMPLE-1"),))

    assert check_at_stop(DAY, where, "SAMPLE-1", frozenset()).match is Match.RIGHT


@pytest.mark.parametrize(
    ("key", "verdict", "tone"),
    [
        (parcel(1, 0), Verdict.EXPECTED, Tone.KEPT),
        ("X", Verdict.WRONG_ROUTE, Tone.REFUSED),
        ("X", Verdict.UNEXPECTED, Tone.UNEXPECTED),
        ("X", Verdict.UNKNOWN, Tone.KEPT),
    ],
)
def test_loading_sounds_by_the_agents_verdict(key: str, verdict: Verdict, tone: Tone) -> None:
    assert check_while_loading(DAY, key, verdict, "").tone is tone


def test_missing_is_what_was_not_scanned() -> None:
    assert [p.parcel for p in missing(FIRST, frozenset({parcel(1, 0)}))] == [parcel(1, 1)]
