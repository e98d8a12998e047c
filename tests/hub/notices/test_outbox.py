"""What is told to whom and when, as a pure function."""

from msgspec.structs import replace

from hub.notices.finding import Finding, Kind
from hub.notices.outbox import (
    ENDED_ROUND,
    FRESH_MS,
    Notice,
    State,
    claimed,
    failed,
    letters,
    message_id,
    new_notice,
    plan,
)
from hub.notices.targets import Rules, Target

T0 = 1_780_000_000_000
MINUTE_MS = 60_000
DUTY = Target("duty", "mailto://x")
RULES = Rules()


def finding(key: str = "excursion:a", kind: Kind = Kind.EXCURSION, **more: object) -> Finding:
    told: dict[str, object] = {
        "device": "van-1", "place": "Route 7", "subject": "Van 1 rear", "since_ms": T0 - MINUTE_MS, "known_ms": T0,
        "ended_ms": None, "needs_person": True, "what": "w", "todo": "t", "path": "/p",
    }  # fmt: skip
    return Finding(key, kind, **told | more)  # type: ignore[arg-type]  # by name


class Office:
    """An outbox in memory whose letters all arrive at once."""

    def __init__(self, *targets: Target) -> None:
        self.targets = targets or (DUTY,)
        self.rows: dict[str, Notice] = {}
        self.sent: list[tuple[int, str, int]] = []

    def plan(self, now_ms: int, *found: Finding) -> list[Notice]:
        changed = plan(found, self.rows.values(), self.targets, RULES, now_ms)
        self.rows |= {one.id: one for one in changed}
        return changed

    def tick(self, now_ms: int, *found: Finding) -> list[int]:
        """Plan and send; the rounds that went out."""
        self.plan(now_ms, *found)
        out = [one for one in self.rows.values() if one.state is State.WAITING and one.due_ms <= now_ms]
        self.rows |= {one.id: replace(one, state=State.SENT, sent_ms=now_ms, tries=1) for one in out}
        return [one.round for one in out]


def test_a_finding_is_told_once_then_after_15_min_then_hourly_six_times_in_all() -> None:
    office = Office()
    told = [(minute, office.tick(T0 + minute * MINUTE_MS, finding())) for minute in range(600)]
    assert [(minute, rounds) for minute, rounds in told if rounds] == [
        (0, [0]), (15, [1]), (75, [2]), (135, [3]), (195, [4]), (255, [5]), (315, [6]),
    ]  # fmt: skip


def test_an_acknowledgement_stops_reminders_and_the_end_is_told_once() -> None:
    office = Office()
    assert office.tick(T0, finding()) == [0]
    assert office.tick(T0 + 20 * MINUTE_MS, finding(needs_person=False)) == []
    assert office.tick(T0 + 90 * MINUTE_MS, finding(needs_person=False)) == []
    assert office.tick(T0 + 91 * MINUTE_MS) == [ENDED_ROUND]
    assert office.tick(T0 + 92 * MINUTE_MS) == []


def test_an_excursion_that_ended_unacknowledged_is_told_as_ended_and_still_reminded_of() -> None:
    office = Office()
    over = finding(ended_ms=T0 + MINUTE_MS)
    assert office.tick(T0, finding()) == [0]
    assert office.tick(T0 + 2 * MINUTE_MS, over) == [ENDED_ROUND]
    assert office.tick(T0 + 16 * MINUTE_MS, over) == [1]
    assert office.tick(T0 + 17 * MINUTE_MS) == []


def test_what_was_over_when_it_became_known_is_told_once_without_an_end() -> None:
    office = Office()
    over = finding(ended_ms=T0 - 1)
    assert office.tick(T0, over) == [0]
    assert office.tick(T0 + MINUTE_MS, replace(over, needs_person=False)) == []
    assert office.tick(T0 + 2 * MINUTE_MS) == []


def test_a_silence_that_ends_before_it_was_told_is_told_to_nobody_an_excursion_is() -> None:
    office = Office()
    silence = finding("silence:van-1", Kind.SILENCE)
    office.plan(T0, silence, finding())
    back = replace(silence, ended_ms=T0 + 1, needs_person=False)
    assert office.tick(T0 + 1, back, finding(ended_ms=T0 + 1)) == [0]
    assert [one.state for one in office.rows.values() if one.kind is Kind.SILENCE] == [State.DROPPED]


def test_what_is_acknowledged_or_withdrawn_before_it_was_told_is_told_to_nobody() -> None:
    office = Office()
    office.plan(T0, finding(), finding("excursion:b"))
    over = finding("excursion:b", ended_ms=T0 + 1, needs_person=False)
    assert office.tick(T0 + 1, finding(needs_person=False), over) == []
    assert office.tick(T0 + 2) == []


def test_what_grows_beyond_an_acknowledgement_that_came_before_it_was_told_is_told() -> None:
    office = Office()
    office.plan(T0, finding())
    assert office.tick(T0 + 1, finding(needs_person=False)) == []
    assert office.tick(T0 + 2, finding()) == [0]
    assert office.tick(T0 + 3, finding()) == []


def test_a_reminder_that_an_acknowledgement_stopped_goes_out_when_more_comes() -> None:
    office = Office()
    office.tick(T0, finding())
    office.plan(T0 + 15 * MINUTE_MS, finding())
    assert office.tick(T0 + 16 * MINUTE_MS, finding(needs_person=False)) == []
    assert office.tick(T0 + 17 * MINUTE_MS, finding()) == [1]
    assert office.tick(T0 + 18 * MINUTE_MS, finding()) == []


def test_a_clock_that_is_set_back_puts_no_reminder_off() -> None:
    office = Office()
    fresh = finding(known_ms=T0, since_ms=T0 - 30 * 60 * MINUTE_MS)
    assert office.tick(T0, fresh) == [0]
    assert office.tick(T0 - 24 * 60 * MINUTE_MS, fresh) == [1]
    assert office.tick(T0 - 24 * 60 * MINUTE_MS + MINUTE_MS, fresh) == []


def test_a_gap_is_told_where_the_loss_of_its_sensor_was_not() -> None:
    office = Office()
    lost = finding("lost:s", Kind.NO_DATA, since_ms=T0 - 10 * MINUTE_MS)
    gap = finding("excursion:g", Kind.NO_DATA, since_ms=T0 - 10 * MINUTE_MS, ended_ms=T0 + 1, seen_as="lost:s")
    office.plan(T0, lost)
    assert office.tick(T0 + 1, gap, replace(lost, ended_ms=T0 + 1, needs_person=False)) == [0]


def test_a_device_that_is_silent_again_is_told_of_again() -> None:
    office = Office()
    silence = finding("silence:van-1", Kind.SILENCE)
    for start in (0, 60, 120):
        assert office.tick(T0 + start * MINUTE_MS, silence) == [0]
        assert office.tick(T0 + (start + 5) * MINUTE_MS) == [ENDED_ROUND]
        assert office.tick(T0 + (start + 6) * MINUTE_MS) == []
    assert len(office.rows) == 6


def test_nobody_is_woken_for_what_is_long_known() -> None:
    assert Office().tick(T0, finding(known_ms=T0 - FRESH_MS)) == []


def test_a_gap_that_was_told_while_it_lasted_is_not_told_again_when_it_is_judged() -> None:
    office = Office()
    lost = finding("lost:s", Kind.NO_DATA, since_ms=T0 - 10 * MINUTE_MS)
    gap = finding("excursion:g", Kind.NO_DATA, since_ms=T0 - 10 * MINUTE_MS, ended_ms=T0 + 1, seen_as="lost:s")
    assert office.tick(T0, lost) == [0]
    assert office.tick(T0 + MINUTE_MS, gap) == [ENDED_ROUND]
    assert office.tick(T0 + 2 * MINUTE_MS, gap) == []
    assert Office().tick(T0, gap) == [0]


def test_targets_hear_of_their_kinds_and_places_only() -> None:
    cold = Target("cold", "mailto://x", kinds=(Kind.EXCURSION,))
    dock = Target("dock", "mailto://x", places=("Dock 4",))
    office = Office(DUTY, cold, dock)
    office.tick(T0, finding(), finding("silence:van-2", Kind.SILENCE, place="Dock 4"))
    told = {(one.target, one.finding) for one in office.rows.values()}
    assert told == {
        ("duty", "excursion:a"), ("duty", "silence:van-2"), ("cold", "excursion:a"), ("dock", "silence:van-2"),
    }  # fmt: skip


def test_the_same_telling_has_the_same_id_in_a_restored_hub() -> None:
    first, again = Office(), Office()
    first.tick(T0, finding())
    again.tick(T0 + 5 * MINUTE_MS, finding())
    assert list(first.rows) == list(again.rows)


def waiting(n: int, kind: Kind = Kind.EXCURSION, number: int = 0) -> Notice:
    return new_notice(f"{kind}:{n}", 0, "duty", number, kind=kind, now_ms=T0)


def test_few_are_told_one_by_one_and_many_in_one_message_excursions_first() -> None:
    few = [waiting(n, Kind.SILENCE) for n in range(3)]
    many = [waiting(n) for n in range(40)]
    parcels = letters([*few, *many, waiting(1, number=ENDED_ROUND)])
    assert [len(letter) for letter in parcels] == [40, 1, 1, 1, 1]
    assert parcels[-1][0].round == ENDED_ROUND


def test_what_surely_did_not_arrive_goes_with_others_next_time() -> None:
    tried = [failed(claimed([waiting(n)], T0), "away", may_have_arrived=False)[0] for n in range(5)]
    (letter,) = letters(tried)
    assert len(letter) == 5
    assert not any(one.told for one in tried)
    assert failed(claimed([waiting(9)], T0), "broke off", may_have_arrived=True)[0].told
    assert claimed([*letter, waiting(9)], T0)[0].due_ms == T0 + 30_000


def test_a_message_keeps_its_content_and_its_id_over_tries() -> None:
    tried = claimed([waiting(n) for n in range(5)], T0)
    again = claimed(tried, T0 + 60_000)
    assert letters([*tried, waiting(9)])[0] == sorted(tried, key=lambda one: one.id)
    assert {one.message for one in tried} == {one.message for one in again}
    assert [(one.tries, one.due_ms - T0) for one in (tried[0], again[0])] == [(1, 30_000), (2, 120_000)]
    assert claimed([waiting(1)], T0)[0].message == waiting(1).id
    assert message_id(waiting(1).id) == f"<{waiting(1).id}@holdfast.invalid>"
