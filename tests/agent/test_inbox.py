"""Documents of the hub: parts in any order, versions that only go up, and nothing without a bound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.inbox import MAX_UNFINISHED_BYTES, SHELF, Inbox
from agent.store.errors import Cause, NotKept
from contract.limits import DOCUMENT_PART_BYTES, MAX_DOCUMENT_PARTS, MAX_DOCUMENTS
from contract.messages import Document, DocumentVersion
from tests.agent.memory_wire import MemoryShelf


def _parts(kind: str, version: int, *data: bytes) -> list[Document]:
    return [Document(kind, version, i, len(data), piece) for i, piece in enumerate(data)]


@given(order=st.permutations(range(5)), repeated=st.lists(st.integers(0, 4), max_size=6))
def test_parts_make_the_document_in_any_order_and_however_often(order: list[int], repeated: list[int]) -> None:
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)
    parts = _parts("route", 7, b"a", b"b", b"c", b"d", b"e")
    done = [inbox.take(parts[i]) for i in (*order[:-1], *(r for r in repeated if r != order[-1]), order[-1])]

    assert [d for d in done if d is not None] == [DocumentVersion("route", 7)]
    stored = inbox.get("route")
    assert stored is not None
    assert stored.data == b"abcde"


def test_a_version_that_is_not_newer_is_ignored() -> None:
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)
    inbox.take(*_parts("route", 7, b"new"))

    assert inbox.take(*_parts("route", 7, b"same")) is None
    assert inbox.take(*_parts("route", 6, b"old")) is None
    assert inbox.versions() == (DocumentVersion("route", 7),)
    stored = inbox.get("route")
    assert stored is not None
    assert stored.data == b"new"


def test_parts_of_two_versions_are_never_mixed() -> None:
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)
    old, new = _parts("route", 1, b"o1", b"o2"), _parts("route", 2, b"n1", b"n2")

    assert inbox.take(old[0]) is None
    assert inbox.take(new[1]) is None
    assert inbox.take(old[1]) is None
    assert inbox.take(new[0]) == DocumentVersion("route", 2)


def test_documents_are_there_after_a_restart() -> None:
    shelf = MemoryShelf()
    Inbox(lambda: shelf).take(*_parts("limits", 3, b"x"))

    assert Inbox(lambda: shelf).versions() == (DocumentVersion("limits", 3),)


def test_a_stored_document_that_cannot_be_read_is_asked_for_again() -> None:
    shelf = MemoryShelf()
    Inbox(lambda: shelf).take(*_parts("limits", 3, b"x"))
    shelf.things[SHELF, "limits"] = b"\xc1"

    inbox = Inbox(lambda: shelf)
    assert inbox.versions() == ()
    assert inbox.get("limits") is None


def test_a_part_beyond_the_number_of_parts_is_ignored() -> None:
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)

    assert inbox.take(Document("route", 1, 3, 2, b"")) is None
    assert inbox.take(Document("route", 1, 0, 2, b"")) is None


def test_more_kinds_than_a_hello_can_name_are_ignored() -> None:
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)
    for i in range(MAX_DOCUMENTS):
        inbox.take(*_parts(f"kind-{i}", 1, b""))

    assert inbox.take(*_parts("one-more", 1, b"")) is None
    assert inbox.take(*_parts("kind-0", 2, b"")) == DocumentVersion("kind-0", 2)


def test_unfinished_documents_never_hold_more_than_the_largest_one() -> None:
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)
    piece = bytes(DOCUMENT_PART_BYTES)
    for kind in ("a", "b"):
        for part in range(MAX_DOCUMENT_PARTS * 3 // 4):
            inbox.take(Document(kind, 1, part, MAX_DOCUMENT_PARTS, piece))
            assert sum(u.size for u in inbox._unfinished.values()) <= MAX_UNFINISHED_BYTES


def test_a_document_that_cannot_be_stored_is_not_announced() -> None:
    shelf = MemoryShelf()
    inbox = Inbox(lambda: shelf)

    def full(*_: object) -> None:
        raise NotKept(Cause.FULL, "no room")

    shelf.put = full  # type: ignore[method-assign]  # a full disk
    with pytest.raises(NotKept):
        inbox.take(*_parts("route", 1, b""))
    assert inbox.versions() == ()
