"""The whole way from what is wrong to a mail, against a real SMTP server."""

from pathlib import Path

import pytest

from contract.delivery.hub_actions import IncidentKind
from firmware_sim.processes import free_port
from hub.errors import CommitFailed, Refused
from hub.fleet.freshness import SILENT_AFTER_MS
from hub.notices import store
from hub.notices.administration import administer_notices, target_views
from hub.notices.channel import NotDelivered, deliver
from hub.notices.letter import Text
from hub.notices.outbox import State
from hub.notices.targets import Target, add_target
from hub.requests import ReleaseNotices, SendTestNotice
from tests.hub.notices.mailroom import MailRoom, opened
from tests.hub.notices.office import STARTED_MS, Office
from tests.hub.web.seeded import HOUR_MS, MINUTE_MS, NOW_MS, SeededHub, add_device, add_incident


def test_a_new_excursion_is_told_once_with_what_where_since_value_limit_what_to_do_and_a_link(office: Office) -> None:
    office.excursion()
    for _ in range(3):
        office.tick()
    assert office.room.titles == ["▲ Van 1 rear (Route 7): above 8.0 °C for longer than is allowed; furthest 9.1 °C"]
    assert office.room.came[0].get_content().splitlines() == [
        "Van 1 rear (Route 7): above 8.0 °C for longer than is allowed; furthest 9.1 °C",
        "since 2026-05-28 19:46 UTC",
        "",
        "What to do: Check door and cooling, then acknowledge it with a reason",
        "http://hub.example/excursions/e1",
    ]


def test_it_is_told_again_until_somebody_acknowledges_and_its_end_is_told(office: Office) -> None:
    office.excursion()
    office.tick()
    office.tick(14)
    assert len(office.room.came) == 1
    office.tick(2)
    assert office.room.titles[1].startswith("Reminder 1: ▲ Van 1 rear")
    office.change(ack_who="m", ack_why="door closed", ack_ms=office.hub.clock.ms, ack_covers=1)
    for _ in range(4):
        office.tick(60)
    assert len(office.room.came) == 2
    office.change(ended_ms=office.hub.clock.ms)
    office.tick()
    office.tick()
    assert [title.partition(":")[0] for title in office.room.titles[2:]] == ["Ended"]
    assert len(set(office.room.ids)) == 3


def test_a_restart_sends_nothing_twice(office: Office) -> None:
    office.excursion()
    office.tick()
    office.restart(STARTED_MS)
    office.tick(1)
    assert len(office.room.came) == 1


def test_a_hub_that_died_between_sending_and_noting_it_repeats_the_same_message(office: Office) -> None:
    office.excursion()

    def send_and_die(url: str, text: Text, message_id: str) -> str:
        deliver(url, text, message_id)
        raise CommitFailed("the power went")

    office.noticer._deliver = send_and_die
    office.tick()
    office.restart(STARTED_MS)
    office.tick()
    assert len(office.room.came) == 1
    office.tick(1)
    assert office.room.ids[0] == office.room.ids[1]
    office.tick(1)
    assert len(office.room.came) == 2


def test_a_server_that_is_away_gets_the_message_when_it_is_back(hub: SeededHub) -> None:
    room = MailRoom(free_port())
    add_target(hub.database.folder, Target("duty", room.url))
    with hub.database.write() as tx:
        add_device(tx, "van-1")
    office = Office(hub, room)
    office.excursion()
    for _ in range(3):
        office.tick(2)
    with hub.database.read() as reader:
        (notice,) = store.latest_notices(reader, 10)
        (view,) = target_views(reader, hub.database)
    assert (notice.state, notice.tries) == (State.WAITING, 3)
    assert view.error == notice.error == "the mail server cannot be reached: Connection refused"
    with opened(room):
        office.tick(5)
    assert len(room.came) == 1
    with hub.database.read() as reader:
        assert target_views(reader, hub.database)[0].error == ""


def test_a_server_that_refuses_is_asked_again_ever_more_seldom(office: Office) -> None:
    office.excursion()
    office.room.refuses = "451 come back later"
    tries = []
    for _ in range(60):
        office.tick(1)
        with office.hub.database.read() as reader:
            tries.append(store.latest_notices(reader, 1)[0].tries)
    assert tries[0] == 1
    assert 5 <= tries[-1] <= 7
    office.room.refuses = ""
    office.tick(30)
    assert office.room.titles[0].startswith("▲ Van 1 rear")


def test_a_slow_server_keeps_no_other_target_waiting(office: Office, tmp_path: Path) -> None:
    other = MailRoom(free_port())
    add_target(office.hub.database.folder, Target("second", other.url))
    office.room.slow_s = 2.0
    office.excursion()
    with opened(other):
        office.noticer.look()
        office.noticer.send(wait_s=0.5)
        assert len(other.came) == 1
        assert office.room.came == []
        busy = office.noticer._busy["duty"]
        # A slow target is not tried a second time meanwhile.
        office.hub.clock.ms += HOUR_MS
        office.noticer.send(wait_s=0.1)
        assert office.noticer._busy["duty"] is busy
        busy.join(20)
    assert len(office.room.came) == 1


def test_40_sensors_of_one_outage_are_one_message(office: Office) -> None:
    for n in range(40):
        office.excursion(f"van-1.zone{n:02d}.temperature_c", f"e{n:02d}")
    office.tick()
    assert office.room.titles == ["▲ 40 sensors outside their limits"]
    body = office.room.came[0].get_content()
    assert body.count("above 8.0 °C") == 20
    assert "and 20 more" in body
    assert "http://hub.example/excursions" in body


def test_what_comes_in_a_flood_is_gathered(office: Office) -> None:
    for n in range(12):
        office.excursion(f"van-1.zone{n:02d}.temperature_c", f"e{n:02d}")
        office.tick(0.1)
    assert len(office.room.came) == 5
    office.tick(6)
    assert office.room.titles[5:] == ["▲ 7 sensors outside their limits"]


def test_a_silent_device_is_told_after_a_while_and_again_when_it_is_back(office: Office) -> None:
    office.contact("van-1", NOW_MS - 14 * MINUTE_MS)
    office.tick(silent=True)
    assert office.room.came == []
    office.tick(2, silent=True)
    assert office.room.titles == ["? van-1 (Route 7): no contact; readings are kept on the device"]
    office.tick(1)
    assert office.room.titles[1] == "Ended: ? van-1 (Route 7): no contact; readings are kept on the device"


def test_a_hub_that_was_down_takes_nobody_for_silent_before_it_has_listened(office: Office) -> None:
    office.hub.clock.ms += 10 * HOUR_MS
    office.restart()
    office.tick(2, silent=True)
    assert office.room.came == []


def test_incidents_that_need_somebody_are_told_in_the_language_of_the_target(hub: SeededHub) -> None:
    room = MailRoom(free_port())
    add_target(hub.database.folder, Target("duty", room.url, language="zh"))
    with hub.database.write() as tx:
        add_incident(tx, IncidentKind.FORK.value, "van-1")
        add_incident(tx, IncidentKind.GAP.value, "van-1")
    with opened(room):
        Office(hub, room).tick()
    assert room.titles == ["◆ van-1: 出现两种说法：存在此设备的副本；双方记录均已保存"]


def test_a_hub_that_was_set_back_holds_notices_until_a_person_releases_them(office: Office) -> None:
    with office.hub.database.write() as tx:
        add_incident(tx, IncidentKind.HUB_REGRESSED.value, "van-1", last_ms=NOW_MS - MINUTE_MS)
    office.excursion()
    office.tick()
    assert office.room.came == []
    administer_notices(office.hub.database, ReleaseNotices(), office.hub.clock.ms)
    office.tick()
    assert len(office.room.came) == 2


def test_held_notices_go_out_by_themselves_after_half_an_hour(office: Office) -> None:
    with office.hub.database.write() as tx:
        add_incident(tx, IncidentKind.HUB_REGRESSED.value, "van-1", last_ms=NOW_MS)
    office.tick()
    assert office.room.came == []
    office.tick(31)
    assert office.room.titles[0].startswith("◆ van-1: remembers more than this hub")


def test_a_hub_that_has_just_started_waits_for_the_hellos_of_its_devices(office: Office) -> None:
    office.excursion()
    office.restart()
    office.tick(1)
    assert office.room.came == []
    office.tick(SILENT_AFTER_MS / MINUTE_MS)
    assert len(office.room.came) == 1


def test_a_test_goes_out_at_once_and_is_audited(office: Office) -> None:
    office.restart()
    administer_notices(office.hub.database, SendTestNotice("duty", "m.mayer", "new phone"), office.hub.clock.ms)
    office.tick()
    office.tick()
    assert office.room.titles == ["Test of Holdfast's notices"]
    with pytest.raises(Refused, match="no target 'nobody'"):
        administer_notices(office.hub.database, SendTestNotice("nobody"), office.hub.clock.ms)


def test_what_waits_for_a_target_that_was_taken_away_is_dropped(office: Office) -> None:
    office.excursion()
    office.noticer.look()
    (office.hub.database.folder / "notices.toml").unlink()
    office.noticer.send()
    with office.hub.database.read() as reader:
        assert [one.state for one in store.latest_notices(reader, 10)] == [State.DROPPED]


def test_a_service_that_is_no_mail_tells_why_it_did_not_take_a_message() -> None:
    port = free_port()
    with pytest.raises(NotDelivered) as failed:
        deliver(f"json://user:s3cret@127.0.0.1:{port}/hook", Text("t", "b"), "<x@y>")
    assert "s3cret" not in str(failed.value)
    assert str(failed.value)
