"""Old facts move to sealed files, and nothing notices: what is archived is kept, counted, answered, shown and folded."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from contract.fact import fact_id
from contract.messages import Fill
from hub import tables as t
from hub.accounts.audit import AuditFilters, list_audit
from hub.archive import moving
from hub.archive.file import BLOCK_FACTS, ArchiveDamaged, ArchiveReader, Entry, pack
from hub.archive.moving import archive_facts, list_archives
from hub.archive.redaction import Content
from hub.archive.store import MARK, POINTER_BYTES, Archives, Pointer, is_pointer, name_of, read_pointer
from hub.backup import make_backup, restore_backup
from hub.errors import Refused
from hub.fleet.queries import list_facts
from hub.verify import verify_ledger
from tests.contract.delivery.memory import Device
from tests.hub.desk import NOW_MS, Desk, connected, open_desk

FACTS = 30
LATER_MS = NOW_MS + 400 * 86_400_000


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path / "hub") as opened:
        yield opened


def told(desk: Desk, count: int = FACTS, name: str = "van-1", seed: int = 1) -> Device:
    """A device whose facts are in the ledger."""
    device = connected(desk, name, seed)
    for nr in range(count):
        device.scan(b"P%d" % nr)
    desk.settle(device)
    return device


def archive(desk: Desk, before_ms: int = LATER_MS) -> int:
    return sum(made.facts for made in archive_facts(desk.centre.db, before_ms, LATER_MS))


def contents(desk: Desk) -> list[bytes | None]:
    with desk.centre.db.read() as tx:
        return [row.core for row in list_facts(tx, after=0, limit=10_000)]


def wrong(desk: Desk) -> tuple[str, ...]:
    with desk.centre.db.read() as tx:
        return verify_ledger(tx, desk.centre.blobs).wrong


def test_archived_facts_leave_the_ledger_small_and_are_read_as_before(desk: Desk) -> None:
    told(desk)
    before = contents(desk)
    assert archive(desk) == len(before) == FACTS
    rows = desk.rows(t.fact)
    assert {len(bytes(row["core"])) for row in rows} == {POINTER_BYTES}  # type: ignore[call-overload]  # rows are untyped
    assert contents(desk) == before
    assert wrong(desk) == ()
    with desk.centre.db.read() as tx:
        (row,) = list_archives(tx)
        (noted,) = list_audit(tx, AuditFilters(action="archive.make"), limit=5)
    assert (row["facts"], noted.subject) == (len(before), row["name"])


def test_only_what_is_old_enough_is_archived_and_the_rest_later(desk: Desk) -> None:
    told(desk)
    assert archive(desk, NOW_MS) == 0
    assert archive(desk) > 0
    assert archive(desk) == 0
    told(desk, 5, "van-2", 2)
    assert archive(desk) > 0
    with desk.centre.db.read() as tx:
        assert len(list_archives(tx)) == 2


def test_p3_devices_are_answered_about_archived_facts_as_about_others(desk: Desk) -> None:
    device = told(desk)
    archive(desk)
    heads, rows = desk.rows(t.position), desk.rows(t.fact)
    for _ in range(3):
        device.scan(b"NEW")
        desk.settle(device)
    assert desk.rows(t.position)[: len(heads)] == heads
    assert desk.rows(t.fact)[: len(rows)] == rows
    assert wrong(desk) == ()


def test_the_same_content_sent_again_does_not_take_the_place_of_what_is_archived(desk: Desk) -> None:
    told(desk)
    cores = [core for core in contents(desk) if core is not None]
    archive(desk)
    rows = desk.rows(t.fact)
    desk.say("van-1", Fill(tuple(cores[:5])))
    assert desk.rows(t.fact) == rows


def test_a_rebuild_folds_archived_facts_too(desk: Desk) -> None:
    told(desk)
    archive(desk)
    before = desk.seen()
    desk.centre.projector.rebuild()
    assert desk.seen() == before
    assert len(before) == FACTS


def test_a_fact_that_looks_like_a_pointer_is_itself(tmp_path: Path) -> None:
    forged = Pointer(bytes(8), 0, 0).encode()
    assert Archives(tmp_path).whole(forged, fact_id(forged)) == Content(forged)
    assert is_pointer(forged, bytes(32))


@given(st.binary(min_size=8, max_size=8), st.integers(0, 2**32 - 1), st.integers(0, BLOCK_FACTS - 1))
def test_a_pointer_reads_back_as_it_was_written(name: bytes, block: int, index: int) -> None:
    pointer = Pointer(name, block, index)
    assert read_pointer(pointer.encode()) == pointer
    with pytest.raises(ArchiveDamaged, match="points into no archive"):
        read_pointer(pointer.encode()[:-1])


# -- damage ----------------------------------------------------------------------------------------------------------


def entries(count: int = 3) -> list[Entry]:
    return [Entry(nr, b"core %d" % nr, NOW_MS, "van-1") for nr in range(1, count + 1)]


@given(st.data(), st.integers(1, 255))
def test_f122_any_changed_byte_of_an_archive_is_found(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, by: int
) -> None:
    whole = pack(entries())
    at = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("archive") / "odd.hfa"
    path.write_bytes(whole[:at] + bytes([whole[at] ^ by]) + whole[at + 1 :])
    with pytest.raises(ArchiveDamaged):
        ArchiveReader(path)
    path.write_bytes(whole[:at])
    with pytest.raises(ArchiveDamaged):
        ArchiveReader(path)


def test_an_archive_tells_its_facts_without_any_database(tmp_path: Path) -> None:
    path = tmp_path / "a.hfa"
    many = entries(2 * BLOCK_FACTS + 1)
    path.write_bytes(pack(many))
    reader = ArchiveReader(path)
    assert [entry for nr in range(3) for entry in reader.block(nr)] == many
    assert reader.identities() == [fact_id(entry.core) for entry in many]


def test_an_archive_that_was_changed_or_is_gone_is_named_and_its_facts_too(desk: Desk) -> None:
    told(desk)
    archive(desk)
    (path,) = desk.centre.db.archives.folder.iterdir()
    data = path.read_bytes()
    path.write_bytes(data[:-40] + b"x" + data[-39:])
    assert wrong(desk)[0] == f"archive {path} was changed or is not whole; put it back from a backup"
    path.unlink()
    found = wrong(desk)
    assert found[0] == f"archive {path} cannot be read: No such file or directory; put it back from a backup"
    assert len(found) == FACTS + 1
    path.write_bytes(data)
    assert wrong(desk) == ()


def test_a_file_that_does_not_read_back_takes_nothing_out_of_the_ledger(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(desk)
    rows = desk.rows(t.fact)
    monkeypatch.setattr(moving, "pack", lambda some: pack(some[:-1]))
    with pytest.raises(ArchiveDamaged, match="does not read back"):
        archive(desk)
    assert desk.rows(t.fact) == rows


def test_a_fact_that_was_changed_stays_in_the_ledger_where_verify_names_it(desk: Desk) -> None:
    told(desk)
    with desk.centre.db.write() as tx:
        tx.execute(t.fact.update().where(t.fact.c.seq == 3).values(core=b"changed"))
    archive(desk)
    (found,) = wrong(desk)
    assert found.startswith("fact 3 (")


@pytest.mark.parametrize("dies_at", ["_note", "_empty"])
def test_a_death_at_any_step_loses_nothing_and_the_next_run_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, dies_at: str
) -> None:
    told(desk)
    before = contents(desk)
    monkeypatch.setattr(moving, "EMPTIED_AT_ONCE", 10)
    step, times = getattr(moving, dies_at), iter(range(9))

    def dying(*args: object) -> None:
        step(*args)
        if next(times) == (1 if dies_at == "_empty" else 0):
            raise SystemExit

    monkeypatch.setattr(moving, dies_at, dying)
    with pytest.raises(SystemExit):
        archive(desk)
    monkeypatch.setattr(moving, dies_at, step)
    assert (contents(desk), wrong(desk)) == (before, ())
    archive(desk)
    assert (contents(desk), wrong(desk)) == (before, ())
    assert {bytes(row["core"])[:1] for row in desk.rows(t.fact)} == {MARK}  # type: ignore[call-overload]  # rows are untyped


# -- backups ---------------------------------------------------------------------------------------------------------


def test_a_backup_holds_the_archives_and_a_restore_elsewhere_reads_them(desk: Desk, tmp_path: Path) -> None:
    told(desk)
    archive(desk)
    told(desk, 3, "van-2", 2)
    before = contents(desk)
    make_backup(desk.centre.db, desk.centre.blobs, tmp_path / "b.tar", NOW_MS)
    restore_backup(tmp_path / "b.tar", tmp_path / "other", NOW_MS)
    with open_desk(tmp_path / "other") as other:
        assert (contents(other), wrong(other)) == (before, ())


def test_no_backup_is_made_that_would_lack_an_archive(desk: Desk, tmp_path: Path) -> None:
    told(desk)
    archive(desk)
    next(desk.centre.db.archives.folder.iterdir()).unlink()
    with pytest.raises(Refused, match="would hold a damaged ledger: archive"):
        make_backup(desk.centre.db, desk.centre.blobs, tmp_path / "b.tar", NOW_MS)


def test_the_name_of_an_archive_is_its_content(desk: Desk) -> None:
    told(desk)
    archive(desk)
    (path,) = desk.centre.db.archives.folder.iterdir()
    assert path.name == f"{name_of(path.read_bytes()).hex()}.hfa"
    assert path.stat().st_mode & 0o777 == 0o600
    with desk.centre.db.read() as tx:
        assert tx.execute(select(t.setting.c.value).where(t.setting.c.name == "archived_seq")).scalar() is not None
