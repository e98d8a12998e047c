"""Pages of the cold chain, as the hub answers them."""

import re
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert

from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from hub.coldchain.decisions import ACKNOWLEDGE, Described
from hub.coldchain.tables import excursion
from tests.hub.web.cold import REAR, described, judged, warm_now, was_warm
from tests.hub.web.seeded import HOUR_MS, MINUTE_MS, NOW_MS, SeededHub, Story, add_device, add_incident

HTML = {"accept": "text/html"}
PAGE = "/temperature/van-1%2Erear%2Etemperature_c"


def text(html: str) -> str:
    """What a reader reads."""
    main = html.split("<main")[1].split("</main>", maxsplit=1)[0]
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", main).replace("\u00a0", " ").replace("&nbsp;", " "))
    return re.sub(r" ([,;)])", r"\1", words)


def rows(html: str) -> list[str]:
    """Each finding or row."""
    return [
        text(f"<main>{part}</main>")
        for part in re.findall(r"<li data-key.*?</li>|<tr data-key.*?</tr>", html, re.DOTALL)
    ]


def get(hub: SeededHub, path: str, role: Role = Role.OPERATOR) -> str:
    answer = hub.signed_in(role).get(path, headers=HTML)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_load_that_is_too_warm_now_is_told_in_a_sentence_a_layman_understands(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        warm_now(tx, 41)
        story = Story()
        for n in range(34):
            story.scan(f"P{n}", at_ms=NOW_MS - HOUR_MS)
        story.tell(tx)
    (finding,) = rows(get(hub, "/"))
    assert "Van 1 rear 9.1 °C, limit 8.0 °C, for 40 min; highest 9.1 °C; 34 parcels;" in finding
    assert "the 30 min allowed are used up" in finding
    assert "Acknowledge" in finding


def test_what_is_warming_up_says_how_much_time_is_left_and_comes_behind_an_alarm(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        warm_now(tx, 41)
        warm_now(tx, 12, sensor="van-2.rear.temperature_c")
        add_device(tx, "van-3", contact_ms=NOW_MS - HOUR_MS)
        add_incident(tx, "gap", "van-1")
        add_incident(tx, "fork", "van-2")
        was_warm(tx, 50, sensor="van-4.rear.temperature_c")
    subjects = re.findall(r"<b>(.*?)</b>", get(hub, "/"))
    assert [s for s in subjects if s.lower().startswith("van")] == [
        "Van 1 rear",
        "Van 2 rear",
        "van-3",
        "van-2",
        "van-1",
        "Van 4 rear",
    ]
    assert "budget left: 18 min" in rows(get(hub, "/"))[1]


def test_what_was_too_warm_unseen_is_told_with_both_times_until_somebody_acknowledges_it(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        was_warm(tx, 50, late_ms=3 * HOUR_MS)
    found = rows(get(hub, "/"))
    assert len(found) == 1, found
    finding = found[0]
    assert "was above the limit 8.0 °C" in finding
    assert "(50 min, highest 9.1 °C)" in finding
    assert "known" in finding
    assert "Acknowledge" in finding
    assert "Acknowledge" not in " ".join(rows(get(hub, "/", Role.VIEWER)))


def test_an_acknowledged_alarm_that_lasts_stays_and_says_who_has_it(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        warm_now(tx, 41)
        row = tx.execute(excursion.select()).one()
        seen = {"sensor": row.sensor, "limit": row.limit_name, "from_ms": row.started_ms, "extreme": row.extreme}
        story = Story()
        story.decide(ACKNOWLEDGE, row.id, msgspec.json.encode(seen).decode(), at_ms=NOW_MS, why="driver <b>called</b>")
        story.tell(tx)
    page = get(hub, "/")
    assert "data-acknowledged" in page
    assert "w.chen has it" in page
    assert "driver &lt;b&gt;called&lt;/b&gt;" in page
    assert "driver &lt;b&gt;called&lt;/b&gt;" in get(hub, f"/excursions/{row.id}")


def test_a_sensor_that_was_described_and_never_heard_is_a_finding_and_has_a_page(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        described(story, "van-1.door.temperature_c", Described("Door <b>", "dock-4"))
        story.tell(tx)
    assert "Door &lt;b&gt;" in get(hub, "/")
    assert "was described, but never heard" in get(hub, "/")
    assert "never heard" in " ".join(rows(get(hub, "/temperature")))
    assert "Described, but never heard" in get(hub, "/temperature/van-1%2Edoor%2Etemperature_c")


def test_calibration_that_is_overdue_is_told_until_the_sensor_is_replaced(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        story.readings(REAR)
        described(story, REAR, Described(calibration_due_ms=NOW_MS - 1))
        story.tell(tx)
    assert "calibration is overdue" in get(hub, "/")
    with hub.database.write() as tx:
        described(story, REAR, Described(calibration_due_ms=NOW_MS - 1, replaced_by="van-1.new.temperature_c"))
        story.tell(tx)
    assert "calibration is overdue" not in get(hub, "/")
    assert "Replaced by" in get(hub, PAGE)


def test_the_table_tells_of_each_sensor_its_state_trend_limits_budget_and_day(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        warm_now(tx, 12)
        story = Story()
        add_device(tx, "van-2", place="dock-4")
        story.readings("van-2.front.temperature_c", [480 + i // 10 for i in range(360)])
        story.tell(tx)
    warm, fine = rows(get(hub, "/temperature"))
    assert "Van 1 rear Route 7" in warm
    assert "above the limit, still allowed" in warm
    assert "9.1 ↑ 4.1 2.0 … 8.0" in warm
    assert "of 30 min" in warm
    assert "5.0 9.1" in warm
    assert "not judged 5.2 ↑ 0.1" in fine
    assert len(rows(get(hub, "/temperature?only=trouble"))) == 1
    assert len(rows(get(hub, "/temperature?place=dock-4"))) == 1
    assert len(rows(get(hub, "/temperature?profile=pharma-2-8"))) == 1
    assert len(rows(get(hub, "/temperature?q=VAN-2"))) == 1
    assert rows(get(hub, "/temperature?q=%25")) == []
    assert 'scope="rowgroup">Route 7' in get(hub, "/temperature?by=place")


def test_ten_thousand_excursions_are_listed_page_by_page_and_none_disappears(hub: SeededHub) -> None:
    made = [
        {
            "id": f"e{n:05d}",
            "sensor": REAR,
            "device": "van-1",
            "kind": "excursion",
            "limit_name": "above 8",
            "side": "above",
            "threshold": 800,
            "profile": "pharma-2-8",
            "started_ms": NOW_MS - n * MINUTE_MS,
            "ended_ms": NOW_MS,
            "beyond_ms": 0,
            "known_ms": NOW_MS,
            "changed_ms": NOW_MS,
            "withdrawn": n % 2,
        }
        for n in range(10_000)
    ]
    with hub.database.write() as tx:
        tx.execute(insert(excursion), made)
    client = hub.signed_in()
    path, seen = "/excursions?show=all", []
    while path:
        page = client.get(path, headers=HTML).text
        seen += re.findall(r'<tr data-key="(e\d+)"', page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        path = following[1].replace("&amp;", "&") if following else ""
    assert sorted(seen) == [one["id"] for one in made]
    assert "withdrawn" in page


def test_a_record_is_changed_by_operators_with_the_page_s_token(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        story.readings(REAR)
        story.tell(tx)
    client, session = hub.client(), hub.session(Role.OPERATOR)
    client.cookies.set(SESSION_COOKIE, session)
    token = {CSRF_HEADER: csrf_token(session), **HTML}
    form = {"name": "Rear box", "profile": "pharma-2-8", "why": "new shelf"}
    assert client.post(f"{PAGE}/record", data=form).status_code == 403
    answer = client.post(f"{PAGE}/record", data=form, headers=token)
    assert (answer.status_code, answer.headers["hx-refresh"]) == (204, "true")
    assert [(d.action, d.subject, d.why) for d in hub.decisions] == [
        ("sensor.describe", REAR, "new shelf"),
        ("sensor.assign", REAR, "new shelf"),
    ]
    refused = client.post(f"{PAGE}/record", data={**form, "calibration_due": "<b>soon"}, headers=token)
    assert refused.status_code == 422
    assert "not &lt;b&gt;soon" in refused.text
    assert client.post(f"{PAGE}/record", data={**form, "why": "x" * 1_000_000}, headers=token).status_code == 422
    assert len(hub.decisions) == 2


@pytest.mark.parametrize("path", ["/temperature/nobody", "/temperature/nobody/chart", "/excursions/nobody"])
def test_what_there_is_not_is_said_plainly(hub: SeededHub, path: str) -> None:
    answer = hub.signed_in().get(path)
    assert answer.status_code == 404
    assert "nobody" in answer.json()["detail"]


def chart(hub: SeededHub, query: str) -> Any:
    return hub.signed_in().get(f"{PAGE}/chart?{query}").json()


def test_a_chart_has_limits_band_excursions_gaps_and_what_came_late(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        was_warm(tx, 50, late_ms=HOUR_MS)
        story = Story()
        story.readings(REAR, [510] * 6, at_ms=NOW_MS + HOUR_MS, known_ms=NOW_MS + HOUR_MS)
        story.tell(tx)
    hub.clock.ms = NOW_MS + HOUR_MS
    drawn = chart(hub, "hours=24")
    assert {(line["side"], line["value"]) for line in drawn["limits"]} == {
        ("above", 8.0),
        ("below", 2.0),
        ("below", 0.0),
    }
    assert [(band["low"], band["high"]) for band in drawn["bands"]] == [(2.0, 8.0)]
    (found,) = [e for e in drawn["excursions"] if e["level"] == "past" and e["extreme"]]
    assert (found["alarm"], found["usedMs"], found["allowedMs"], found["extreme"]) == (True, 3_000_000, 1_800_000, 9.1)
    (gap,) = drawn["gaps"]
    assert gap[1] - gap[0] > 3_000
    (late,) = drawn["late"]
    assert late[1] < gap[1]
    assert drawn["times"] == sorted(drawn["times"])
    assert None in drawn["values"]


def test_a_chart_of_ninety_days_is_drawn_from_hours(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        was_warm(tx, 50)
    drawn = chart(hub, "hours=2160")
    assert drawn["readings"] == 1_020
    assert max(v for v in drawn["values"] if v is not None) == 9.1
    assert len(drawn["times"]) < 20


def test_a_profile_holds_in_the_chart_from_when_it_was_assigned(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        story = Story()
        judged(story, REAR, since_ms=NOW_MS - 3 * HOUR_MS)
        judged(story, REAR, "frozen-18", since_ms=NOW_MS - HOUR_MS)
        story.readings(REAR, [500] * 720)
        story.tell(tx)
    bands = [(band["fromS"], band["toS"]) for band in chart(hub, "hours=6")["bands"]]
    now_s = NOW_MS / 1000
    assert bands == [(now_s - 3 * 3600, now_s - 3600), (now_s - 3600, now_s)]
