"""Anchors of the audit trail: a trail that was written anew, chain and all, is not what the hub stated before."""

from pathlib import Path
from threading import Event

from msgspec import to_builtins
from msgspec.structs import replace
from sqlalchemy import select

from contract.event import Decision, Step
from hub.accounts.anchors import anchor_trail, anchoring, anchors, check_trail
from hub.accounts.audit import ANCHOR, audit, check_chain, list_audit
from hub.accounts.tables import audit_trail
from hub.administration import Administration
from hub.archive.moving import archive_facts
from hub.centre import Centre
from hub.projections import all_projections
from hub.reports.check import check_report
from hub.reports.content import TrailEnd
from hub.reports.layout import Grid, lay_out
from hub.reports.record import record_report
from hub.reports.seal import seal_json
from hub.reports.telling import told
from hub.tables import setting
from hub.trips.queries import TripFilters, list_trips
from hub.trips.report_input import trip_report
from hub.verify import verify_ledger
from hub.web.i18n import Words
from tests.hub.accounts.staffed import staffed_hub
from tests.hub.accounts.test_audit import unguarded
from tests.hub.desk import NOW_MS, Desk, open_desk
from tests.hub.trips.test_reports_of_trips import drive

OLD, NEW = "it was me", "it was not me"


def note(centre: Centre, why: str = "", number: int = 0) -> None:
    with centre.db.write() as tx:
        audit(tx, at_ms=NOW_MS + number, who="w.chen", action="user.disable", subject=f"u-{number}", why=why)


def state(centre: Centre) -> bool:
    return anchor_trail(centre.db, lambda decision: centre.decide(decision)[0])


def write_anew(centre: Centre) -> None:
    """What somebody does who has the file and reads our code: another word in one row, and all hashes again."""
    with centre.db.write() as tx:
        rows = list(reversed(list_audit(tx, limit=1_000)))
        unguarded(tx, "DELETE FROM audit_trail")
        tx.execute(setting.delete().where(setting.c.name == "audit_head"))
        for row in rows:
            why = NEW if row.why == OLD else row.why
            names = ("at_ms", "who", "action", "subject", "old", "new")
            audit(tx, **{name: getattr(row, name) for name in names}, why=why)


def drove(desk: Desk) -> None:
    drive(desk, (("P1", Step.LOADED, 10.0), ("P1", Step.DELIVERED, 170.0)), "pharma-2-8")


def test_a_trail_that_was_written_anew_is_found_by_its_anchor(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        for number in range(5):
            note(desk.centre, OLD if number == 2 else "", number)
        assert state(desk.centre)
        note(desk.centre, "", 9)
        with desk.centre.db.read() as tx:
            assert check_trail(tx).wrong == ()
        write_anew(desk.centre)
        with desk.centre.db.read() as tx:
            assert check_chain(tx).wrong == ()
            (wrong,) = check_trail(tx).wrong
            assert verify_ledger(tx).wrong == (wrong,)
    assert wrong.startswith("audit row 5: the hub stated another hash for it")


def test_an_anchor_is_stated_once_for_each_end_of_the_trail_and_is_no_line_in_it(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        assert not state(desk.centre)
        note(desk.centre)
        assert [state(desk.centre) for _ in range(3)] == [True, False, False]
        note(desk.centre, number=1)
        assert state(desk.centre)
        with desk.centre.db.read() as tx:
            assert [told.number for told in anchors(tx)] == [2, 1]
            assert [row.action for row in list_audit(tx, limit=9)] == ["user.disable"] * 2


def test_anchors_of_archived_facts_count(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        note(desk.centre, OLD)
        state(desk.centre)
        assert list(archive_facts(desk.centre.db, NOW_MS * 2, NOW_MS))
        with desk.centre.db.read() as tx:
            assert check_trail(tx).wrong == ()
        write_anew(desk.centre)
        with desk.centre.db.read() as tx:
            assert len(check_trail(tx).wrong) == 1


def test_the_trail_is_anchored_while_a_hub_runs(tmp_path: Path) -> None:
    stated: list[Decision] = []
    first = Event()

    def decide(decision: Decision) -> bytes:
        stated.append(decision)
        first.set()
        return bytes(32)

    with staffed_hub(tmp_path) as hub:
        with hub.database.write() as tx:
            audit(tx, at_ms=NOW_MS, who="w.chen", action="user.disable", subject="u")
        with anchoring(hub.database, decide, settled_s=0):
            assert first.wait(5)
        with hub.database.read() as tx:
            digest = tx.scalar(select(audit_trail.c.hash)) or b""
    assert [(one.action, one.subject, one.detail) for one in stated] == [(ANCHOR, "1", digest.hex())]


def test_a_report_states_and_proves_where_the_trail_ended(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    with open_desk(tmp_path / "hub", projections=all_projections()) as desk:
        drove(desk)
        note(desk.centre, OLD)
        state(desk.centre)
        with desk.centre.db.read() as tx:
            (view,) = list_trips(tx, TripFilters()).items
            report = trip_report(tx, view.id, NOW_MS, "auditor")
        assert report is not None
        assert report.trail is not None
        checked = check_report(seal_json(report)[1])
        assert (checked.wrong, checked.unproven) == ((), ())
        table = next(
            b for b in lay_out(report, "0" * 64, Words("en")).blocks if isinstance(b, Grid) and len(b.head) == 6
        )
        assert ("hub", "audit trail", str(report.trail.number)) in [(row[0], row[1], row[4]) for row in table.rows]

        forged = replace(report, trail=TrailEnd(report.trail.number, "0" * 64))
        (unproven,) = check_report(seal_json(forged)[1]).unproven
        assert unproven.startswith("that the hub's audit trail ended with row")

        seal, data = seal_json(report)
        file.write_bytes(data)
        with desk.centre.db.write() as tx:
            record_report(tx, report, seal)
        ask = Administration(desk.centre).answer
        found = told(file, lambda request: to_builtins(ask(request)))
        assert found.wrong == ()
        write_anew(desk.centre)
        (wrong,) = told(file, lambda request: to_builtins(ask(request))).wrong
    assert f"has another row {report.trail.number}" in wrong
