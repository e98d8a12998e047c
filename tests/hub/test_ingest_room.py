"""Ingest when there is no room: on the disk, in memory, and for what nobody can read."""

import resource
from hashlib import sha256
from pathlib import Path

from sqlalchemy import func, select

from contract.messages import Blob, BlobState, Nack
from hub import tables as t
from hub.ingest import MESSAGE_BYTES, QUEUE_BYTES
from hub.intake import Incoming
from hub.verify import verify_ledger
from tests.hub.desk import Desk, connected, open_desk


def _sound(desk: Desk) -> bool:
    with desk.centre.db.read() as tx:
        return verify_ledger(tx).wrong == ()


def test_a_full_disk_under_the_attachments_is_no_fault_of_the_message(tmp_path: Path) -> None:
    photo = b"\xff\xd8\xff" + bytes(5000)
    blob = Blob(sha256(photo).digest(), len(photo), 0, photo, sha256(photo).digest())
    with open_desk(tmp_path) as desk:
        connected(desk)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
        try:
            assert desk.say("van-1", blob) == []
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert desk.rows(t.quarantine) == []
        assert desk.ingest.counts.storage_ok is False
        (state,) = desk.say("van-1", blob)
        assert isinstance(state, BlobState)
        assert state.missing == ()
        assert desk.ingest.counts.storage_ok is True


def test_empty_messages_do_not_wait_without_end(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        for _ in range(QUEUE_BYTES // MESSAGE_BYTES):
            desk.ingest.offer(Incoming("", b""))
        assert desk.ingest.counts.dropped == 0
        desk.ingest.offer(Incoming("", b""))
        assert desk.ingest.counts.dropped == 1


def test_p5_what_is_held_of_a_device_is_counted_without_reading_it(tmp_path: Path) -> None:
    c = t.quarantine.c
    mine = select(func.count()).where(c.device == "van-1", c.kind == "statement", c.state == "held")
    with open_desk(tmp_path) as desk, desk.centre.db.read() as tx:
        text = mine.compile(tx.engine, compile_kwargs={"literal_binds": True})
        plan = [row.detail for row in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert plan == ["SEARCH quarantine USING COVERING INDEX ix_quarantine_held (device=? AND kind=? AND state=?)"]


def test_f038_a_full_disk_keeps_and_acknowledges_nothing_and_recovers_by_itself(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        with desk.centre.db.write() as tx:
            pages = tx.exec_driver_sql("PRAGMA page_count").scalar_one()
            tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        made = [device.scan(b"%0250d" % n) for n in range(60)]
        refused: list[Nack] = []
        while not refused:
            refused += [r for r in desk.hear("van-1", device.outgoing.pop(0)) if isinstance(r, Nack)]
            device.hear(desk.sent.pop()[1])

        assert [(r.reason, r.credit.facts) for r in refused] == [("busy", 0)]
        assert desk.ingest.counts.storage_ok is False
        assert len(desk.facts()) < len(made)
        assert _sound(desk)
        with desk.centre.db.write() as tx:
            tx.exec_driver_sql("PRAGMA max_page_count=1000000")
        for _ in range(3):
            device.tick(31_000)
            desk.settle(device)
        assert sorted(desk.facts()) == sorted(made)
        assert desk.ingest.counts.storage_ok is True
