"""Photos are erased when their time is over, but none that an open finding needs."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import insert, update

from contract.delivery.device_states import Appended
from contract.event import Outcome, Proof
from contract.messages import Blob, BlobState
from hub import tables as t
from hub.accounts.audit import AuditFilters, list_audit
from hub.archive.moving import archive_facts
from hub.archive.photos import erase_photos, held
from hub.archive.tables import attachment, erased_blob
from hub.coldchain.tables import excursion, sensor_record
from hub.ledger.safety import Safety
from hub.ledger.view import LedgerTransaction
from hub.projections import all_projections
from hub.tracking.tables import parcel
from hub.trips.tables import stay
from hub.verify import verify_ledger
from tests.contract.delivery.memory import Device
from tests.hub.desk import NOW_MS, Desk, connected, open_desk
from tests.hub.test_blobs import DATA, DIGEST

LATER_MS = NOW_MS + 1
"""Behind all that the hub took."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path / "hub", projections=all_projections()) as opened:
        yield opened


def give(desk: Desk) -> BlobState:
    """The photo, chunk by chunk; the last answer."""
    for start in range(0, len(DATA), 32_768):
        part = DATA[start : start + 32_768]
        (state,) = desk.say("van-1", Blob(DIGEST, len(DATA), start, part, sha256(part).digest()))
    assert isinstance(state, BlobState)
    return state


def proved(desk: Desk, outcome: Outcome = Outcome.DELIVERED) -> Device:
    """A parcel was delivered, with a photo."""
    device = connected(desk)
    delivered, refused = (("P1",), ()) if outcome is Outcome.DELIVERED else ((), ("P1",))
    device.store.blobs[DIGEST] = DATA
    device.store.keep(Proof("stop-1", outcome, delivered, refused, recipient="Wang", photos=(DIGEST,)))
    device.feed(Appended())
    desk.settle(device)
    give(desk)
    assert [row["sha256"] for row in desk.rows(attachment)] == [DIGEST]
    return device


def erase(desk: Desk, before_ms: int = LATER_MS) -> int:
    return erase_photos(desk.centre.db, desk.centre.blobs, before_ms, NOW_MS)


def test_an_old_photo_is_erased_with_a_line_in_the_audit_trail_and_its_fact_stays(desk: Desk) -> None:
    proved(desk)
    facts = desk.rows(t.fact)
    assert erase(desk, NOW_MS) == 0
    assert erase(desk) == 1
    assert not desk.centre.blobs.path(DIGEST).exists()
    assert (desk.rows(t.blob), desk.rows(t.fact)) == ([], facts)
    (row,) = desk.rows(erased_blob)
    assert (row["sha256"], row["size"], row["device"]) == (DIGEST, len(DATA), "van-1")
    with desk.centre.db.read() as tx:
        (noted,) = list_audit(tx, AuditFilters(action="photo.erase"), limit=5)
        assert verify_ledger(tx, desk.centre.blobs).wrong == ()
    assert noted.subject == DIGEST.hex()


def test_a_file_is_removed_once_and_then_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proved(desk)
    removed: list[Path] = []
    unlink = Path.unlink

    def seen(path: Path, *, missing_ok: bool = False) -> None:
        removed.append(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", seen)
    assert (erase(desk), erase(desk)) == (1, 0)
    assert removed == [desk.centre.blobs.path(DIGEST)]


def test_a_death_before_the_file_is_gone_is_made_good_by_the_next_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    proved(desk)
    with monkeypatch.context() as dying:

        def die(_: Path, *, missing_ok: bool = False) -> None:
            del missing_ok
            raise OSError("the hub ends here")

        dying.setattr(Path, "unlink", die)
        with pytest.raises(OSError, match="ends here"):
            erase(desk)
    assert desk.centre.blobs.path(DIGEST).exists()
    assert erase(desk) == 0
    assert not desk.centre.blobs.path(DIGEST).exists()


def test_a_device_is_told_that_it_may_let_an_erased_photo_go_and_nothing_is_stored_again(desk: Desk) -> None:
    proved(desk)
    erase(desk)
    assert give(desk) == BlobState(DIGEST, ())
    assert not desk.centre.blobs.path(DIGEST).exists()
    assert desk.rows(t.blob) == []
    with desk.centre.db.write() as tx:
        ledger = LedgerTransaction(tx, desk.centre.heads, Safety(0, 0, 0), NOW_MS)
        (audited,) = ledger.audit_blobs([DIGEST[:8]])
    assert (audited.has_content, audited.safe) == (True, True)


def test_a_photo_of_a_parcel_that_waits_for_a_decision_is_held(desk: Desk) -> None:
    proved(desk, Outcome.REFUSED)
    assert erase(desk) == 0
    with desk.centre.db.read() as tx:
        assert held(tx, LATER_MS) == 1
    with desk.centre.db.write() as tx:
        tx.execute(update(parcel).values(status="returned"))
    assert erase(desk) == 1


def test_a_photo_of_a_device_with_an_open_incident_is_held(desk: Desk) -> None:
    proved(desk)
    row = {
        "key": "fork:van-1",
        "kind": "fork",
        "device": "van-1",
        "detail": "",
        "first_ms": 1,
        "last_ms": 1,
        "count": 1,
    }
    with desk.centre.db.write() as tx:
        tx.execute(insert(t.incident), row)
    assert erase(desk) == 0
    with desk.centre.db.write() as tx:
        tx.execute(update(t.incident).values(closed_ms=2))
    assert erase(desk) == 1


def test_a_photo_that_no_fact_names_is_held(desk: Desk) -> None:
    proved(desk)
    with desk.centre.db.write() as tx:
        tx.execute(attachment.delete())
    assert erase(desk) == 0


@pytest.mark.parametrize(
    ("sensor", "now", "is_held"),
    [
        ("van-1.box.t", {}, True),
        ("van-1.box.t", {"ack_covers": 1, "ack_ms": 5}, False),
        ("van-1.box.t", {"withdrawn": 1}, False),
        ("van-1.box.t", {"alarm_ms": None}, False),
        ("van-1.box.t", {"ended_ms": 999}, False),
        ("van-1.box.t", {"started_ms": 3_001}, False),
        ("dock.room.t", {}, True),
        ("other.room.t", {}, False),
        ("other.hung_here.t", {}, True),
        ("dock.hung_away.t", {}, False),
    ],
)
def test_a_photo_is_held_while_an_alarm_on_its_parcel_s_way_is_not_acknowledged(
    desk: Desk, sensor: str, now: dict[str, object], is_held: bool
) -> None:
    proved(desk)
    device = sensor.partition(".")[0]
    with desk.centre.db.write() as tx:
        for name, place in (("dock", "Dock 4"), ("other", "Elsewhere")):
            tx.execute(insert(t.device), {"id": name, "key": bytes(32), "place": place, "enrolled_ms": 1})
        for name, place in (("other.hung_here.t", "Dock 4"), ("dock.hung_away.t", "Freezer")):
            tx.execute(insert(sensor_record), {"sensor": name, "device": name.partition(".")[0], "place": place})
        tx.execute(stay.delete())
        way = {"parcel": "P1", "opened_by": bytes(32), "opened_step": "loaded", "device": "van-1", "place": "Dock 4"}
        times = {"from_ms": 1_000, "to_ms": 3_000, "until_ms": 3_000, "known_ms": 1_000}
        tx.execute(insert(stay), {**way, **times, "aboard": True, "closed_step": "delivered"})
        found = {
            "id": "e1",
            "sensor": sensor,
            "device": device,
            "kind": "excursion",
            "limit_name": "above 8",
            "side": "above",
        }
        seen = {
            "profile": "pharma-2-8",
            "known_ms": 1,
            "changed_ms": 1,
            "started_ms": 2_000,
            "alarm_ms": 2_100,
            "beyond_ms": 9,
        }
        tx.execute(
            insert(excursion), {**found, **seen, "ack_who": "", "ack_why": "", "ack_covers": 0, "withdrawn": 0, **now}
        )
    assert erase(desk) == (0 if is_held else 1)


def test_photos_of_archived_facts_are_found_by_them_after_a_rebuild(desk: Desk) -> None:
    proved(desk, Outcome.REFUSED)
    assert sum(made.facts for made in archive_facts(desk.centre.db, LATER_MS, NOW_MS)) == 1
    desk.centre.projector.rebuild()
    assert [row["sha256"] for row in desk.rows(attachment)] == [DIGEST]
    assert erase(desk) == 0
