"""Devices as people see them: where each fact is, what is plugged in, and who may come and go."""

import re
import tomllib
from base64 import b64decode
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from contract.delivery.device_states import Appended
from contract.event import Booted, Configured, SensorContact, Status, StoragePressure
from hub.accounts.audit import list_audit
from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from hub.fleet.custody import reports_of
from hub.fleet.projection import FleetProjection
from hub.fleet.tables import device_report
from hub.projections import all_projections
from hub.tables import claim, device, device_contact, device_document, stream
from tests.hub.accounts.staffed import StaffedHub, staffed_hub
from tests.hub.desk import connected, open_desk
from tests.hub.fleet.test_fleet_api import add_fact, add_stream, core_of
from tests.hub.folding import Ledger, engine
from tests.hub.web.seeded import HOUR_MS, MINUTE_MS, NOW_MS, TestClient, add_device

HTML = {"accept": "text/html"}
DAY_MS = 24 * HOUR_MS


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[StaffedHub]:
    with staffed_hub(tmp_path) as made:
        yield made


def admin(hub: StaffedHub) -> tuple[TestClient, dict[str, str]]:
    secret = hub.session(Role.ADMIN)
    client = hub.client()
    client.cookies.set(SESSION_COOKIE, secret)
    return client, {**HTML, CSRF_HEADER: csrf_token(secret)}


def test_enrolling_shows_the_connection_file_once_and_the_hub_knows_the_device_by_it(hub: StaffedHub) -> None:
    client, headers = admin(hub)
    form = {"device": "van-12", "place": 'Van "12"', "url": "mqtt://hub.example:1883"}
    page = client.post("/enrol", data=form, headers=headers)
    assert page.status_code == 200
    saved = b64decode(re.findall(r'href="data:application/toml;base64,([^"]+)" download="van-12.toml"', page.text)[0])
    table = tomllib.loads(saved.decode())["device"]
    known = hub.centre.registry.find("van-12")
    assert known is not None
    assert table == {
        "id": "van-12",
        "place": 'Van "12"',
        "hub": "mqtt://hub.example:1883",
        "credential": known.key.hex(),
    }
    for path in ("/enrol", "/devices/van-12", "/devices", "/audit", "/api/v1/devices/van-12"):
        assert known.key.hex() not in client.get(path, headers=HTML).text
    assert client.post("/enrol", data=form, headers=headers).status_code == 409


@pytest.mark.parametrize(
    "form",
    [
        {"device": "Van 12"},
        {"device": "van/12"},
        {"device": "display-hall"},
        {"device": "hub"},
        {"device": ""},
        {"device": "x" * 65},
        {"device": "van-1", "url": "http://x"},
        {"device": "van-1", "url": "mqtt://x:99999999"},
        {"device": "van-1", "place": "x" * 1_000_000},
    ],
)
def test_f097_what_cannot_be_a_device_is_refused_with_a_sentence_and_nothing_changes(
    hub: StaffedHub, form: dict[str, str]
) -> None:
    client, headers = admin(hub)
    answer = client.post("/enrol", data={"url": "mqtt://h:1883", **form}, headers=headers)
    assert answer.status_code in {409, 422}
    with hub.database.read() as tx:
        assert tx.execute(select(device)).all() == []


def test_the_form_names_the_hub_by_the_name_that_the_page_was_reached_by(hub: StaffedHub) -> None:
    client, _ = admin(hub)
    assert 'value="mqtt://testserver:1883"' in client.get("/enrol", headers=HTML).text
    local = client.get(
        "http://127.0.0.1:8080/enrol", headers={**HTML, "cookie": f"{SESSION_COOKIE}={client.cookies[SESSION_COOKIE]}"}
    )
    assert 'value="mqtt://127.0.0.1:1883"' in local.text


def test_f060_revoking_needs_a_reason_is_told_to_the_broker_and_stays(hub: StaffedHub) -> None:
    client, headers = admin(hub)
    client.post("/enrol", data={"device": "van-1", "url": "mqtt://h:1883"}, headers=headers)
    assert client.post("/devices/van-1/revoke", data={"why": " "}, headers=headers).status_code == 409
    assert client.post("/devices/van-1/revoke", data={"why": "stolen"}, headers=headers).status_code == 200
    assert hub.centre.registry.active() == []
    assert client.post("/devices/van-1/revoke", data={"why": "again"}, headers=headers).status_code == 409
    assert client.post("/devices/nobody/revoke", data={"why": "x"}, headers=headers).status_code == 404
    with hub.database.read() as tx:
        rows = [(r.subject, r.why) for r in list_audit(tx, limit=10) if r.action == "device.revoke"]
    assert rows == [("van-1", "stolen")]


def test_a_bar_says_of_every_fact_where_it_is(hub: StaffedHub) -> None:
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        add_stream(tx, head=40)
        for n in range(1, 41):
            add_fact(tx, n, core_of(b"x", n), received_ms=NOW_MS - (9 * DAY_MS if n <= 15 else 0))
        tx.execute(insert(claim).values(stream_id=1, head_n=52, head_hash=b"h" * 16, at_ms=NOW_MS))
    client, _ = admin(hub)

    def bar() -> list[str]:
        return re.findall(r'<li class="(\w+)">[^<]+<b>(\d+)</b>', client.get("/devices/van-1", headers=HTML).text)

    assert bar() == [("safe", "15"), ("hub", "25"), ("way", "12"), ("kept", "0")]
    with hub.database.write() as tx:
        tx.execute(update(device_contact).values(contact_ms=NOW_MS - 42 * MINUTE_MS))
    assert bar() == [("safe", "15"), ("hub", "25"), ("way", "0"), ("kept", "12")]


def test_what_is_plugged_in_and_which_documents_are_in_force_is_told(hub: StaffedHub) -> None:
    ledger = Ledger()
    for detail in (
        SensorContact("modbus_probe", False, "no answer from unit 1"),
        SensorContact("scanner_line", True),
        Configured("limits", 2),
        StoragePressure("thinning", 1_000),
    ):
        ledger.add(Status(detail))
    with hub.database.write() as tx:
        add_device(tx, "van-1")
        FleetProjection().fold(tx, ledger.facts)
        tx.execute(insert(device_document).values(device="van-1", kind="limits", version=3, data=b"", made_ms=NOW_MS))
    page = hub.signed_in().get("/devices/van-1", headers=HTML).text
    for words in ("no answer from unit 1", "scanner_line", "nearly full: readings are thinned"):
        assert words in page
    assert re.search(r'data-level="attention">2<', page)


def test_reports_are_the_same_rows_in_any_order_of_arrival() -> None:
    ledger = Ledger()
    details = (SensorContact("p", False, "x"), SensorContact("p", True), SensorContact("p", False, "y"), Booted("1"))
    for n, detail in enumerate(details):
        ledger.add(Status(detail), at_ms=NOW_MS + (n // 2) * 1_000)
    told = set()
    for order in permutations(ledger.facts):
        database = engine()
        with database.begin() as tx:
            for fact in order:
                FleetProjection().fold(tx, [fact])
            told.add(tuple(map(tuple, tx.execute(select(device_report).order_by(device_report.c.kind)))))
        database.dispose()
    assert len(told) == 1
    assert [row[3:5] for row in next(iter(told))] == [("lost", "y"), ("1", "")]


def test_no_clock_that_was_set_wrong_orders_what_a_device_reports() -> None:
    """A day ahead, then right again, and then another incarnation that counts from 1."""
    ledger, again = Ledger(), Ledger()
    ledger.add(Status(SensorContact("p", False, "unplugged")), at_ms=NOW_MS + DAY_MS, received_ms=NOW_MS)
    ledger.add(Status(SensorContact("p", True)), at_ms=NOW_MS)
    again.add(Status(SensorContact("p", False, "broken")), at_ms=NOW_MS - DAY_MS, incarnation=bytes([9]) * 16)
    told = []
    for facts in ((*ledger.facts, *again.facts), (*again.facts, *reversed(ledger.facts))):
        database = engine()
        with database.begin() as tx:
            for number, one in enumerate((ledger, again), 1):
                name = {"device": "van-1", "incarnation": one.facts[0].fact.incarnation, "lane": "custody"}
                tx.execute(insert(stream), {"id": number, **name})
            FleetProjection().fold(tx, ledger.facts[:1])
            (ahead,) = reports_of(tx, "van-1")
            assert (ahead.value, ahead.at_ms) == ("lost", NOW_MS)
            FleetProjection().fold(tx, ledger.facts)
            assert tx.scalar(select(device_report.c.value)) == "found"
            FleetProjection().fold(tx, facts)
            told.append(tx.execute(select(device_report.c.value, device_report.c.detail)).all())
        database.dispose()
    assert told == [[("lost", "broken")]] * 2


def test_a_hub_folds_what_devices_report(tmp_path: Path) -> None:
    with open_desk(tmp_path, projections=all_projections()) as desk:
        device = connected(desk)
        device.store.keep(Status(SensorContact("p", False, "unplugged")))
        device.feed(Appended())
        desk.settle(device)
        before = desk.rows(device_report)
        desk.centre.projector.rebuild()
        assert desk.rows(device_report) == before
    assert ("driver", "p", "lost") in [(row["kind"], row["name"], row["value"]) for row in before]


def test_10_000_devices_are_listed_page_by_page_silent_ones_first(hub: StaffedHub) -> None:
    with hub.database.write() as tx:
        rows = [{"id": f"van-{n:05d}", "key": bytes(32), "place": "", "enrolled_ms": NOW_MS} for n in range(10_000)]
        tx.execute(insert(device), rows)
    client = hub.signed_in()
    first = client.get("/devices", headers=HTML)
    assert first.text.count("<tr data-key=") == 100
    last = client.get("/devices?page=100", headers=HTML).text
    assert "van-09999" in last
    assert client.get("/devices?page=10001", headers=HTML).status_code == 422
    assert client.get("/devices?only=silent&q=van-0042", headers=HTML).text.count("<tr data-key=") == 10
