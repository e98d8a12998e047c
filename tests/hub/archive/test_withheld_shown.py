"""What is withheld says so: on pages in both languages, to programs, in reports; and the hub does it by itself."""

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from contract.event import Scan
from hub import tables as t
from hub.accounts.roles import Role
from hub.archive import schedule
from hub.archive.moving import Archived
from hub.archive.schedule import DAY_MS, archiving
from hub.archive.terms import FOR_EVER, Terms
from hub.archive.withholding import personal_term, withhold_personal
from hub.cli import main
from hub.deliveries.tables import delivery
from hub.errors import Refused
from hub.live import LiveBus
from hub.projections import all_projections
from hub.reports.check import check_report
from hub.reports.printing import print_report
from hub.reports.seal import seal_json
from hub.reports.telling import told
from hub.tracking.tables import custody_event
from hub.trips.report_input import parcel_report
from tests.hub.archive.test_withholding import DOOR, NAME, NOTE, delivered, withhold
from tests.hub.desk import NOW_MS, Desk, open_desk
from tests.hub.reports import test_real_reports
from tests.hub.web.seeded import HubClock, SeededHub

HTML = {"accept": "text/html"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path / "hub", projections=all_projections()) as opened:
        yield opened


def web(desk: Desk) -> SeededHub:
    clock = HubClock(NOW_MS)
    return SeededHub(desk.centre.db, clock, LiveBus(clock))


def test_the_parcel_page_says_withheld_with_a_sign_and_a_word(desk: Desk) -> None:
    delivered(desk)
    client = web(desk).signed_in()
    before = client.get("/tracking/P1", headers=HTML).text
    assert NAME in before
    assert "⊘" not in before
    withhold(desk)
    after = client.get("/tracking/P1", headers=HTML).text
    assert NAME not in after
    # Recipient and position of the parcel, and the recipient of its proof.
    assert after.count('<span aria-hidden="true">⊘</span> withheld') == 3
    chinese = client.get("/tracking/P1", headers=HTML | {"accept-language": "zh-CN"}).text
    assert chinese.count('<span aria-hidden="true">⊘</span> 已隐去') == 3


def test_programs_are_told_which_fields_are_withheld(desk: Desk) -> None:
    delivered(desk)
    withhold(desk)
    client = web(desk).signed_in(Role.VIEWER)
    parcel = client.get("/api/v1/parcels/P1").json()
    assert (parcel["recipient"], parcel["location"], parcel["withheld"]) == ("", None, ["recipient", "fix"])
    events = client.get("/api/v1/parcels/P1/events").json()["items"]
    assert [event["withheld"] for event in events] == [[], ["fix"], ["recipient", "notes", "fix"]]
    facts = client.get("/api/v1/facts").json()["items"]
    assert [fact["withheld"] for fact in facts] == [[], ["fix"], ["recipient", "notes", "fix"]]
    assert [fact["core"] is None for fact in facts] == [False, True, True]
    assert NAME not in str(facts)
    assert NOTE not in str(facts)


def test_a_delivery_says_withheld_on_its_page_to_programs_and_when_it_is_verified(desk: Desk) -> None:
    delivered(desk)
    (row,) = desk.rows(delivery)
    identity = row["fact_id"].hex()
    client = web(desk).signed_in(Role.VIEWER)
    assert NAME in client.get(f"/deliveries/{identity}", headers=HTML).text
    whole = [("core", True, []), ("shown", True, []), ("chain", True, [])]
    assert verified(client, identity) == (True, whole)
    withhold(desk)
    page = client.get(f"/deliveries/{identity}", headers=HTML).text
    # Recipient, place and notes.
    assert page.count('<span aria-hidden="true">⊘</span> withheld') == 3
    listed = client.get("/deliveries", headers=HTML).text
    assert listed.count('<span aria-hidden="true">⊘</span> withheld') == 1
    assert NAME not in page + listed
    assert NOTE not in page
    told = client.get(f"/api/v1/deliveries/{identity}").json()
    assert (told["recipient"], told["notes"], told["latitude"]) == ("", "", None)
    assert told["withheld"] == ["recipient", "notes", "fix"]
    assert client.get("/api/v1/deliveries").json()["items"][0]["withheld"] == told["withheld"]
    assert verified(client, identity) == (True, [("core", None, told["withheld"]), *whole[1:]])
    part = client.get(f"/deliveries/{identity}/verify", headers=HTML).text
    assert part.count('<span aria-hidden="true">⊘</span> withheld') == 1
    assert "wrong" not in part


def test_a_changed_byte_of_a_withheld_delivery_is_wrong(desk: Desk) -> None:
    delivered(desk)
    withhold(desk)
    (row,) = desk.rows(delivery)
    f = t.fact.c
    with desk.centre.db.write() as tx:
        core = tx.scalars(select(f.core).where(f.fact_id == row["fact_id"])).one()
        changed = core.replace(b"stop-1", b"stop-2")
        tx.execute(update(t.fact).where(f.fact_id == row["fact_id"]).values(core=changed))
    ok, found = verified(web(desk).signed_in(Role.VIEWER), row["fact_id"].hex())
    assert (ok, found[0]) == (False, ("core", False, []))


def verified(client: TestClient, identity: str) -> tuple[bool, list[tuple[str, bool | None, list[str]]]]:
    told = client.get(f"/api/v1/deliveries/{identity}/verify").json()
    return told["ok"], [(one["what"], one["ok"], one["withheld"]) for one in told["items"]]


def test_reports_made_before_and_after_are_verified_without_any_database(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(test_real_reports, "Scan", partial(Scan, fix=DOOR))
    test_real_reports.tell_day(desk)
    made = []
    for after in (False, True):
        if after:
            assert sum(withhold_personal(desk.centre.db, NOW_MS + 1, NOW_MS)) == 1
        with desk.centre.db.read() as tx:
            report = parcel_report(tx, "P1", NOW_MS, "auditor")
        assert report is not None
        assert check_report(print_report(report, "en")[1]).wrong == ()
        checked = check_report(seal_json(report)[1])
        assert checked.wrong == ()
        made.append(checked)
        path = tmp_path / f"report-{after}.json"
        path.write_bytes(seal_json(report)[1])
        words = told(path, None).words
        assert ("and 1 of which personal data is withheld" in words) == after
    before, later = made
    assert (before.withheld, later.withheld) == (0, 1)
    assert (later.facts, later.heads) == (before.facts - 1, before.heads)


# -- by itself -------------------------------------------------------------------------------------------------------


def test_a_hub_withholds_at_its_start_and_remembers_the_term(tmp_path: Path) -> None:
    with open_desk(tmp_path, projections=all_projections()) as desk:
        delivered(desk)
    later_ms = NOW_MS + 31 * DAY_MS
    with open_desk(tmp_path, projections=all_projections(), now_ms=later_ms) as desk:
        done = threading.Event()
        with archiving(desk.centre, Terms(facts=31, personal=30)):
            for _ in range(1_000):
                if not any(row["recipient"] for row in desk.rows(custody_event)):
                    break
                done.wait(0.01)
        assert not any(row["recipient"] for row in desk.rows(custody_event))
        with desk.centre.db.read() as tx:
            assert personal_term(tx) == 30
        with archiving(desk.centre, FOR_EVER), desk.centre.db.read() as tx:
            assert personal_term(tx) is None


def test_withholding_comes_before_archiving(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    order = list[str]()
    done = threading.Event()

    def withheld(*_: object) -> list[int]:
        order.append("withhold")
        return [1]

    def archived(*_: object) -> list[Archived]:
        order.append("archive")
        done.set()
        return []

    monkeypatch.setattr(schedule, "withhold_personal", withheld)
    monkeypatch.setattr(schedule, "archive_facts", archived)
    with archiving(desk.centre, Terms(facts=30, personal=30)):
        assert done.wait(10)
    assert order == ["withhold", "archive"]


def test_personal_data_cannot_be_kept_for_longer_than_facts_stay_in_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Refused, match="expected --keep-personal-days to be at most --keep-days"):
        Terms(facts=30, personal=31)
    assert Terms(facts=30, personal=30) == msgspec.structs.replace(Terms(facts=30), personal=30)
    argv = ["holdfast-hub", "serve", "--data", str(tmp_path), "--keep-days", "30", "--keep-personal-days", "31"]
    monkeypatch.setattr("sys.argv", argv)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("personal data kept for 31 days would be in archives")
