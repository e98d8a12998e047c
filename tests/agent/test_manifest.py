"""Scans judged by the hub's documents: at once when they come, over restarts, and by the route before an older manifest."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.inbox import StoredDocument
from agent.manifest import DocumentPlan, NoPlan
from contract.event import Damage, Scan, Status, Step, Verdict
from contract.messages import Document
from contract.route import (
    MANIFEST_DOCUMENT,
    ROUTE_DOCUMENT,
    Manifest,
    ManifestEntry,
    Route,
    ScanCheck,
    Stop,
    StopParcel,
    Task,
    TaskKind,
    encode_manifest,
    encode_route,
)
from tests.agent.agent_process import run_json, write_config

MANIFEST = Manifest("2026-03-02", ("van 12", "van 31"), 0, (ManifestEntry("A", 0), ManifestEntry("B", 1)))
ROUTE = Route(
    "r7", "Route 7", "2026-03-02", "van 12", stops=(Stop("7", "Wang", "Zhongshan Rd", parcels=(StopParcel("C"),)),)
)


def manifest(version: int = 1, what: Manifest | None = MANIFEST) -> StoredDocument:
    return StoredDocument(version, b"" if what is None else encode_manifest(what))


def route(what: Route = ROUTE) -> StoredDocument:
    return StoredDocument(1, encode_route(what))


@pytest.fixture
def refused() -> list[str]:
    return []


@pytest.fixture
def plan(refused: list[str]) -> DocumentPlan:
    return DocumentPlan(refused.append)


def test_without_documents_nothing_is_judged(plan: DocumentPlan) -> None:
    assert plan.check("A", Step.LOADED) == NoPlan().check("A", Step.LOADED) == ScanCheck(Verdict.UNKNOWN)


@pytest.mark.parametrize(
    ("parcel", "step", "expected"),
    [
        ("A", Step.LOADED, ScanCheck(Verdict.EXPECTED, "van 12")),
        ("B", Step.LOADED, ScanCheck(Verdict.WRONG_ROUTE, "van 31")),
        ("B", Step.RECEIVED, ScanCheck(Verdict.EXPECTED, "van 31")),
        ("X", Step.LOADED, ScanCheck(Verdict.UNEXPECTED)),
        ("C", Step.LOADED, ScanCheck(Verdict.EXPECTED, "van 12")),
        ("B", Step.RETURNED, ScanCheck(Verdict.UNKNOWN, "van 31")),
    ],
)
def test_a_parcel_is_judged_by_manifest_and_route(
    plan: DocumentPlan, parcel: str, step: Step, expected: ScanCheck
) -> None:
    plan.arrived(MANIFEST_DOCUMENT, manifest())
    plan.arrived(ROUTE_DOCUMENT, route())

    assert plan.check(parcel, step) == expected


def test_a_parcel_that_is_to_be_fetched_is_expected_in_this_van(plan: DocumentPlan) -> None:
    fetched = (Task("t1", TaskKind.COLLECT, parcel="P"), Task("t2", TaskKind.TAKE_BACK, "Fridge"))
    plan.arrived(MANIFEST_DOCUMENT, manifest())
    plan.arrived(ROUTE_DOCUMENT, route(replace(ROUTE, stops=(replace(ROUTE.stops[0], tasks=fetched),))))

    assert plan.check("P", Step.OUT_FOR_DELIVERY) == ScanCheck(Verdict.EXPECTED, "van 12")
    assert plan.check("", Step.OUT_FOR_DELIVERY) == ScanCheck(Verdict.UNEXPECTED)


def test_a_route_alone_judges_what_leaves_with_the_van(plan: DocumentPlan) -> None:
    plan.arrived(ROUTE_DOCUMENT, route())

    assert plan.check("C", Step.LOADED).verdict is Verdict.EXPECTED
    assert plan.check("A", Step.LOADED).verdict is Verdict.UNEXPECTED
    assert plan.check("A", Step.RECEIVED).verdict is Verdict.UNKNOWN


def test_a_parcel_of_a_cancelled_stop_is_not_to_be_loaded(plan: DocumentPlan) -> None:
    cancelled = Stop("7", "Wang", "Zhongshan Rd", parcels=(StopParcel("C"),), cancelled=True)
    plan.arrived(ROUTE_DOCUMENT, route(Route("r7", "Route 7", "2026-03-02", stops=(cancelled,))))

    assert plan.check("C", Step.LOADED).verdict is Verdict.UNEXPECTED


def test_a_newer_document_takes_the_place_of_the_one_before_and_an_empty_one_ends_it(plan: DocumentPlan) -> None:
    plan.arrived(MANIFEST_DOCUMENT, manifest())
    plan.arrived(MANIFEST_DOCUMENT, manifest(2, Manifest("2026-03-02", ("van 31",), 0, (ManifestEntry("B", 0),))))
    assert plan.check("B", Step.LOADED) == ScanCheck(Verdict.EXPECTED, "van 31")

    plan.arrived(MANIFEST_DOCUMENT, manifest(3, None))
    assert plan.check("B", Step.LOADED) == ScanCheck(Verdict.UNKNOWN)


def test_an_unreadable_document_is_refused_by_name_and_the_one_before_stays(
    plan: DocumentPlan, refused: list[str]
) -> None:
    plan.arrived(MANIFEST_DOCUMENT, manifest())
    plan.arrived(MANIFEST_DOCUMENT, StoredDocument(2, b"\xc1"))
    plan.arrived("coldchain", StoredDocument(1, b"\xc1"))

    assert plan.check("A", Step.LOADED) == ScanCheck(Verdict.EXPECTED, "van 12")
    assert len(refused) == 1
    assert refused[0].startswith("manifest 2: not a manifest")


def test_a_plan_goes_on_after_a_restart_and_says_nothing_of_what_it_could_not_read_then(
    plan: DocumentPlan, refused: list[str]
) -> None:
    stored = {MANIFEST_DOCUMENT: manifest(), ROUTE_DOCUMENT: StoredDocument(1, b"\xc1")}
    plan.resume(stored.get)

    assert plan.check("B", Step.LOADED).verdict is Verdict.WRONG_ROUTE
    assert refused == []


@pytest.mark.parametrize(
    "data", [b"\xc1", encode_manifest(MANIFEST)[:-1], encode_manifest(MANIFEST).replace(b"van", b"v\xffn")]
)
def test_whatever_a_document_holds_a_plan_refuses_it_and_goes_on(
    plan: DocumentPlan, refused: list[str], data: bytes
) -> None:
    plan.arrived(MANIFEST_DOCUMENT, manifest())
    for kind in (MANIFEST_DOCUMENT, ROUTE_DOCUMENT):
        plan.arrived(kind, StoredDocument(2, data))

    assert plan.check("A", Step.LOADED) == ScanCheck(Verdict.EXPECTED, "van 12")
    assert len(refused) == 2


def test_a_scan_for_another_van_is_kept_unexpected_and_names_it(tmp_path: Path) -> None:
    from agent.config import load_config  # noqa: PLC0415 the same
    from agent.device import Agent  # noqa: PLC0415 it is heavy

    path = write_config(tmp_path)
    agent = Agent(load_config(path), path)
    try:
        agent.start()
        agent._inbox.take(Document(MANIFEST_DOCUMENT, 1, 0, 1, encode_manifest(MANIFEST)))
        first = agent._capture.scan_by_hand(b"B", Step.LOADED)
        agent._inbox.take(Document(MANIFEST_DOCUMENT, 2, 0, 1, b"\xc1"))
        stated = [one.fact.event for one in agent._outbox.listing(10) if one.fact is not None]
    finally:
        agent.stop()

    assert (first.verdict, first.vehicle) == (Verdict.WRONG_ROUTE, "van 31")
    assert any(isinstance(e, Status) and isinstance(e.detail, Damage) for e in stated)
    assert any(isinstance(e, Scan) and e.verdict is Verdict.WRONG_ROUTE for e in stated)
    # The command judges by the same documents while no agent runs: the one that cannot be read is not in force.
    told = run_json("scan", "A", "--step", "loaded", "--config", path)
    assert (told["verdict"], told["vehicle"]) == ("expected", "van 12")
