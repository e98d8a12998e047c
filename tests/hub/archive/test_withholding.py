"""What a fact tells of people is withheld when its time is over, everywhere in the hub, and nothing brings it back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from contract.delivery.device_states import Appended
from contract.event import Fix, Outcome, Proof, Scan, Step
from contract.messages import Fill
from hub import tables as t
from hub.accounts.audit import AuditFilters, audit, list_audit
from hub.archive import withholding
from hub.archive.moving import archive_facts
from hub.archive.redaction import Personal, redacted
from hub.archive.tables import held_fact
from hub.archive.withholding import note_term, withhold_personal
from hub.backup import make_backup, restore_backup
from hub.db import DATABASE_FILE
from hub.deliveries.tables import delivery
from hub.fleet.api import FactItem
from hub.fleet.queries import LedgerRow, list_facts
from hub.projections import all_projections
from hub.tracking.queries import parcel as find_parcel
from hub.tracking.queries import parcel_events
from hub.tracking.tables import custody_correction, custody_event, parcel, parcel_term
from hub.trips.chains import chain_runs
from hub.trips.tables import stay, trip
from hub.verify import Verified, verify_ledger
from tests.contract.delivery.memory import Device
from tests.hub.desk import NOW_MS, Desk, connected, open_desk

LATER_MS = NOW_MS + 1
"""Behind all that the hub took."""
NAME, NOTE = "Wang Xiaoming", "gave it to the aunt"
DOOR = Fix(312_300_000, 1_214_700_000, 5)
ALL = (Personal.RECIPIENT, Personal.NOTES, Personal.FIX)
FOLDED = (custody_event, custody_correction, parcel, parcel_term, stay, trip, delivery)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path / "hub", projections=all_projections()) as opened:
        yield opened


def proof(name: str = "P1", outcome: Outcome = Outcome.DELIVERED) -> Proof:
    delivered, refused = ((name,), ()) if outcome is Outcome.DELIVERED else ((), (name,))
    reason = "" if outcome is Outcome.DELIVERED else "Mrs Li is away"
    return Proof("stop-1", outcome, delivered, refused, reason, recipient=NAME, notes=NOTE, fix=DOOR)


def tell(desk: Desk, device: Device, *events: Proof | Scan) -> None:
    for event in events:
        device.store.keep(event)
    device.feed(Appended())
    desk.settle(device)


def delivered(desk: Desk, parcels: int = 1, outcome: Outcome = Outcome.DELIVERED) -> Device:
    """A device that loaded parcels and handed them over."""
    device = connected(desk)
    for name in (f"P{nr}" for nr in range(1, parcels + 1)):
        code, aboard = name.encode(), Scan(name.encode(), "", "plain", name, Step.LOADED, "dock", "usb", fix=Fix(1, 2))
        gone = Scan(code, "", "plain", name, Step.DELIVERED, "stop-1", "usb", fix=DOOR)
        tell(desk, device, aboard, *([gone] if outcome is Outcome.DELIVERED else []), proof(name, outcome))
    return device


def withhold(desk: Desk, before_ms: int = LATER_MS) -> int:
    return sum(withhold_personal(desk.centre.db, before_ms, NOW_MS))


def verified(desk: Desk) -> Verified:
    with desk.centre.db.read() as tx:
        return verify_ledger(tx, desk.centre.blobs)


def ledger(desk: Desk) -> list[LedgerRow]:
    with desk.centre.db.read() as tx:
        return list_facts(tx, after=0, limit=1000)


def folded(desk: Desk) -> list[list[dict[str, object]]]:
    return [desk.rows(table) for table in FOLDED]


def test_names_notes_and_the_door_are_withheld_and_all_else_stays(desk: Desk) -> None:
    delivered(desk)
    before, positions = ledger(desk), desk.rows(t.position)
    assert withhold(desk, NOW_MS) == 0
    assert withhold(desk) == 2
    loaded, gone, proved = ledger(desk)
    assert loaded == before[0]
    assert (gone.withheld, proved.withheld) == ((Personal.FIX,), ALL)
    assert [row.fact_id for row in ledger(desk)] == [row.fact_id for row in before]
    assert desk.rows(t.position) == positions
    item = FactItem.of(proved)
    assert item.core is None
    assert item.withheld == list(ALL)
    assert item.fact is not None
    assert (item.fact["event"]["recipient"], item.fact["event"]["delivered"]) == ("", ["P1"])
    assert FactItem.of(loaded).core is not None


def test_the_parcel_says_that_it_is_withheld(desk: Desk) -> None:
    delivered(desk)
    with desk.centre.db.read() as tx:
        told = find_parcel(tx, "P1")
    assert told is not None
    assert (told.recipient, told.withheld, told.lat_e7) == (NAME, (), DOOR.lat_e7)
    withhold(desk)
    with desk.centre.db.read() as tx:
        told, events = find_parcel(tx, "P1"), parcel_events(tx, "P1")
    assert told is not None
    # Not the dock either: it was not there that it was handed over.
    assert (told.recipient, told.withheld, told.lat_e7) == ("", (Personal.RECIPIENT, Personal.FIX), None)
    assert [event.withheld for event in events] == [(), (Personal.FIX,), ALL]


def test_the_delivery_says_that_it_is_withheld(desk: Desk) -> None:
    delivered(desk)
    (proved,) = desk.rows(delivery)
    assert (proved["recipient"], proved["notes"], proved["lat_e7"], proved["withheld"]) == (NAME, NOTE, DOOR.lat_e7, "")
    withhold(desk)
    empty = dict.fromkeys(("recipient", "notes"), "") | dict.fromkeys(("lat_e7", "lon_e7", "accuracy_m", "fix_age_s"))
    assert desk.rows(delivery) == [proved | empty | {"withheld": "recipient notes fix"}]


def test_no_name_is_left_in_the_files_of_the_database(tmp_path: Path) -> None:
    with open_desk(tmp_path, projections=all_projections()) as desk:
        delivered(desk, 30)
        withhold(desk)
    data = (tmp_path / DATABASE_FILE).read_bytes()
    assert b"stop-1" in data
    assert NAME.encode() not in data
    assert NOTE.encode() not in data


def test_rows_told_anew_are_as_a_rebuild_gives_them(desk: Desk) -> None:
    delivered(desk, 3)
    delivered_rows = folded(desk)
    withhold(desk)
    now = folded(desk)
    assert now != delivered_rows
    desk.centre.projector.rebuild()
    assert folded(desk) == now


def test_verify_counts_what_is_withheld_and_finds_nothing_wrong(desk: Desk) -> None:
    delivered(desk)
    withhold(desk)
    assert (verified(desk).withheld, verified(desk).wrong) == (2, ())


def test_verify_names_a_changed_byte_of_what_is_left(desk: Desk) -> None:
    delivered(desk)
    withhold(desk)
    with desk.centre.db.write() as tx:
        core = tx.scalars(select(t.fact.c.core).where(t.fact.c.seq == 3)).one()
        tx.execute(update(t.fact).where(t.fact.c.seq == 3).values(core=core.replace(b"stop-1", b"stop-2")))
    (wrong,) = verified(desk).wrong
    assert wrong.endswith("its content hashes to another identity; it was changed")


def test_verify_says_so_when_others_than_the_hub_withheld_something(desk: Desk) -> None:
    delivered(desk)
    with desk.centre.db.write() as tx:
        core = tx.scalars(select(t.fact.c.core).where(t.fact.c.seq == 3)).one()
        tx.execute(update(t.fact).where(t.fact.c.seq == 3).values(core=redacted(core)))
    (wrong,) = verified(desk).wrong
    assert wrong.startswith("personal data of 1 facts is withheld, and the audit trail tells of 0")


def test_the_audit_trail_tells_how_many_and_no_name(desk: Desk) -> None:
    delivered(desk)
    withhold(desk)
    with desk.centre.db.read() as tx:
        (noted,) = list_audit(tx, AuditFilters(action="personal.withhold"), limit=5)
    assert (noted.who, noted.new) == ("retention", "2 facts")


def test_a_fact_that_is_sent_again_does_not_bring_the_name_back(desk: Desk) -> None:
    delivered(desk)
    cores = [row.core for row in ledger(desk) if row.core is not None]
    withhold(desk)
    rows, parcels = desk.rows(t.fact), folded(desk)
    desk.say("van-1", Fill(tuple(cores)))
    desk.centre.projector.run()
    assert (desk.rows(t.fact), folded(desk)) == (rows, parcels)
    assert withhold(desk) == 0


def test_p3_a_device_is_answered_about_withheld_facts_as_about_others(desk: Desk) -> None:
    device = delivered(desk)
    withhold(desk)
    tell(desk, device, proof("P2"))
    assert (len(ledger(desk)), desk.incidents(), verified(desk).wrong) == (4, set(), ())
    assert ledger(desk)[-1].withheld == ()


def test_what_comes_later_has_its_own_term(desk: Desk) -> None:
    device = delivered(desk)
    assert withhold(desk) == 2
    tell(desk, device, proof("P2"))
    assert withhold(desk, NOW_MS) == 0
    assert withhold(desk) == 1


def test_a_reason_at_the_door_is_withheld_once_its_parcel_is_decided(desk: Desk) -> None:
    device = delivered(desk, outcome=Outcome.REFUSED)
    assert withhold(desk) == 0
    assert len(desk.rows(held_fact)) == 1
    assert withhold(desk) == 0
    tell(desk, device, Scan(b"P1", "", "plain", "P1", Step.RETURNED, "dock", "usb"))
    assert withhold(desk) == 1
    assert desk.rows(held_fact) == []
    with desk.centre.db.read() as tx:
        events = parcel_events(tx, "P1")
    assert [(event.reason, event.withheld) for event in events] == [
        ("", ()),
        ("", (Personal.RECIPIENT, Personal.REASON, Personal.NOTES, Personal.FIX)),
        ("", ()),
    ]


def test_a_fact_in_quarantine_is_held(desk: Desk) -> None:
    delivered(desk)
    with desk.centre.db.write() as tx:
        tx.execute(update(t.fact).where(t.fact.c.seq == 3).values(problem="of another device"))
    assert withhold(desk) == 1
    with desk.centre.db.write() as tx:
        tx.execute(update(t.fact).where(t.fact.c.seq == 3).values(problem=None))
    assert withhold(desk) == 1


def test_facts_of_a_device_with_an_open_incident_are_held(desk: Desk) -> None:
    delivered(desk)
    named = {"key": "fork:van-1", "kind": "fork", "device": "van-1", "detail": ""}
    with desk.centre.db.write() as tx:
        tx.execute(insert(t.incident), {**named, "first_ms": 1, "last_ms": 1, "count": 1})
    assert withhold(desk) == 0
    with desk.centre.db.write() as tx:
        tx.execute(update(t.incident).values(closed_ms=2))
    assert withhold(desk) == 2


def test_nothing_is_withheld_of_what_is_not_folded_yet(desk: Desk) -> None:
    delivered(desk)
    with desk.centre.db.write() as tx:
        tx.execute(update(t.projection_marker).where(t.projection_marker.c.name == "tracking").values(seq=2))
    assert withhold(desk) == 1
    with desk.centre.db.write() as tx:
        tx.execute(update(t.projection_marker).values(seq=3))
    assert withhold(desk) == 1


@pytest.mark.parametrize("dies_at", ["redacted", "tell_anew", "tell_deliveries_anew", "audit"])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_death_at_any_step_leaves_whole_steps_and_the_next_run_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, dies_at: str, after: int
) -> None:
    delivered(desk, 6)
    monkeypatch.setattr(withholding, "LOOKED_AT", 7)
    monkeypatch.setattr(withholding, "WITHHELD_AT_ONCE", 2)
    step, times = getattr(withholding, dies_at), iter(range(99))

    def dying(*args: object, **named: object) -> object:
        if next(times) == after:
            raise SystemExit
        return step(*args, **named)

    monkeypatch.setattr(withholding, dies_at, dying)
    with pytest.raises(SystemExit):
        withhold(desk)
    monkeypatch.setattr(withholding, dies_at, step)
    left, now = verified(desk), folded(desk)
    assert left.wrong == ()
    desk.centre.projector.rebuild()
    assert folded(desk) == now
    assert left.withheld + withhold(desk) == verified(desk).withheld == 12
    assert verified(desk).wrong == ()


# -- archives, backups and reports -----------------------------------------------------------------------------------


def archive(desk: Desk) -> int:
    return sum(made.facts for made in archive_facts(desk.centre.db, LATER_MS, NOW_MS))


def test_withheld_facts_move_into_archives_and_are_read_there(desk: Desk) -> None:
    delivered(desk)
    withhold(desk)
    before = ledger(desk)
    assert archive(desk) == 3
    assert ledger(desk) == before
    assert (verified(desk).withheld, verified(desk).wrong) == (2, ())
    now = folded(desk)
    desk.centre.projector.rebuild()
    assert folded(desk) == now


def test_no_archive_is_made_of_what_is_still_to_be_withheld(desk: Desk) -> None:
    note_term(desk.centre.db, 30)
    delivered(desk)
    device = connected(desk, "van-2", 2)
    tell(desk, device, proof("P2", Outcome.REFUSED))
    assert archive(desk) == 0
    withhold(desk)
    assert archive(desk) == 3
    (held,) = ledger(desk)[3:]
    assert (held.withheld, held.core and NAME.encode() in held.core) == ((), True)
    tell(desk, device, Scan(b"P2", "", "plain", "P2", Step.RETURNED, "dock", "usb"))
    assert withhold(desk) == 1


def test_without_a_term_archives_are_made_of_everything(desk: Desk) -> None:
    note_term(desk.centre.db, 30)
    note_term(desk.centre.db, None)
    delivered(desk)
    assert archive(desk) == 3
    # Archives are never written again.
    assert withhold(desk) == 0


def test_a_restored_backup_brings_names_back_until_the_next_run(desk: Desk, tmp_path: Path) -> None:
    delivered(desk)
    make_backup(desk.centre.db, desk.centre.blobs, tmp_path / "before.tar", NOW_MS)
    withhold(desk)
    make_backup(desk.centre.db, desk.centre.blobs, tmp_path / "after.tar", NOW_MS)
    for name, left in (("before", 2), ("after", 0)):
        restore_backup(tmp_path / f"{name}.tar", tmp_path / name, NOW_MS)
        with open_desk(tmp_path / name, projections=all_projections()) as other:
            other.centre.projector.catch_up()
            assert withhold(other) == left
            assert (verified(other).withheld, verified(other).wrong) == (2, ())


def test_the_facts_of_a_report_made_later_say_what_is_withheld_and_still_lead_to_the_head(desk: Desk) -> None:
    delivered(desk)
    shifts = dict.fromkeys((row.fact_id for row in ledger(desk)), 0)
    with desk.centre.db.read() as tx:
        ((before,), _) = chain_runs(tx, shifts)
    withhold(desk)
    with desk.centre.db.read() as tx:
        ((after,), _) = chain_runs(tx, shifts)
    assert (after.head, after.previous, after.last_n) == (before.head, before.previous, before.last_n)
    assert after.links != before.links


def test_counts_of_other_actions_do_not_count(desk: Desk) -> None:
    with desk.centre.db.write() as tx:
        audit(tx, at_ms=1, who="q.person", action=withholding.ACTION, subject="facts", new="7 facts")
        assert withholding.withheld_by_audit(tx) == 0
