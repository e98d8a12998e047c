"""Routes and manifests at their bounds, from the hub's document to the courier's list; beyond them nothing is changed."""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from msgspec.structs import replace

from agent.inbox import Inbox
from agent.manifest import DocumentPlan
from agent.parts import open_inbox
from contract.event import Step, Verdict
from contract.limits import MAX_DOCUMENT_PARTS, MAX_WIRE_BYTES
from contract.local import MAX_DRAFT_BYTES, DocumentHappened
from contract.messages import Document, DocumentVersion, encode_message
from contract.route import (
    MANIFEST_DOCUMENT,
    MAX_MANIFEST,
    MAX_STOPS,
    ROUTE_DOCUMENT,
    Manifest,
    ManifestEntry,
    Route,
    decode_route,
    encode_manifest,
    encode_route,
)
from hub.documents import parts
from hub.routes import assigning
from mobile_ui.core.courier import Courier
from tests.agent.memory_wire import MemoryShelf
from tests.hub.routes.dispatching import DAY, Dispatch, order
from tests.mobile_ui.kit import NOON_MS, FakeAgent, route

R1, R2 = f"{DAY}-van-1", f"{DAY}-van-2"
WORK_S = 10.0
"""What takes a tenth of it on a quiet machine."""


def take_all(inbox: Inbox, kind: str, version: int, data: bytes) -> list[Document]:
    """The document over the wire; its messages."""
    messages = parts(kind, version, data)
    assert len(messages) <= MAX_DOCUMENT_PARTS
    assert max(len(encode_message(one)) for one in messages) < MAX_WIRE_BYTES
    done = [inbox.take(one) for one in messages]
    assert [one for one in done if one is not None] == [DocumentVersion(kind, version)]
    return messages


def within(seconds: float, work: Callable[[], object]) -> None:
    began_s = time.monotonic()
    work()
    assert time.monotonic() - began_s < seconds


# -- on the device -----------------------------------------------------------------------------------------------------


def longest(stops: int) -> Route:
    """With notes that nothing makes smaller."""
    random = Random(7)
    plan = route(stops)
    return replace(plan, stops=tuple(replace(one, notes=random.randbytes(500).hex()) for one in plan.stops))


def test_the_longest_route_is_taken_by_the_agent_and_listed_by_the_app(tmp_path: Path) -> None:
    plan = longest(MAX_STOPS)
    data = encode_route(plan)
    shelf = MemoryShelf()
    inbox = open_inbox(lambda: shelf)
    judges = DocumentPlan()

    def arrive() -> None:
        take_all(inbox, ROUTE_DOCUMENT, 1, data)
        judges.resume(inbox.get)

    within(WORK_S, arrive)
    assert judges.check(plan.stops[-1].parcels[0].parcel, Step.LOADED).verdict is Verdict.EXPECTED

    agent = FakeAgent(plan)
    courier = Courier(agent, tmp_path, now_ms=lambda: NOON_MS)
    within(WORK_S, lambda: courier.link_changed(True))
    assert (len(courier.day.stops), courier.changes) == (MAX_STOPS, {})
    # What was seen fits a draft, so a change is one also for an app that was started since.
    assert max(map(len, agent.drafts.values())) < MAX_DRAFT_BYTES
    agent.send_route(longest(MAX_STOPS - 1))
    within(WORK_S, lambda: courier.happened(DocumentHappened(ROUTE_DOCUMENT, 2)))
    again = Courier(agent, tmp_path, now_ms=lambda: NOON_MS)
    again.link_changed(True)
    assert [change.value for change in again.changes.values()] == ["removed"]


def test_the_largest_manifest_is_taken_and_judged_by_and_a_larger_one_changes_nothing() -> None:
    def manifest(entries: int) -> bytes:
        vans = tuple(f"van {n}" for n in range(100))
        return encode_manifest(
            Manifest(DAY, vans, 0, tuple(ManifestEntry(f"{n:018}", n % 100) for n in range(entries)))
        )

    shelf = MemoryShelf()
    inbox = open_inbox(lambda: shelf)
    judges = DocumentPlan()

    def arrive() -> None:
        take_all(inbox, MANIFEST_DOCUMENT, 1, manifest(MAX_MANIFEST))
        judges.resume(inbox.get)

    within(WORK_S, arrive)
    take_all(inbox, MANIFEST_DOCUMENT, 2, manifest(MAX_MANIFEST + 1))
    restarted = DocumentPlan()
    restarted.resume(open_inbox(lambda: shelf).get)
    for plan in (judges, restarted):
        check = plan.check(f"{MAX_MANIFEST - 1:018}", Step.LOADED)
        assert (check.verdict, check.vehicle) == (Verdict.WRONG_ROUTE, "van 99")


# -- at the hub --------------------------------------------------------------------------------------------------------


@pytest.fixture
def given(desk: Dispatch) -> Dispatch:
    """Two vans with a stop each, both given."""
    for name in ("van-1", "van-2"):
        desk.device(name)
        desk.van(name, name)
    desk.ships(order(1), order(2), order(3))
    desk.ask("POST", "/routes", json={"day": DAY, "optimise": False})
    stops = [one["stop"] for one in desk.ask("GET", "/shipments")["items"]]
    for name, mine in ((R1, stops[:1]), (R2, stops[1:2])):
        desk.ask("PATCH", f"/routes/{name}", json={"stops": mine})
        desk.ask("POST", f"/routes/{name}/assign", json={})
    desk.ask("PATCH", f"/routes/{R1}", json={"stops": [stops[0], stops[2]]})
    desk.clock.ms += 60_000
    return desk


def documents(desk: Dispatch) -> list[tuple[int, bytes]]:
    return [
        desk.document(device, kind) for device in ("van-1", "van-2") for kind in (ROUTE_DOCUMENT, MANIFEST_DOCUMENT)
    ]


@pytest.mark.parametrize(
    ("bound", "most", "why"),
    [
        ("MAX_STOPS", 1, "2 stops; a device takes a route of at most 1, so split it"),
        ("MAX_MANIFEST", 2, "3 parcels leave that day; a manifest holds 2"),
        ("MAX_DOCUMENT_PARTS", 0, "the route takes "),
    ],
)
def test_what_is_beyond_a_bound_is_refused_with_the_bound_and_changes_nothing(
    given: Dispatch, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, why: str
) -> None:
    before, decided = documents(given), len(given.hub.decisions)
    known = given.route()
    monkeypatch.setattr(assigning, bound, most)
    refused = given.ask("POST", f"/routes/{R1}/assign", 409, json={})

    assert refused["detail"].startswith(why)
    assert documents(given) == before
    assert (given.route()["version"], given.route()["stale"]) == (known["version"], True)
    assert len(given.hub.decisions) == decided
    monkeypatch.undo()
    given.ask("POST", f"/routes/{R1}/assign", json={})
    told = decode_route(given.document("van-1", ROUTE_DOCUMENT)[1])
    assert told is not None
    assert len(told.stops) == 2


def test_a_manifest_of_keys_too_long_for_a_document_is_refused_and_changes_nothing(
    given: Dispatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = documents(given)
    # As if it held 100,000 keys of 256 characters.
    monkeypatch.setattr(assigning, "encode_manifest", lambda _manifest: bytes(17 * 1024 * 1024))
    refused = given.ask("POST", f"/routes/{R1}/assign", 409, json={})

    assert refused["detail"] == "document 'manifest' of 17825792 bytes; at most 16777216 fit"
    assert documents(given) == before
