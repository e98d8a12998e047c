import fcntl
import os
import resource
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from errno import EBADF
from hashlib import sha256
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import literal, select, update

import hub.backup
from contract.delivery.device_states import Connected, Disconnected
from contract.limits import SAFE_AGE_MS
from contract.messages import AUDIT_SAFE, Blob, Fill, Welcome
from hub import tables as t
from hub.archive.photos import erase_photos
from hub.archive.tables import erased_blob
from hub.backup import KEEP, make_backup, note_missing, prune, restore_backup, scheduled_name
from hub.db import DATABASE_FILE
from hub.errors import Refused
from hub.ledger.safety import read_safety
from tests.contract.delivery.memory import Device
from tests.hub.desk import NOW_MS, Desk, connected, open_desk

PHOTO = b"\xff\xd8\xff" + bytes(5000)
DIGEST = sha256(PHOTO).digest()


def _back_up(desk: Desk, folder: Path, number: int = 0) -> Path:
    path = folder / scheduled_name(NOW_MS + number)
    make_backup(desk.centre.db, desk.centre.blobs, path, NOW_MS + number)
    return path


def _send_photo(desk: Desk) -> None:
    desk.say("van-1", Blob(DIGEST, len(PHOTO), 0, PHOTO, sha256(PHOTO).digest()))


def _hello_again(desk: Desk, device: Device) -> Welcome:
    device.mono_ms += 60_000
    device.feed(Disconnected())
    device.feed(Connected())
    (welcome,) = desk.hear("van-1", device.outgoing.pop())
    assert isinstance(welcome, Welcome)
    return welcome


def test_a_backup_of_a_running_hub_holds_everything_and_restores_it(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        device = connected(desk)
        made = [device.scan(b"%d" % n) for n in range(50)]
        desk.settle(device)
        _send_photo(desk)
        path = _back_up(desk, tmp_path)
        device.scan(b"later")
        desk.settle(device)
    assert path.stat().st_mode & 0o777 == 0o600

    restore_backup(path, tmp_path / "other", NOW_MS)
    with open_desk(tmp_path / "other") as desk:
        assert desk.facts() == made
        assert desk.seen() == dict.fromkeys(made, 1)
        assert desk.centre.blobs.path(DIGEST).read_bytes() == PHOTO
        assert desk.centre.registry.find("van-1") is not None


def test_a_photo_that_is_erased_while_a_backup_is_made_does_not_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_database = hub.backup._copy_database
    copies: list[Path] = []
    with open_desk(tmp_path / "hub") as desk:
        connected(desk)
        _send_photo(desk)
        with desk.centre.db.write() as tx:
            tx.execute(update(t.blob).values(media_type="image/jpeg"))

        def copy_then_erase(source: Path, target: Path) -> None:
            copy_database(source, target)
            copies.append(target)
            erase_photos(desk.centre.db, desk.centre.blobs, NOW_MS + 1, NOW_MS)

        monkeypatch.setattr("hub.archive.photos._held", lambda: literal(value=False))
        monkeypatch.setattr(hub.backup, "_copy_database", copy_then_erase)
        backup = _back_up(desk, tmp_path)
        assert (len(copies), len(desk.rows(erased_blob))) == (2, 1)
    assert restore_backup(backup, tmp_path / "new", NOW_MS) is None
    with open_desk(tmp_path / "new") as restored:
        assert [row["sha256"] for row in restored.rows(erased_blob)] == [DIGEST]
        assert restored.rows(t.blob) == []


def test_a_photo_whose_file_is_gone_and_was_never_erased_ends_a_backup(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        connected(desk)
        _send_photo(desk)
        desk.centre.blobs.path(DIGEST).unlink()
        with pytest.raises(Refused, match="No such file"):
            _back_up(desk, tmp_path)


def test_f047_devices_send_a_restored_hub_what_its_backup_lacks(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        device = connected(desk)
        device.scan(b"1")
        desk.settle(device)
        path = _back_up(desk, tmp_path)
        device.scan(b"2")
        desk.settle(device)
        everything = desk.facts()
    aside = restore_backup(path, tmp_path / "hub", NOW_MS)
    assert aside is not None
    assert aside.exists()
    with open_desk(tmp_path / "hub") as desk:
        device.feed(Disconnected())
        device.feed(Connected())
        desk.settle(device)
        assert desk.facts() == everything
        assert desk.incidents() == {"hub_regressed"}


def test_a_damaged_attachment_of_a_backup_takes_no_whole_ones_place(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        connected(desk)
        _send_photo(desk)
        path = _back_up(desk, tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(PHOTO) + 100] ^= 1
    path.write_bytes(damaged)

    restore_backup(path, tmp_path / "hub", NOW_MS)
    with open_desk(tmp_path / "hub") as desk:
        assert desk.centre.blobs.path(DIGEST).read_bytes() == PHOTO
    restore_backup(path, tmp_path / "other", NOW_MS)
    with open_desk(tmp_path / "other") as desk:
        assert desk.rows(t.blob) == []
        assert desk.incidents() == {"hub_regressed"}


class _Died(BaseException):
    """As if the process was killed."""


@pytest.mark.parametrize("step", range(4))
def test_a_restore_that_is_killed_leaves_the_old_database_whole_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    hub = tmp_path / "hub"
    with open_desk(hub) as desk:
        device = connected(desk)
        device.scan(b"1")
        desk.settle(device)
        path = _back_up(desk, tmp_path)
        restored = desk.facts()
        device.scan(b"2")
        desk.settle(device)
        everything = desk.facts()
        # What a killed hub leaves behind: its latest commits are in the log only.
        shutil.copytree(hub, tmp_path / "killed")
    moves = iter(range(100))

    def dying(of: Callable[..., object]) -> Callable[..., object]:
        def move(source: Path, *to: Path | str) -> object:
            is_move = (
                str(source).startswith(str(tmp_path / "killed" / DATABASE_FILE)) or Path(to[0]).name == DATABASE_FILE
            )
            if is_move and next(moves) == step:
                raise _Died
            return of(source, *to)

        return move

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dying(Path.rename))
        patch.setattr("os.link", dying(os.link))
        with suppress(_Died):
            restore_backup(path, tmp_path / "killed", NOW_MS)
    with open_desk(tmp_path / "killed") as desk:
        assert desk.facts() in (restored, everything)
        assert desk.centre.registry.find("van-1") is not None
    restore_backup(path, tmp_path / "killed", NOW_MS + 1)
    with open_desk(tmp_path / "killed") as desk:
        assert desk.facts() == restored


def test_restore_is_refused_while_a_hub_runs_and_for_what_is_no_backup(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        path = _back_up(desk, tmp_path)
        with pytest.raises(Refused, match="in use by another hub process"):
            restore_backup(path, tmp_path / "hub", NOW_MS)
    junk = tmp_path / "junk.tar"
    junk.write_bytes(b"no tar at all")
    with pytest.raises(Refused, match="is no backup of a hub"):
        restore_backup(junk, tmp_path / "hub", NOW_MS)
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as tar:
        tar.add(junk, "../../etc/passwd")
    with pytest.raises(Refused, match="does not belong in a backup"):
        restore_backup(evil, tmp_path / "hub", NOW_MS)
    with open_desk(tmp_path / "hub") as desk:
        assert desk.centre.registry.active() == []


def test_a_backup_never_takes_the_place_of_another_file(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        path = _back_up(desk, tmp_path)
        with pytest.raises(Refused, match="exists"):
            make_backup(desk.centre.db, desk.centre.blobs, path, NOW_MS)


def test_p7_two_backups_by_one_name_are_one_file_and_one_file_makes_nothing_safe(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub", with_backups=True) as desk:
        device = connected(desk)
        device.store.releasable = True
        made = device.scan(b"1")
        desk.settle(device)
        for _ in range(3):
            path = _back_up(desk, tmp_path, 1)
            assert _hello_again(desk, device).safe == ()
            path.unlink()
        _back_up(desk, tmp_path, 1)
        _back_up(desk, tmp_path, 2)
        assert _hello_again(desk, device).safe == (made,)


def test_of_two_backups_to_one_file_at_the_same_time_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[str] = []
    read_back = hub.backup._read_back

    with open_desk(tmp_path / "hub") as desk:

        def second() -> None:
            try:
                _back_up(desk, tmp_path)
            except Refused as error:
                refused.append(str(error))

        other = Thread(target=second)

        def meanwhile(*seen: Path | list[bytes]) -> None:
            monkeypatch.setattr("hub.backup._read_back", read_back)
            other.start()
            # It waits for the first, or would be through by then.
            other.join(1)
            read_back(*seen)  # type: ignore[arg-type]  # as it was called

        monkeypatch.setattr("hub.backup._read_back", meanwhile)
        path = _back_up(desk, tmp_path)
        other.join()
        assert refused == [f"{path} exists; choose another name"]
        assert len(desk.rows(t.backup)) == 1


@pytest.mark.parametrize("read", [bytes(10_240), b"\x7f" * 10_240, b""], ids=["zeros", "noise", "nothing"])
def test_a_backup_that_does_not_read_as_it_was_written_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: bytes
) -> None:
    with open_desk(tmp_path / "hub") as desk:
        connected(desk)
        monkeypatch.setattr("hub.backup._write_tar", lambda path, *_: path.write_bytes(read))
        with pytest.raises(Refused, match=r"backup to .* failed|was not written as it is here"):
            _back_up(desk, tmp_path)
        assert desk.rows(t.backup) == []
        assert list(tmp_path.glob("*.tar")) == []


def test_a_backup_goes_to_a_network_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def as_nfs_does(descriptor: int, operation: int) -> None:
        # flock(2): NFS locks by byte ranges, and so exclusively only what is open for writing.
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(EBADF, os.strerror(EBADF))
        flock(descriptor, operation)

    with open_desk(tmp_path / "hub") as desk:
        monkeypatch.setattr(fcntl, "flock", as_nfs_does)
        assert _back_up(desk, tmp_path).exists()


def test_a_damaged_ledger_is_never_called_backed_up(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        device = connected(desk)
        device.scan(b"1")
        desk.settle(device)
        with desk.centre.db.write() as tx:
            tx.execute(update(t.fact).values(core=b"changed"))
        with pytest.raises(Refused, match="would hold a damaged ledger"):
            _back_up(desk, tmp_path)
        assert desk.rows(t.backup) == []
        assert list(tmp_path.glob("*.tar")) == []


def test_a_backup_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        connected(desk)
        (tmp_path / "backups").mkdir()
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        try:
            with pytest.raises(Refused, match="failed"):
                _back_up(desk, tmp_path / "backups")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert list((tmp_path / "backups").iterdir()) == []
        assert desk.rows(t.backup) == []


def test_p2_f049_safe_is_what_each_of_the_two_newest_backups_holds(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub", with_backups=True) as desk:
        device = connected(desk)
        device.store.releasable = True
        old = device.scan(b"old")
        desk.settle(device)
        assert _hello_again(desk, device).safe == ()
        first = _back_up(desk, tmp_path, 1)
        assert _hello_again(desk, device).safe == ()
        new = device.scan(b"new")
        desk.settle(device)
        _back_up(desk, tmp_path, 2)
        welcome = _hello_again(desk, device)
        assert welcome.safe == (old,)
        assert AUDIT_SAFE in welcome.audit
        _back_up(desk, tmp_path, 3)
        assert set(_hello_again(desk, device).safe) == {old, new}

        first.unlink()
        (tmp_path / scheduled_name(NOW_MS + 3)).unlink()
        assert note_missing(desk.centre.db, NOW_MS) == 2
        assert _hello_again(desk, device).safe == ()


def test_p7_a_photo_is_not_safe_by_the_number_of_one_whose_file_was_lost(tmp_path: Path) -> None:
    other = PHOTO + b"other"
    with open_desk(tmp_path / "hub", with_backups=True) as desk:
        connected(desk)
        _send_photo(desk)
        _back_up(desk, tmp_path, 1)
        _back_up(desk, tmp_path, 2)
        desk.centre.blobs.path(DIGEST).unlink()
    with open_desk(tmp_path / "hub", with_backups=True) as desk:
        digest = sha256(other).digest()
        desk.say("van-1", Blob(digest, len(other), 0, other, digest))
        with desk.centre.db.read() as tx:
            safety = read_safety(tx, NOW_MS, with_backups=True)
            kept = tx.execute(select(t.blob.c.seq, t.blob.c.kept_ms)).one()
        assert not safety.blob(*kept)


def test_content_that_replaced_a_tombstone_is_safe_only_with_later_backups(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub", with_backups=True) as desk:
        device = connected(desk)
        made = device.scan(b"1")
        device.store.lanes[next(iter(device.store.lanes))].positions[0].cause = "corrupt"
        core = device.store.cores.pop(made)
        device.outgoing.clear()
        device.mono_ms += 10_000
        device.feed(Disconnected())
        device.feed(Connected())
        desk.settle(device)
        assert desk.rows(t.fact)[0]["cause"] == "corrupt"
        _back_up(desk, tmp_path, 1)
        _back_up(desk, tmp_path, 2)
        device.store.cores[made] = core
        device.store.releasable = True
        assert _hello_again(desk, device).safe == ()
        desk.say("van-1", Fill((core,)))
        assert desk.facts() == [made]
        assert desk.seen() == {made: 1}
        assert _hello_again(desk, device).safe == ()
        _back_up(desk, tmp_path, 3)
        _back_up(desk, tmp_path, 4)
        assert _hello_again(desk, device).safe == (made,)


def test_without_backups_what_was_committed_long_ago_is_safe(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        device.store.releasable = True
        made = device.scan(b"1")
        desk.settle(device)
        assert _hello_again(desk, device).safe == ()
    with open_desk(tmp_path, now_ms=NOW_MS + SAFE_AGE_MS + 1) as desk:
        assert _hello_again(desk, device).safe == (made,)


def test_old_backups_are_removed_and_the_newest_stay(tmp_path: Path) -> None:
    with open_desk(tmp_path / "hub") as desk:
        paths = [_back_up(desk, tmp_path, n) for n in range(KEEP + 3)]
        assert set(prune(desk.centre.db, tmp_path, NOW_MS)) == set(paths[:3])
        assert sorted(tmp_path.glob("*.tar")) == paths[3:]
        assert [r["removed_ms"] is None for r in desk.rows(t.backup)] == [False] * 3 + [True] * KEEP


def test_backups_of_a_disk_that_was_away_for_a_while_count_no_more_and_are_removed_in_their_turn(
    tmp_path: Path,
) -> None:
    folder, away = tmp_path / "disk", tmp_path / "away"
    folder.mkdir()
    with open_desk(tmp_path / "hub") as desk:
        before = [_back_up(desk, folder, n) for n in range(KEEP)]
        folder.rename(away)
        assert note_missing(desk.centre.db, NOW_MS) == KEEP
        away.rename(folder)
        after = [_back_up(desk, folder, KEEP + n) for n in range(3)]
        assert set(prune(desk.centre.db, folder, NOW_MS)) == set(before[:3])
        assert sorted(folder.glob("*.tar")) == [*before[3:], *after]
        assert prune(desk.centre.db, folder, NOW_MS) == []


def test_what_a_killed_hub_began_to_write_goes_with_the_next_backup_and_that_of_a_running_one_stays(
    tmp_path: Path,
) -> None:
    dead, alive = tmp_path / ".copy-of-hub-dead", tmp_path / ".copy-of-hub-alive"
    for rest in (dead, alive):
        rest.mkdir()
        (rest / DATABASE_FILE).write_bytes(b"half")
    descriptor = os.open(alive / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with open_desk(tmp_path / "hub") as desk:
            path = _back_up(desk, tmp_path)
        assert path.exists()
        assert not dead.exists()
        assert alive.exists()
    finally:
        os.close(descriptor)
