"""Reports over the interface: sealed, noted, and asked for by their seals."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Semaphore

import pytest
from fastapi.testclient import TestClient
from msgspec.structs import replace
from sqlalchemy import Connection

from hub.accounts.audit import ANCHOR, AuditFilters, check_chain, list_audit
from hub.accounts.roles import Role
from hub.app import create_app
from hub.reports import api
from hub.reports.check import check_report
from hub.reports.content import ReportInput
from hub.reports.record import MADE
from tests.hub.reports.report_samples import small_report
from tests.hub.web.seeded import SeededHub


def build(_: Connection, name: str, now_ms: int, who: str) -> ReportInput | None:
    return replace(small_report(), made_ms=now_ms, made_by=who) if name == "trip-1" else None


@pytest.fixture
def client(hub: SeededHub, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    for name in ("trip_report", "parcel_report"):
        monkeypatch.setattr(f"hub.app.{name}", build)
    return TestClient(create_app(hub.context()), headers={"authorization": f"Bearer {hub.token(Role.AUDITOR)}"})


@pytest.mark.parametrize("what", ["trips", "parcels"])
def test_a_report_comes_sealed_and_the_hub_knows_its_seal(client: TestClient, what: str) -> None:
    for ending, media_type in (("json", "application/json"), ("pdf", "application/pdf")):
        answer = client.get(f"/api/v1/{what}/trip-1/report.{ending}")
        assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
        checked = check_report(answer.content)
        assert checked.valid
        assert answer.headers["content-disposition"] == (
            f'attachment; filename="trip-report-{checked.seal[:16]}.{ending}"'
        )
        made = client.get(f"/api/v1/reports/{checked.seal}").json()["items"]
        assert made[-1]["pdf_seal"] == checked.pdf
        assert (made[-1]["kind"], made[-1]["subject"]) == ("trip", "trip-1")


def test_whoever_takes_a_report_is_noted_in_the_audit_trail(client: TestClient, hub: SeededHub) -> None:
    seal = check_report(client.get("/api/v1/trips/trip-1/report.json").content).seal
    with hub.database.read() as tx:
        (row,) = list_audit(tx, AuditFilters(action=MADE), limit=10)
        assert check_chain(tx).wrong == ()
    assert (row.subject, json.loads(row.new)["subject"]) == (seal, "trip-1")


def test_a_report_of_nothing_is_not_found_and_notes_nothing(client: TestClient, hub: SeededHub) -> None:
    for ending in ("json", "pdf"):
        for what in ("trips", "parcels"):
            assert client.get(f"/api/v1/{what}/none/report.{ending}").status_code == 404
    with hub.database.read() as tx:
        assert list_audit(tx, AuditFilters(action=MADE), limit=10) == []


def test_a_seal_that_this_hub_never_gave_is_not_known(client: TestClient) -> None:
    assert client.get(f"/api/v1/reports/{'0' * 64}").status_code == 404
    assert client.get("/api/v1/reports/odd").status_code == 422


def test_the_language_is_the_reader_s(client: TestClient) -> None:
    english, asked, preferred, unknown = (
        client.get("/api/v1/trips/trip-1/report.pdf", params=query, headers=headers).content
        for query, headers in (({}, {}), ({"lang": "zh"}, {}), ({}, {"accept-language": "zh-CN"}), ({"lang": "xx"}, {}))
    )
    assert asked == preferred
    assert english == unknown
    assert english != asked


@pytest.mark.parametrize("ending", ["json", "pdf"])
def test_more_reports_than_there_is_room_for_are_asked_to_come_again(
    hub: SeededHub, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    begun, go_on = Semaphore(0), Event()

    def slow(tx: Connection, name: str, now_ms: int, who: str) -> ReportInput | None:
        begun.release()
        assert go_on.wait(10)
        return build(tx, name, now_ms, who)

    monkeypatch.setattr("hub.app.trip_report", slow)
    monkeypatch.setattr(api, "PATIENCE_S", 0.0)
    address = f"/api/v1/trips/trip-1/report.{ending}"
    bearer = {"authorization": f"Bearer {hub.token(Role.AUDITOR)}"}
    # One event loop for all requests, as in a hub.
    with TestClient(create_app(hub.context()), headers=bearer) as client, ThreadPoolExecutor() as others:
        waiting = [others.submit(client.get, address) for _ in range(api.MADE_AT_ONCE)]
        for _ in waiting:
            assert begun.acquire(timeout=10)
        refused = client.get(address)
        go_on.set()
        assert [one.result().status_code for one in waiting] == [200] * api.MADE_AT_ONCE
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
        assert client.get(address).status_code == 200


def test_each_report_states_where_the_trail_ended_before_it(client: TestClient, hub: SeededHub) -> None:
    client.get("/api/v1/trips/trip-1/report.json")
    with hub.database.read() as tx:
        (row,) = list_audit(tx, AuditFilters(action=MADE), limit=10)
    client.get("/api/v1/trips/trip-1/report.json")
    assert [(d.action, d.subject, d.detail) for d in hub.decisions][-1] == (ANCHOR, str(row.id), row.hash.hex())
