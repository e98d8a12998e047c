"""A document that cannot be read never comes into force, also after a restart, and the hub does not send it again."""

from collections.abc import Callable

import pytest

from agent.inbox import IN_FORCE, Inbox, StoredDocument
from agent.manifest import DocumentPlan
from agent.parts import open_inbox
from agent.store.errors import Cause, NotKept
from contract.coldchain.assignments import COLDCHAIN_DOCUMENT, ColdChainDocument, encode_assignments
from contract.event import Step, Verdict
from contract.messages import Document, DocumentVersion
from contract.route import (
    MANIFEST_DOCUMENT,
    ROUTE_DOCUMENT,
    Manifest,
    ManifestEntry,
    Route,
    encode_manifest,
    encode_route,
)
from tests.agent.memory_wire import MemoryShelf

GOOD = {
    MANIFEST_DOCUMENT: encode_manifest(Manifest("2026-03-02", ("van 12",), 0, (ManifestEntry("A", 0),))),
    ROUTE_DOCUMENT: encode_route(Route("r7", "Route 7", "2026-03-02")),
    COLDCHAIN_DOCUMENT: encode_assignments(ColdChainDocument()),
}
KINDS = sorted(GOOD)
BAD = b"\xc1 of a version that nobody here knows"


@pytest.fixture
def shelf() -> MemoryShelf:
    return MemoryShelf()


def come(inbox: Inbox, kind: str, version: int, data: bytes) -> None:
    assert inbox.take(Document(kind, version, 0, 1, data)) == DocumentVersion(kind, version)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("restarts", [False, True])
def test_the_one_before_stays_in_force_over_several_bad_ones_and_a_restart(
    shelf: MemoryShelf, kind: str, restarts: bool
) -> None:
    inbox = open_inbox(lambda: shelf)
    come(inbox, kind, 1, GOOD[kind])
    for version in (2, 3):
        come(inbox, kind, version, BAD)
        inbox = open_inbox(lambda: shelf) if restarts else inbox
        assert inbox.get(kind) == StoredDocument(1, GOOD[kind])
        # So that the hub does not send it again with each hello.
        assert inbox.versions() == (DocumentVersion(kind, version),)

    come(inbox, kind, 4, GOOD[kind])
    assert inbox.get(kind) == open_inbox(lambda: shelf).get(kind) == StoredDocument(4, GOOD[kind])
    assert shelf.names(IN_FORCE) == []


def test_scans_are_judged_by_the_manifest_in_force_after_a_restart(shelf: MemoryShelf) -> None:
    inbox = open_inbox(lambda: shelf)
    come(inbox, MANIFEST_DOCUMENT, 1, GOOD[MANIFEST_DOCUMENT])
    come(inbox, MANIFEST_DOCUMENT, 2, BAD)
    plan = DocumentPlan()
    plan.resume(open_inbox(lambda: shelf).get)

    assert plan.check("A", Step.LOADED).verdict is Verdict.EXPECTED


def test_a_newer_agent_that_can_read_the_newest_takes_it(shelf: MemoryShelf) -> None:
    inbox = open_inbox(lambda: shelf)
    come(inbox, ROUTE_DOCUMENT, 1, GOOD[ROUTE_DOCUMENT])
    come(inbox, ROUTE_DOCUMENT, 2, BAD)

    assert Inbox(lambda: shelf).get(ROUTE_DOCUMENT) == StoredDocument(2, BAD)


def test_the_first_of_a_kind_that_cannot_be_read_is_told_as_it_came(shelf: MemoryShelf) -> None:
    inbox = open_inbox(lambda: shelf)
    come(inbox, ROUTE_DOCUMENT, 1, BAD)

    assert inbox.get(ROUTE_DOCUMENT) == StoredDocument(1, BAD)
    come(inbox, ROUTE_DOCUMENT, 2, b"")
    assert inbox.get(ROUTE_DOCUMENT) == StoredDocument(2, b"")


def test_a_bad_one_that_could_not_be_kept_changes_nothing(shelf: MemoryShelf) -> None:
    inbox = open_inbox(lambda: shelf)
    come(inbox, ROUTE_DOCUMENT, 1, GOOD[ROUTE_DOCUMENT])

    def full(*_: object) -> None:
        raise NotKept(Cause.FULL, "no room")

    with pytest.raises(NotKept):
        inbox.take(Document(ROUTE_DOCUMENT, 2, 0, 1, BAD), full)
    assert inbox.get(ROUTE_DOCUMENT) == StoredDocument(1, GOOD[ROUTE_DOCUMENT])
    assert inbox.versions() == (DocumentVersion(ROUTE_DOCUMENT, 1),)


def test_there_is_always_one_while_a_readable_one_takes_the_place_of_the_one_in_force(shelf: MemoryShelf) -> None:
    inbox = open_inbox(lambda: shelf)
    come(inbox, ROUTE_DOCUMENT, 1, GOOD[ROUTE_DOCUMENT])
    come(inbox, ROUTE_DOCUMENT, 2, BAD)
    seen: list[StoredDocument | None] = []

    def store(_done: DocumentVersion, put: Callable[[], None]) -> None:
        seen.append(inbox.get(ROUTE_DOCUMENT))
        put()
        seen.append(inbox.get(ROUTE_DOCUMENT))

    inbox.take(Document(ROUTE_DOCUMENT, 3, 0, 1, GOOD[ROUTE_DOCUMENT]), store)

    assert seen == [StoredDocument(version, GOOD[ROUTE_DOCUMENT]) for version in (1, 3)]
