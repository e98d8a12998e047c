"""The audit trail: every change is in it, nothing goes from it, and whoever alters it is found out."""

import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from contract.event import Decision
from hub.accounts.audit import AuditFilters, audit, check_chain, list_audit
from hub.accounts.csrf import csrf_token
from hub.accounts.deps import CSRF_HEADER, SESSION_COOKIE
from hub.accounts.roles import Role
from hub.accounts.room import has_room
from hub.accounts.service import create_user
from hub.accounts.tables import audit_trail, user_account
from hub.verify import verify_ledger
from tests.hub.accounts.staffed import staffed_hub
from tests.hub.desk import connected, open_desk
from tests.hub.served import run_hub
from tests.hub.web.seeded import NOW_MS, PASSWORD, SeededHub, TestClient

HTML = {"accept": "text/html"}
TRIGGERS = ("audit_trail_no_update", "audit_trail_no_delete")


def fill(hub: SeededHub, rows: int, **given: str) -> None:
    with hub.database.write() as tx:
        for n in range(rows):
            row = {"who": f"w-{n % 3}", "action": "excursion.acknowledge", "subject": f"van-{n}", **given}
            audit(tx, at_ms=NOW_MS + n, why=f"reason {n}", **row)


def unguarded(tx: Connection, *statements: str) -> None:
    """What somebody does who has the file and knows SQL: the triggers go, and come back afterwards."""
    kept = {
        name: tx.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).scalar_one()
        for name in TRIGGERS
    }
    for name in TRIGGERS:
        tx.exec_driver_sql(f"DROP TRIGGER {name}")
    for statement in statements:
        tx.exec_driver_sql(statement)
    for sql in kept.values():
        tx.exec_driver_sql(sql)


def test_a_trail_that_nobody_touched_is_unbroken(hub: SeededHub) -> None:
    with hub.database.read() as tx:
        assert check_chain(tx).wrong == ()
    fill(hub, 50)
    with hub.database.read() as tx:
        state = check_chain(tx)
        assert (state.rows, state.unbroken_to, state.wrong) == (50, 50, ())
        assert len({row.hash for row in list_audit(tx, limit=100)}) == 50


@pytest.mark.parametrize(
    ("tampering", "unbroken_to", "said"),
    [
        ("UPDATE audit_trail SET why = 'better' WHERE id = 7", 6, "audit row 7: it was changed"),
        ("UPDATE audit_trail SET at_ms = at_ms + 1 WHERE id = 7", 6, "audit row 7: it was changed"),
        ("UPDATE audit_trail SET who = action, action = who WHERE id = 7", 6, "audit row 7: it was changed"),
        ("UPDATE audit_trail SET hash = zeroblob(32) WHERE id = 7", 6, "audit row 7: it was changed"),
        ("DELETE FROM audit_trail WHERE id = 7", 6, "audit rows 7 to 7 are gone"),
        ("DELETE FROM audit_trail WHERE id < 4", 0, "audit rows 1 to 3 are gone"),
        ("DELETE FROM audit_trail WHERE id > 15", 15, "audit rows after 15 are gone"),
        ("DELETE FROM audit_trail", 0, "audit rows after 0 are gone"),
        (
            "INSERT INTO audit_trail SELECT 21, at_ms, 'x', action, subject, old, new, why, hash FROM audit_trail WHERE id=2",
            20,
            "audit row 21: it was changed after it was written, or another was put in its place",
        ),
    ],
)
def test_f120_whatever_is_done_to_a_row_of_the_trail_verify_names_the_first_that_is_wrong(
    hub: SeededHub, tampering: str, unbroken_to: int, said: str
) -> None:
    fill(hub, 20)
    with hub.database.write() as tx:
        unguarded(tx, tampering)
    with hub.database.read() as tx:
        state = check_chain(tx)
        found = [line for line in verify_ledger(tx).wrong if line.startswith("audit")]
    assert state.unbroken_to == unbroken_to
    assert found[0].startswith(said)


def test_f120_a_trail_without_its_triggers_is_said(hub: SeededHub) -> None:
    fill(hub, 3)
    with hub.database.write() as tx:
        tx.exec_driver_sql("DROP TRIGGER audit_trail_no_update")
    with hub.database.read() as tx:
        assert check_chain(tx).wrong == (
            "audit trail: audit_trail_no_update is gone, which keeps its rows as they are",
        )


@pytest.mark.slow
def test_f120_an_operator_who_edits_the_trail_by_sql_is_named_by_the_command(tmp_path: Path) -> None:
    with staffed_hub(tmp_path) as hub:
        fill(hub, 10)
        with hub.database.write() as tx:
            unguarded(tx, "UPDATE audit_trail SET why = 'it was not me' WHERE id = 4")
    done = run_hub("verify", "--data", tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("audit row 4: it was changed")


def test_what_people_decide_is_in_the_trail_with_its_reason(tmp_path: Path) -> None:
    with staffed_hub(tmp_path) as hub:
        decision = Decision("excursion.acknowledge", (), "w.chen", "door was open", "x1", '{"from_ms":1}')
        hub.centre.decide(decision)
        with hub.database.read() as tx:
            row = list_audit(tx, limit=1)[0]
    assert (row.who, row.action, row.subject, row.new, row.why) == (
        "w.chen",
        "excursion.acknowledge",
        "x1",
        '{"from_ms":1}',
        "door was open",
    )


def test_10_000_rows_are_read_page_by_page_each_once_and_filtered(hub: SeededHub) -> None:
    fill(hub, 10_000)
    with hub.database.read() as tx:
        assert check_chain(tx).unbroken_to == 10_000
    bearer = {"authorization": f"Bearer {hub.token(Role.AUDITOR)}"}
    client = hub.client()
    seen: list[int] = []
    cursor = ""
    while True:
        page = client.get(f"/api/v1/audit?limit=1000&who=w-{cursor and '&cursor=' + cursor}", headers=bearer).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert seen == list(range(10_000, 0, -1))
    for query, ids in (
        ("subject=van-9999", [10_000]),
        ("who=w-1&subject=van-1000&action=ack", [1_001]),
        ("since=2026-05-28T20:26:49.998Z", [10_000, 9_999]),
        ("until=2026-05-28T20:26:40.001Z", [10_001, 1]),
        ("who=100%25", []),
    ):
        found = [item["id"] for item in client.get(f"/api/v1/audit?{query}", headers=bearer).json()["items"]]
        assert found == ids, query
    assert client.get("/api/v1/audit/chain", headers=bearer).json()["unbroken_to"] == 10_001


def test_the_page_leads_through_all_rows_and_says_whether_the_trail_is_unbroken(hub: SeededHub) -> None:
    fill(hub, 250)
    client = hub.signed_in(Role.AUDITOR)
    seen: list[str] = []
    path = "/audit"
    while path:
        text = client.get(path, headers=HTML).text
        seen += [part.split('"')[0] for part in text.split('<tr data-key="')[1:]]
        link = text.partition('rel="next" href="')[2].partition('"')[0]
        path = link.replace("&amp;", "&")
    assert len(seen) == len(set(seen)) >= 250
    assert "Unbroken up to row" in client.get("/audit/chain", headers=HTML).text
    with hub.database.write() as tx:
        unguarded(tx, "UPDATE audit_trail SET why = '' WHERE id = 9")
    broken = client.get("/audit/chain", headers=HTML).text
    assert "unbroken up to row 8 only" in broken
    assert "audit row 9" in broken
    for query in ("since=yesterday", "until=9999-99-99", "before=-1", "who=" + "x" * 257):
        assert client.get(f"/audit?{query}", headers=HTML).status_code in {400, 422}
    assert client.get("/audit?since=0001-01-01&until=9999-12-31&who=%00", headers=HTML).status_code == 200


def test_f077_the_export_has_every_row_and_no_cell_that_a_spreadsheet_would_calculate(hub: SeededHub) -> None:
    fill(hub, 2_500)
    with hub.database.write() as tx:
        audit(tx, at_ms=NOW_MS, who="w", action="a", subject="=1+1", old='"', new="@x", why="多行\n原因")
    answer = hub.signed_in(Role.AUDITOR).get("/audit.csv?who=w")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0][0] == "number"
    assert [int(row[0]) for row in rows[1:]] == list(range(2_501, 0, -1))
    assert rows[1][4:8] == ["'=1+1", '"', "'@x", "多行\n原因"]


def admin(hub: SeededHub, client: TestClient) -> dict[str, str]:
    secret = hub.session(Role.ADMIN)
    client.cookies.set(SESSION_COOKIE, secret)
    return {CSRF_HEADER: csrf_token(secret), **HTML}


def test_f124_without_room_for_the_trail_people_change_nothing_while_devices_go_on(tmp_path: Path) -> None:
    with staffed_hub(tmp_path) as hub:
        client = hub.client()
        headers = admin(hub, client)
        hub.room = False
        before = _rows(hub)
        for path, form in (
            ("/account/users", {"act": "add", "name": "eve", "role": "admin"}),
            ("/enrol", {"device": "van-9", "url": "mqtt://h:1"}),
        ):
            answer = client.post(path, data=form, headers=headers)
            assert answer.status_code == 503
            assert "nothing was changed" in answer.text.lower()
        assert _rows(hub) == before
        assert client.get("/account/users", headers=HTML).status_code == 200
        assert "takes no changes" in client.get("/", headers=HTML).text
        hub.room = True
        assert client.post("/account/users", data={"act": "add", "name": "bob"}, headers=headers).status_code == 200


def test_f124_a_change_whose_line_cannot_be_written_does_not_happen_and_ingest_goes_on(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql(
                "CREATE TRIGGER full BEFORE INSERT ON audit_trail BEGIN SELECT RAISE(ABORT, 'disk full'); END"
            )
        with pytest.raises(Exception, match="disk full"), desk.centre.db.write() as tx:
            create_user(tx, "eve", Role.ADMIN, PASSWORD, now_ms=NOW_MS)
        with desk.centre.db.read() as tx:
            assert tx.execute(select(user_account)).all() == []
        van = connected(desk)
        van.scan(b"P1")
        desk.settle(van)
        assert len(desk.facts()) == 1


def test_the_last_of_the_disk_is_kept_for_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_room(tmp_path)
    assert not has_room(tmp_path / "gone")
    monkeypatch.setattr("hub.accounts.room.RESERVE_BYTES", 2**62)
    assert not has_room(tmp_path)


def _rows(hub: SeededHub) -> str:
    with hub.database.read() as tx:
        return json.dumps([[str(v) for v in row] for t in (audit_trail, user_account) for row in tx.execute(select(t))])


def test_filters_take_wildcards_as_letters(hub: SeededHub) -> None:
    fill(hub, 3)
    with hub.database.read() as tx:
        assert list_audit(tx, AuditFilters(who="%"), limit=5) == []
        assert list_audit(tx, AuditFilters(subject="_"), limit=5) == []
