"""Closing an incident by hand."""

from sqlalchemy import select

from contract.delivery.hub_actions import IncidentKind, Report
from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.tables import audit_trail
from hub.incidents import report_incident
from tests.hub.web.seeded import NOW_MS, SeededHub, add_incident

PATH = "/api/v1/incidents/fork:van-1/close"


def test_a_person_closes_an_incident_with_a_reason_and_it_opens_again_when_it_repeats(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_incident(tx, "fork", "van-1", "two heads")
    client = hub.client()
    session = hub.session(Role.OPERATOR)
    client.cookies.set(SESSION_COOKIE, session)
    token = {CSRF_HEADER: csrf_token(session)}
    answer = client.post(PATH, json={"reason": "  copy found and wiped "}, headers=token)
    assert answer.json()["key"] == "fork:van-1"
    assert client.get("/api/v1/incidents").json()["items"] == []
    with hub.database.read() as reader:
        row = reader.execute(select(audit_trail).where(audit_trail.c.action == "incident.close")).one()
    assert (row.subject, row.old, row.why, row.at_ms) == ("fork:van-1", "two heads", "copy found and wiped", NOW_MS)
    assert row.who == answer.json()["closed_by"]
    assert client.post(PATH, json={"reason": "again"}, headers=token).status_code == 409
    with hub.database.write() as tx:
        report_incident(tx, Report(IncidentKind.FORK, "van-1", "fork:van-1", "three heads"), NOW_MS)
    assert len(client.get("/api/v1/incidents").json()["items"]) == 1


def test_a_reason_is_needed_and_bounded_and_nothing_changes_without_one(hub: SeededHub) -> None:
    with hub.database.write() as tx:
        add_incident(tx, "fork", "van-1")
    client, token = hub.client(), {"authorization": f"Bearer {hub.token(Role.OPERATOR)}"}
    for body in ({}, {"reason": " "}, {"reason": "x" * 1_000_000}):
        assert client.post(PATH, json=body, headers=token).status_code == 422
    assert client.post(PATH.replace("van-1", "van-2"), json={"reason": "x"}, headers=token).status_code == 404
    assert len(client.get("/api/v1/incidents", headers=token).json()["items"]) == 1
