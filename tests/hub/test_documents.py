"""Documents for devices: which version goes out, and how a restored hub and its devices come to agree."""

import shutil
from pathlib import Path

import pytest

from agent.inbox import Inbox
from contract.delivery.device_states import Connected, Disconnected
from contract.messages import Document, DocumentVersion, Welcome
from hub.db import Database
from hub.documents import MAX_VERSION, PART_PACE_MS, DocumentPacer, put_document
from hub.schema import open_database as open_schema
from tests.hub.desk import NOW_MS, connected, open_desk

HOUR_MS = 3_600_000


def open_database(folder: Path) -> Database:
    folder.mkdir(exist_ok=True)
    return open_schema(folder)


class Shelf:
    """A device's shelf in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    def put(self, kind: str, name: str, body: bytes) -> None:
        self.kept[kind, name] = body

    def get(self, kind: str, name: str) -> bytes | None:
        return self.kept.get((kind, name))

    def drop(self, kind: str, name: str) -> None:
        del self.kept[kind, name]

    def names(self, kind: str) -> list[str]:
        return [name for of, name in self.kept if of == kind]


def put(database: Database, data: bytes, now_ms: int) -> int:
    with database.write() as tx:
        return put_document(tx, "van-1", "limits", data, now_ms=now_ms)


def hello(database: Database, inbox: Inbox, now_ms: int) -> bytes | None:
    """A device says what it has and takes what it is answered; what is in force there then."""
    with database.write() as tx:
        for part in DocumentPacer().due(tx, "van-1", inbox.versions(), now_ms):
            inbox.take(part)
    document = inbox.get("limits")
    return None if document is None else document.data


@pytest.mark.parametrize("clock_ms", [0, -HOUR_MS], ids=["clock runs on", "clock was set back"])
def test_a_hub_restored_from_a_backup_and_its_device_come_to_agree(tmp_path: Path, clock_ms: int) -> None:
    shelf = Shelf()
    inbox = Inbox(lambda: shelf)
    database = open_database(tmp_path / "hub")
    put(database, b"before the backup", NOW_MS)
    database.close()
    shutil.copytree(tmp_path / "hub", tmp_path / "backup")
    database = open_database(tmp_path / "hub")
    put(database, b"after the backup", NOW_MS + HOUR_MS)
    assert hello(database, inbox, NOW_MS + HOUR_MS) == b"after the backup"
    database.close()

    restored = open_database(tmp_path / "backup")
    later_ms = NOW_MS + HOUR_MS + 60_000 + clock_ms
    assert hello(restored, inbox, later_ms) == b"before the backup"
    put(restored, b"decided since", later_ms)
    assert hello(restored, inbox, later_ms) == b"decided since"
    restored.close()


def test_what_a_restored_hub_decides_is_newer_than_what_it_forgot_before_any_hello(tmp_path: Path) -> None:
    shelf = Shelf()
    inbox = Inbox(lambda: shelf)
    for n, (folder, data) in enumerate([("lost", b"lost"), ("restored", b"decided instead")]):
        database = open_database(tmp_path / folder)
        put(database, b"same in both", NOW_MS)
        put(database, data, NOW_MS + (n + 1) * HOUR_MS)
        assert hello(database, inbox, NOW_MS + (n + 1) * HOUR_MS) == data
        database.close()


def test_a_device_that_has_what_the_hub_has_is_sent_nothing(tmp_path: Path) -> None:
    database = open_database(tmp_path / "hub")
    version = put(database, b"x", NOW_MS)
    assert put(database, b"x", NOW_MS + HOUR_MS) == version
    with database.write() as tx:
        assert DocumentPacer().due(tx, "van-1", [DocumentVersion("limits", version)], NOW_MS) == []
    database.close()


def test_a_device_that_announces_the_highest_number_is_sent_nothing_and_costs_no_message(tmp_path: Path) -> None:
    database = open_database(tmp_path / "hub")
    put(database, b"x", NOW_MS)
    with database.write() as tx:
        assert DocumentPacer().due(tx, "van-1", [DocumentVersion("limits", MAX_VERSION)], NOW_MS) == []
    database.close()


def test_a_document_on_its_way_is_not_sent_again_before_it_should_have_arrived(tmp_path: Path) -> None:
    database = open_database(tmp_path / "hub")
    put(database, b"x" * 100_000, NOW_MS)
    pacer = DocumentPacer()
    with database.write() as tx:
        sent = [len(pacer.due(tx, "van-1", (), NOW_MS + after_ms)) for after_ms in (0, 1, PART_PACE_MS)]
    assert sent == [2, 0, 2]
    database.close()


def test_documents_travel_in_parts_until_the_device_says_it_has_them(tmp_path: Path) -> None:
    with open_desk(tmp_path) as desk:
        device = connected(desk)
        with desk.centre.db.write() as tx:
            assert put_document(tx, "van-1", "route", b"x" * 100_000, now_ms=NOW_MS) == NOW_MS
            assert put_document(tx, "van-1", "route", b"x" * 100_000, now_ms=NOW_MS) == NOW_MS
            assert put_document(tx, "van-1", "route", b"y" * 100_000, now_ms=NOW_MS) == NOW_MS + 1
        device.mono_ms += 60_000
        device.feed(Disconnected())
        device.feed(Connected())
        replies = desk.hear("van-1", device.outgoing.pop())

        assert isinstance(replies[0], Welcome)
        assert [d.version for d in replies[0].documents] == [NOW_MS + 1]
        parts = [r for r in replies if isinstance(r, Document)]
        assert [(p.version, p.part, p.parts) for p in parts] == [(NOW_MS + 1, 0, 2), (NOW_MS + 1, 1, 2)]
        assert b"".join(p.data for p in parts) == b"y" * 100_000
