"""Archiving by command and by itself."""

import threading
from pathlib import Path

import pytest

from hub.archive import schedule
from hub.archive.file import ArchiveDamaged
from hub.archive.moving import Archived
from hub.archive.schedule import DAY_MS, archiving
from hub.archive.terms import Terms
from hub.ask import ask
from hub.errors import Refused
from hub.requests import ArchiveFacts, ListArchives, Verify
from tests.hub.archive.test_archive import told
from tests.hub.desk import NOW_MS, open_desk


def test_commands_archive_and_list_over_a_stopped_hub(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        told(desk)
    # The desk's facts are months old by the clock of this machine.
    (made,) = ask(tmp_path, ArchiveFacts(1))
    (row,) = ask(tmp_path, ListArchives())
    assert (made["name"], made["facts"]) == (row["name"], row["facts"])
    assert ask(tmp_path, ArchiveFacts(1)) == []
    assert ask(tmp_path, Verify())["wrong"] == []


def test_a_disk_that_does_not_take_it_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        told(desk)
    (tmp_path / "archive").write_bytes(b"in the way")
    with pytest.raises(Refused, match="the archive cannot be written"):
        ask(tmp_path, ArchiveFacts(1))
    assert ask(tmp_path, Verify())["wrong"] == []


def test_a_hub_archives_at_its_start_what_is_old_enough_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[tuple[int, int]]()
    done = threading.Event()

    def noted(_: object, before_ms: int, now_ms: int) -> list[Archived]:
        asked.append((before_ms, now_ms))
        done.set()
        return []

    monkeypatch.setattr(schedule, "archive_facts", noted)
    with open_desk(tmp_path) as desk, archiving(desk.centre, Terms(facts=30)):
        assert done.wait(10)
    (before_ms, now_ms), *_ = asked
    assert now_ms == NOW_MS
    assert before_ms <= NOW_MS - 30 * DAY_MS


def test_archiving_goes_on_after_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    times = list[int]()
    again = threading.Event()

    def failing(_: object, before_ms: int, __: int) -> list[Archived]:
        times.append(before_ms)
        if len(times) > 1:
            again.set()
            return []
        raise ArchiveDamaged("the disk is broken")

    monkeypatch.setattr(schedule, "archive_facts", failing)
    monkeypatch.setattr(schedule, "EVERY_S", 0.01)
    with open_desk(tmp_path) as desk, archiving(desk.centre, Terms(facts=30)):
        assert again.wait(10)
