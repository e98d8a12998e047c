"""What goes wrong on the way: servers, restarts, clocks and names. Nothing is told twice, or that is not so."""

from contextlib import ExitStack
from time import monotonic

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from firmware_sim.processes import free_port
from hub.coldchain.tables import excursion
from hub.notices import finding
from hub.notices.administration import target_views
from hub.notices.channel import NotDelivered, deliver
from hub.notices.letter import Text
from hub.notices.outbox import State
from hub.notices.targets import Target, add_target, remove_target
from hub.tables import device
from tests.hub.notices.mailroom import MailRoom, opened
from tests.hub.notices.office import Office
from tests.hub.web.seeded import HOUR_MS, MINUTE_MS, NOW_MS, SeededHub, Story, add_device

SENSOR = "van-1.rear.temperature_c"
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def away(hub: SeededHub) -> Office:
    """An office whose mail server is not there yet."""
    room = MailRoom(free_port())
    add_target(hub.database.folder, Target("duty", room.url))
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7")
    return Office(hub, room)


# -- servers -----------------------------------------------------------------------------------------------------------


def test_a_receiver_that_is_refused_does_not_make_the_others_get_it_again(office: Office) -> None:
    remove_target(office.hub.database.folder, "duty")
    url = office.room.url_to("duty@example.com", "gone@example.com")
    add_target(office.hub.database.folder, Target("duty", url))
    office.room.nobody = "gone@example.com"
    office.excursion()
    for _ in range(5):
        office.tick(2)
    assert len(office.room.came) == 1
    with office.hub.database.read() as reader:
        assert (
            target_views(reader, office.hub.database)[0].error
            == "the mail server refused 1 of 2 receivers: 550 no such user"
        )
    office.room.nobody = ""
    office.tick(10)
    with office.hub.database.read() as reader:
        assert target_views(reader, office.hub.database)[0].error == ""


def test_a_server_that_takes_its_leave_oddly_has_taken_the_message_all_the_same(office: Office) -> None:
    office.room.leave = "421 too busy to say bye"
    office.excursion()
    for _ in range(5):
        office.tick(2)
    assert len(office.room.came) == 1


def test_a_server_that_breaks_off_may_have_taken_it_and_gets_the_same_message_again(office: Office) -> None:
    office.room.cuts_off = True
    office.excursion()
    office.tick()
    assert "broke off" in office.notices()[0].error
    office.room.cuts_off = False
    office.tick(2)
    assert office.room.ids[0] == office.room.ids[1]
    assert len(office.room.came) == 2


def test_what_came_while_the_server_was_away_is_one_message_when_it_is_back(away: Office) -> None:
    for n in range(20):
        away.excursion(f"van-1.zone{n:02d}.temperature_c", f"e{n:02d}")
        away.tick(1)
    with opened(away.room):
        away.tick(30)
        away.tick(1)
    assert away.room.titles == ["▲ 20 sensors outside their limits"]


def test_a_silence_that_is_over_when_the_server_is_back_is_told_to_nobody(away: Office) -> None:
    away.contact("van-1", NOW_MS - 20 * MINUTE_MS)
    away.tick(silent=True)
    assert [one.tries for one in away.notices()] == [1]
    with opened(away.room):
        for _ in range(5):
            away.tick(5)
    assert away.room.came == []


def test_a_reminder_that_waited_while_somebody_acknowledged_is_not_sent(office: Office) -> None:
    office.excursion()
    office.tick()
    office.change(ended_ms=office.hub.clock.ms)
    office.tick(1)
    assert len(office.room.came) == 2
    office.room.refuses = "451 come back later"
    office.tick(16)
    assert [one.round for one in office.notices() if one.state is State.WAITING] == [1]
    office.acknowledge()
    office.room.refuses = ""
    for _ in range(3):
        office.tick(5)
    assert len(office.room.came) == 2


def test_slow_servers_do_not_add_up(office: Office) -> None:
    office.room.slow_s = 2.0
    others = [MailRoom(free_port()) for _ in range(4)]
    with ExitStack() as stack:
        for n, room in enumerate(others):
            room.slow_s = 2.0
            add_target(office.hub.database.folder, Target(f"other-{n}", room.url))
            stack.enter_context(opened(room))
        office.excursion()
        office.noticer.look()
        began_s = monotonic()
        office.noticer.send(wait_s=0.5)
        assert monotonic() - began_s < 1.5
        for thread in office.noticer._busy.values():
            thread.join(20)
    assert [len(room.came) for room in [office.room, *others]] == [1] * 5


def test_a_service_that_fails_in_a_way_of_its_own_tells_no_secret_and_stops_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def burst(*_: object, **__: object) -> bool:
        raise ZeroDivisionError("while posting to s3cret")

    monkeypatch.setattr("apprise.plugins.custom_json.NotifyJSON.notify", burst)
    with pytest.raises(NotDelivered) as failed:
        deliver("json://user:s3cret@127.0.0.1/hook", Text("t", "b"), "<x@y>")
    assert str(failed.value) == "ZeroDivisionError: while posting to …"


def test_a_server_that_wants_no_unknown_certificate_gets_no_mail_in_the_clear(office: Office) -> None:
    url = office.room.url.replace("mode=insecure", "mode=starttls")
    with pytest.raises(NotDelivered):
        deliver(url, Text("t", "b"), "<x@y>")
    assert office.room.came == []


# -- restarts, and findings that are out of sight --------------------------------------------------------------------------


def test_a_silence_that_lasts_over_a_restart_is_not_told_as_ended(office: Office) -> None:
    office.contact("van-1", NOW_MS - 2 * HOUR_MS)
    office.tick(silent=True)
    office.restart()
    for _ in range(10):
        office.tick(1, silent=True)
    assert [title.partition(" ")[0] for title in office.room.titles] == ["?"]
    office.tick(20, silent=True)
    assert office.room.titles[1].startswith("Reminder 1: ? van-1")


def test_what_more_findings_push_out_of_sight_is_not_told_as_ended(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "MAX_READ", 2)
    for n in range(4):
        office.excursion(f"van-1.zone{n}.temperature_c", f"e{n}")
        with office.hub.database.write() as tx:
            tx.execute(update(excursion).where(excursion.c.id == f"e{n}").values(started_ms=NOW_MS + n))
        office.tick(0.2)
    assert len(office.room.titles) == 4
    assert not any(title.startswith("Ended") for title in office.room.titles)


def test_a_lost_sensor_of_a_device_that_then_falls_silent_is_not_told_as_found(office: Office) -> None:
    story = Story()
    story.readings(SENSOR, (500,) * 4, at_ms=NOW_MS - HOUR_MS)
    with office.hub.database.write() as tx:
        story.tell(tx)
    office.tick()
    assert office.room.titles == [
        "? Van 1 rear (Route 7): sensor lost: its device is in contact but has no readings of it"
    ]
    office.tick(10, silent=True)
    assert len(office.room.titles) == 1
    story.readings(SENSOR, (500,) * 4, at_ms=office.hub.clock.ms)
    with office.hub.database.write() as tx:
        story.tell(tx)
    office.tick(1)
    assert office.room.titles[1].startswith("Ended: ? Van 1 rear")


def test_nobody_is_woken_for_a_sensor_that_was_lost_long_ago(office: Office) -> None:
    story = Story()
    story.readings(SENSOR, (500,) * 4, at_ms=NOW_MS - 3 * DAY_MS)
    with office.hub.database.write() as tx:
        story.tell(tx)
    office.tick()
    assert office.room.came == []


def test_a_silent_device_that_is_revoked_is_reminded_of_no_more(office: Office) -> None:
    office.contact("van-1", NOW_MS - 20 * MINUTE_MS)
    office.tick(silent=True)
    with office.hub.database.write() as tx:
        tx.execute(update(device).values(revoked_ms=office.hub.clock.ms))
    for _ in range(4):
        office.tick(60, silent=True)
    assert [title.partition(":")[0] for title in office.room.titles] == [
        "? van-1 (Route 7)", "Ended"
    ]  # fmt: skip


def test_an_excursion_that_was_withdrawn_is_told_as_that_to_those_who_heard_of_it(office: Office) -> None:
    office.excursion()
    office.tick()
    office.excursion("van-1.front.temperature_c", "e2")
    office.noticer.look()
    office.change(withdrawn=1, changed_ms=NOW_MS + 1)
    office.tick(1)
    office.tick(1)
    assert office.room.titles[1:] == [
        "Ended: ▲ Van 1 rear (Route 7): withdrawn: what came later shows that it never was"
    ]


def test_a_target_whose_address_was_put_right_hears_what_it_missed(away: Office) -> None:
    folder = away.hub.database.folder
    away.excursion()
    away.tick()
    remove_target(folder, "duty")
    away.tick(1)
    away.tick(1)
    right = MailRoom(free_port())
    add_target(folder, Target("duty", right.url))
    with opened(right):
        for _ in range(3):
            away.tick(1)
    assert [title[0] for title in right.titles] == ["▲"]


# -- clocks ------------------------------------------------------------------------------------------------------------


def test_a_clock_that_is_set_back_by_a_day_silences_nobody(office: Office) -> None:
    for n in range(8):
        office.excursion(f"van-1.zone{n}.temperature_c", f"e{n}")
        office.tick(0.1)
    sent = len(office.room.came)
    office.room.refuses = "451 come back later"
    office.excursion("van-1.dock.temperature_c", "late")
    office.tick(6)
    office.room.refuses = ""
    office.hub.clock.ms -= DAY_MS
    office.excursion(SENSOR, "new")
    for _ in range(4):
        office.tick(1)
    waiting = [one for one in office.notices() if one.state is State.WAITING]
    assert len(office.room.came) > sent
    assert waiting == []


def test_what_is_long_over_is_forgotten_but_no_message_id_is_given_again(office: Office) -> None:
    office.excursion()
    office.tick()
    office.change(ended_ms=office.hub.clock.ms, ack_who="m", ack_why="w", ack_ms=office.hub.clock.ms, ack_covers=1)
    office.tick()
    for _ in range(3):
        office.tick(20, silent=True)
        office.tick(1)
    told = len(office.notices())
    assert told == 2 + 3 * 2
    office.tick(30 * DAY_MS / MINUTE_MS)
    office.tick(1)
    assert {(one.finding, one.occurrence) for one in office.notices()} == {("silence:van-1", 2)}
    office.tick(20, silent=True)
    assert len(set(office.room.ids)) == len(office.room.ids) == told + 1


# -- names -------------------------------------------------------------------------------------------------------------


def test_a_break_in_a_name_neither_stops_a_message_nor_begins_a_header(hub: SeededHub) -> None:
    room = MailRoom(free_port())
    add_target(hub.database.folder, Target("duty", room.url))
    with hub.database.write() as tx:
        add_device(tx, "van-1", place="Route 7\r\nBcc: thief@example.com")
    with opened(room):
        office = Office(hub, room)
        office.excursion("van-1.rear\nX-Evil: 1\x85.temperature_c")
        office.tick()
    (mail,) = room.came
    assert "X-Evil" not in mail
    assert "Bcc" not in mail
    assert mail["subject"].startswith("▲ Van 1 rear X-Evil: 1 (Route 7 Bcc: thief@example.com): above 8.0")


def test_an_address_that_no_header_can_hold_is_said_and_stops_nobody() -> None:
    url = f"mailto://127.0.0.1:{free_port()}?from=h%C3%BCb@example.com&to=duty@example.com&mode=insecure"
    with pytest.raises(NotDelivered):
        deliver(url, Text("t", "b"), "<x@y>")


def test_a_finding_that_cannot_be_put_in_words_keeps_no_other_from_being_told(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = finding._excursion

    def unspeakable(view: object, places: object) -> finding.Finding:
        found = written(view, places)  # type: ignore[arg-type]  # as it is called
        if found.key == "excursion:bad":
            # Far beyond the year 9999.
            return replace(found, since_ms=10**17)
        return found

    monkeypatch.setattr(finding, "_excursion", unspeakable)
    office.excursion("van-1.aft.temperature_c", "bad")
    office.excursion(SENSOR, "e1")
    for _ in range(3):
        office.tick(0.1)
    assert [title[:12] for title in office.room.titles] == ["▲ Van 1 rear"]
