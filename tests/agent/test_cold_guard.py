"""The cold guard on a real store: what is stated, what survives, and what never counts."""

import msgspec
import pytest

from agent.capture import Capture
from agent.cold_guard import WRITE_MS
from agent.drivers.frames import Code, Sample
from agent.guard import SHELF, NoGuard
from agent.inbox import StoredDocument
from agent.judged import unpack_judged
from agent.outbox import Outbox
from agent.parts import build_guard
from agent.store.errors import Cause, NotKept
from contract.coldchain.profile import Limit, Profile, Side
from contract.event import Damage, Lane, Phase, Quantity, Readings, Scan
from contract.local import ColdState
from tests.agent.cold_kit import FRIDGE, Guarded, document
from tests.agent.store.kit import EPOCH_MS, SENSOR, Bench, details, events

HUMIDITY = "van-1.probe.humidity"


@pytest.fixture
def guarded(bench: Bench) -> Guarded:
    return Guarded(bench, assigned=document())


# -- alarms ------------------------------------------------------------------------------------------------------------


def test_alarm_is_raised_when_the_allowed_time_is_used_and_ended_under_the_same_id(guarded: Guarded) -> None:
    for value in (500, *[900] * 61, 850, 500):
        guarded.read(value)

    raised, ended = guarded.alarms()
    assert (raised.limit, raised.sensor, raised.phase, raised.extreme) == ("warm", SENSOR, Phase.RAISED, 900)
    assert (ended.alarm, ended.phase, ended.started_at_ms) == (raised.alarm, Phase.ENDED, raised.started_at_ms)
    assert raised.started_at_ms == EPOCH_MS + 1_000 + 20_000
    assert guarded.told == [raised, ended]


def test_alarm_stands_with_the_reading_that_raised_it_in_one_transaction(guarded: Guarded) -> None:
    guarded.read(500)
    guarded.read(1_600)

    assert guarded.phases() == [("hot", Phase.RAISED)]
    (block,) = events(guarded.outbox, Lane.TELEMETRY)
    assert isinstance(block, Readings)
    assert block.count == 2


def test_reading_that_could_not_be_kept_was_never_judged(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise NotKept(Cause.FULL, "Not kept: full.")

    guarded.read(500)
    before = guarded.guard.told()
    with monkeypatch.context() as patch:
        patch.setattr(guarded.outbox, "append", refuse)
        patch.setattr(guarded.outbox, "add_readings", refuse)
        guarded.read(1_600, after_s=0)
        assert guarded.guard.told() == before
        assert guarded.told == []

    guarded.read(1_700)
    (alarm,) = guarded.alarms()
    assert (alarm.extreme, alarm.started_at_ms) == (1_700, guarded.bench.time.wall_ms())


def test_fault_of_the_judge_does_not_cost_the_reading(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("agent.cold_guard.take", fail)
    guarded.read(500)

    assert guarded.outbox.summary().unsealed == 1
    assert "not_judged" in capsys.readouterr().err


def test_silent_sensor_is_an_alarm_that_its_next_value_ends(guarded: Guarded) -> None:
    guarded.read(500)
    guarded.bench.time.elapsed_ms += 300_000
    guarded.guard.look()
    assert guarded.alarms() == []
    guarded.bench.time.elapsed_ms += 1_000
    guarded.guard.look()
    guarded.guard.look()
    assert guarded.guard.told()[0].state is ColdState.NO_DATA
    guarded.read(None)
    assert len(guarded.alarms()) == 1
    guarded.read(500)

    raised, ended = guarded.alarms()
    assert (raised.limit, raised.phase, raised.started_at_ms) == ("no data", Phase.RAISED, EPOCH_MS + 11_000)
    assert (ended.alarm, ended.phase) == (raised.alarm, Phase.ENDED)
    assert guarded.guard.told()[0].state is ColdState.INSIDE


def test_sensor_of_an_agent_that_just_started_has_time_to_be_heard(guarded: Guarded) -> None:
    guarded.read(500)
    guarded.bench.close()
    guarded.bench.time.elapsed_ms += 8 * 3_600_000
    again = Guarded(guarded.bench)

    again.guard.look()
    assert again.alarms() == []
    again.bench.time.elapsed_ms += 301_000
    again.guard.look()
    assert again.phases() == [("no data", Phase.RAISED)]


def test_sensor_without_a_profile_is_kept_and_not_judged(guarded: Guarded) -> None:
    guarded.capture.sample("other", Sample("air", Quantity.TEMPERATURE_C, 4_000))
    guarded.capture.sample("probe", Sample("humidity", Quantity.HUMIDITY_RH, 9_900))

    assert guarded.alarms() == []
    assert [one.sensor for one in guarded.guard.told()] == [SENSOR]
    assert guarded.outbox.summary().unsealed == 2


def test_device_without_profiles_has_no_guard(bench: Bench, outbox: Outbox) -> None:
    assert isinstance(build_guard(outbox, bench.clock, None), NoGuard)


# -- documents ---------------------------------------------------------------------------------------------------------


def test_new_profile_ends_the_alarms_of_the_old_one_and_begins_with_whole_budgets(guarded: Guarded) -> None:
    guarded.read(500)
    guarded.read(1_600)
    stricter = msgspec.structs.replace(FRIDGE, name="stricter", limits=(Limit("any", Side.ABOVE, 600, allowed_s=30),))
    guarded.guard.arrived(document(stricter, version=2))

    raised, ended = guarded.alarms()
    assert (ended.alarm, ended.phase, ended.why, ended.extreme) == (raised.alarm, Phase.ENDED, "profile changed", 1_600)
    (told,) = guarded.guard.told()
    assert (told.profile, told.alarms, told.budgets[0].used_ms) == ("stricter", (), 0)
    for _ in range(5):
        guarded.read(1_600)
    assert guarded.phases()[2:] == [("any", Phase.RAISED)]


def test_newer_document_stands_where_an_older_one_still_waited_for_room(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise NotKept(Cause.FULL, "Not kept: full.")

    with monkeypatch.context() as patch:
        patch.setattr(guarded.outbox, "append", refuse)
        guarded.guard.arrived(document(Profile("second", (Limit("any", Side.ABOVE, 600),)), version=2))
    guarded.guard.arrived(document(Profile("third", (Limit("any", Side.ABOVE, 700),)), version=3))
    guarded.guard.look()

    assert guarded.guard.told()[0].profile == "third"


def test_changed_profile_is_judged_from_its_beginning_too(guarded: Guarded) -> None:
    for value in [500, *[900] * 31]:
        guarded.read(value)
    narrower = msgspec.structs.replace(FRIDGE, limits=(Limit("warm", Side.ABOVE, 800, allowed_s=240),))
    guarded.guard.arrived(document(narrower, version=2))

    assert guarded.phases() == [("warm", Phase.RAISED)]
    assert guarded.guard.told()[0].budgets[0].used_ms == 300_000


def test_document_that_says_the_same_again_changes_nothing(guarded: Guarded) -> None:
    guarded.read(1_600)
    guarded.guard.arrived(document(version=2, sensors=(SENSOR, HUMIDITY)))
    guarded.read(1_700)

    assert guarded.phases() == [("hot", Phase.RAISED)]


def test_sensor_that_is_no_longer_named_is_no_longer_judged(guarded: Guarded) -> None:
    guarded.read(1_600)
    guarded.guard.arrived(document(version=2, sensors=()))
    guarded.read(1_700)

    assert [(alarm.phase, alarm.why) for alarm in guarded.alarms()] == [
        (Phase.RAISED, ""),
        (Phase.ENDED, "no longer judged"),
    ]
    assert guarded.guard.told() == ()
    assert guarded.outbox.shelf.names(SHELF) == []


@pytest.mark.parametrize("data", [b"", b"\xc1", b"\x81\xa7sensors\x81\xa1s\x01"])
def test_malformed_document_is_refused_and_the_profiles_before_stay_over_a_restart(
    guarded: Guarded, data: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    guarded.read(500)
    malformed = StoredDocument(2, data)
    guarded.guard.arrived(malformed)
    guarded.bench.close()
    again = Guarded(guarded.bench, assigned=malformed)
    again.read(1_600)

    (detail,) = details(again.outbox)
    assert isinstance(detail, Damage)
    assert detail.kind == "document_refused"
    assert detail.detail.startswith("coldchain 2: not a cold-chain document")
    assert again.phases() == [("hot", Phase.RAISED)]
    assert capsys.readouterr().err.count("document_refused") == 2


def test_document_for_which_there_was_no_room_is_taken_up_later(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_more: object) -> None:
        raise NotKept(Cause.FULL, "Not kept: full.")

    stricter = Profile("stricter", (Limit("any", Side.ABOVE, 600),))
    with monkeypatch.context() as patch:
        patch.setattr(guarded.outbox, "append", refuse)
        guarded.guard.arrived(document(stricter, version=2))
        assert guarded.guard.told()[0].profile == "fridge"

    guarded.guard.look()
    assert guarded.guard.told()[0].profile == "stricter"


def test_profile_that_begins_later_is_not_judged_before(bench: Bench) -> None:
    guarded = Guarded(bench, assigned=document(from_ms=EPOCH_MS + 60_000))
    guarded.read(1_600)
    guarded.read(1_600, after_s=60)

    (alarm,) = guarded.alarms()
    assert alarm.started_at_ms == bench.time.wall_ms()


def test_device_that_cannot_know_the_time_judges_at_once(bench: Bench) -> None:
    bench.time.epoch_ms = 0
    bench.time.is_synced = False
    guarded = Guarded(bench, assigned=document(from_ms=EPOCH_MS))
    guarded.read(1_600)

    assert guarded.phases() == [("hot", Phase.RAISED)]


# -- restarts ----------------------------------------------------------------------------------------------------------


def test_accumulators_survive_the_end_of_the_agent(guarded: Guarded) -> None:
    for value in [900] * 55:
        guarded.read(value)
    used_ms = guarded.guard.told()[0].budgets[0].used_ms
    guarded.bench.close()
    again = Guarded(guarded.bench)

    assert used_ms == 540_000
    assert again.guard.told()[0].budgets[0].used_ms == used_ms
    for value in [900] * 7:
        again.read(value)
    assert again.phases() == [("warm", Phase.RAISED)]


def test_what_was_kept_behind_the_last_writing_is_judged_again_sealed_or_not(guarded: Guarded) -> None:
    guarded.read(900)
    for value in (910, 1_400):
        guarded.read(value, after_s=5)
    guarded.outbox.seal_due(in_contact=True, seal_ms=0)
    guarded.read(920, after_s=5)
    body = guarded.outbox.shelf.get(SHELF, SENSOR)
    written = unpack_judged(body or b"")
    assert written is not None
    assert written.course.readings == 1, "what follows is behind the last writing"
    guarded.bench.close()
    again = Guarded(guarded.bench)

    assert again.guard.told() == guarded.guard.told()
    again.read(500)
    for _ in range(7):
        again.read(500)
    body = again.outbox.shelf.get(SHELF, SENSOR)
    written = unpack_judged(body or b"")
    assert written is not None
    assert (written.course.readings, written.course.high) == (11, 1_400)


def test_open_alarm_survives_and_ends_under_its_id_in_another_boot(guarded: Guarded) -> None:
    guarded.read(1_600)
    guarded.bench.close()
    guarded.bench.reboot()
    again = Guarded(guarded.bench)
    assert again.guard.sounding()
    again.read(500, after_s=60)

    raised, ended = again.alarms()
    assert ended.alarm == raised.alarm
    assert (ended.phase, ended.extreme) == (Phase.ENDED, 1_600)


def test_quiet_readings_are_written_down_once_a_minute(guarded: Guarded, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    put = guarded.outbox.shelf.put

    def noted(kind: str, name: str, body: bytes) -> None:
        written.append(name)
        put(kind, name, body)

    monkeypatch.setattr(guarded.outbox.shelf, "put", noted)
    for _ in range(19):
        guarded.read(500)

    assert WRITE_MS == 60_000
    assert written == [SENSOR] * 4


def test_judgement_that_cannot_be_read_begins_anew(guarded: Guarded, capsys: pytest.CaptureFixture[str]) -> None:
    guarded.read(900)
    guarded.outbox.shelf.put(SHELF, SENSOR, b"\x91\x01")
    guarded.bench.close()
    again = Guarded(guarded.bench, assigned=document())

    assert "judgement_unreadable" in capsys.readouterr().err
    assert again.guard.told()[0].budgets[0].used_ms == 0


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step_s", [-86_400, -90, 90, 86_400])
def test_f091_step_of_the_wall_clock_neither_fakes_nor_hides_an_excursion(guarded: Guarded, step_s: int) -> None:
    for value in [900] * 31:
        guarded.read(value)
    guarded.bench.time.epoch_ms += step_s * 1000
    guarded.outbox.maintain()
    for value in [900] * 29:
        guarded.read(value)
    guarded.guard.look()
    assert guarded.alarms() == []
    guarded.read(900)
    guarded.read(900)

    (alarm,) = guarded.alarms()
    assert alarm.limit == "warm"
    # Dated by the clock that its fact carries: it began 610 s ago.
    assert alarm.started_at_ms == guarded.bench.time.wall_ms() - 610_000


@pytest.mark.parametrize("wall_ms", [0, EPOCH_MS - 86_400_000, 253_402_300_799_999])
def test_f090_reboot_with_a_wrong_clock_goes_on_with_what_was_used(guarded: Guarded, wall_ms: int) -> None:
    for value in [900] * 40:
        guarded.read(value)
    guarded.bench.close()
    guarded.bench.reboot()
    guarded.bench.time.epoch_ms = wall_ms
    guarded.bench.time.is_synced = False
    again = Guarded(guarded.bench)
    for value in [900] * 10:
        again.read(value)

    used_ms = again.guard.told()[0].budgets[0].used_ms
    # The boot took a second more where the clock does not show it; a clock that shows years shows a gap.
    assert used_ms in (390_000 + 101_000, 390_000 + 90_000)
    assert again.alarms() == []


def test_f091_clock_that_was_set_long_before_a_reboot_fakes_no_gap(guarded: Guarded) -> None:
    for value in [900] * 25:
        guarded.read(value)
    guarded.bench.time.epoch_ms += 86_400_000
    for value in [900] * 26:
        guarded.read(value)
    guarded.bench.close()
    guarded.bench.reboot()
    again = Guarded(guarded.bench)
    again.read(900)

    assert again.guard.told()[0].budgets[0].used_ms == 500_000 + 1_000 + 10_000


# -- people ------------------------------------------------------------------------------------------------------------


def test_acknowledged_alarm_stops_sounding_also_over_a_restart(guarded: Guarded) -> None:
    guarded.read(1_600)
    (alarm,) = guarded.alarms()
    guarded.guard.acknowledge(alarm.alarm, lambda beside: beside())
    assert not guarded.guard.sounding()
    guarded.bench.close()
    again = Guarded(guarded.bench)

    assert not again.guard.sounding()
    (open_alarm,) = again.guard.told()[0].alarms
    assert open_alarm.acknowledged
    again.read(500)
    assert again.phases() == [("hot", Phase.RAISED), ("hot", Phase.ENDED)]


def test_acknowledgement_that_was_not_kept_goes_on_sounding(guarded: Guarded) -> None:
    def refuse(_beside: object) -> None:
        raise NotKept(Cause.FULL, "Not kept: full.")

    guarded.read(1_600)
    with pytest.raises(NotKept):
        guarded.guard.acknowledge(guarded.alarms()[0].alarm, refuse)

    assert guarded.guard.sounding()


def test_scan_carries_the_smallest_budget_left(guarded: Guarded) -> None:
    guarded.read(500)
    guarded.capture.code("gun", Code(b"box 1"))
    for value in [900] * 16:
        guarded.read(value)
    guarded.bench.time.elapsed_ms += 4_000
    guarded.capture.code("gun", Code(b"box 2"))
    guarded.read(100)
    guarded.read(100)
    guarded.capture.code("gun", Code(b"box 3"))
    guarded.read(1_600)
    guarded.read(1_600)
    guarded.capture.code("gun", Code(b"box 4"))

    scans = [event for event in events(guarded.outbox) if isinstance(event, Scan)]
    assert [scan.cold_budget_s for scan in scans] == [120, 120, 110, 0]


def test_scan_of_a_device_without_profiles_carries_no_budget(bench: Bench, outbox: Outbox) -> None:
    Capture(outbox, bench.clock).code("gun", Code(b"box 1"))

    (scan,) = events(outbox)
    assert isinstance(scan, Scan)
    assert scan.cold_budget_s is None


def test_thinning_keeps_crossings_of_the_profiles_limits(guarded: Guarded) -> None:
    assert list(guarded.outbox.limits(SENSOR)) == [800, 1_500, 200]
    assert list(guarded.outbox.limits("other")) != []
