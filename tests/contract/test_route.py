"""Routes and manifests as documents, how a scan stands to a manifest, and what a newer route changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import Malformed
from contract.event import Step, Verdict
from contract.route import (
    Manifest,
    ManifestEntry,
    Route,
    ScanCheck,
    Stop,
    StopChange,
    StopParcel,
    Window,
    check_scan,
    decode_manifest,
    decode_route,
    encode_manifest,
    encode_route,
    route_changes,
    vehicles_by_parcel,
)

TODAY = Manifest(
    "2026-03-02",
    ("van 3", "van 12"),
    0,
    (ManifestEntry("sscc-1", 0), ManifestEntry("sscc-2", 1), ManifestEntry("s-3", 0)),
)


def route(*stops: Stop) -> Route:
    return Route("r-1", "North", "2026-03-02", stops=stops)


def stop(name: str, **more: object) -> Stop:
    return Stop(name, f"Consignee {name}", f"{name} Street", **more)  # type: ignore[arg-type]  # fields by name


def test_route_comes_out_as_it_went_in() -> None:
    full = route(stop("a", parcels=(StopParcel("sscc-1", "Insulin"),), window=Window(1_000, 2_000), lat_e7=1, lon_e7=2))
    assert decode_route(encode_route(full)) == full
    assert decode_route(b"") is None
    assert decode_manifest(encode_manifest(TODAY)) == TODAY
    assert decode_manifest(b"") is None


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        encode_manifest(TODAY)[:-3],
        encode_manifest(Manifest("2026-03-02", ("van 3",), 1)),
        encode_manifest(Manifest("2026-03-02", ("van 3",), None, (ManifestEntry("sscc-1", 1),))),
    ],
    ids=["noise", "cut short", "mine beyond", "entry beyond"],
)
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode_manifest(data)


@pytest.mark.parametrize(
    ("parcel", "step", "mine", "expected"),
    [
        ("sscc-1", Step.LOADED, 0, ScanCheck(Verdict.EXPECTED, "van 3")),
        ("sscc-2", Step.LOADED, 0, ScanCheck(Verdict.WRONG_ROUTE, "van 12")),
        ("sscc-2", Step.LOADED, None, ScanCheck(Verdict.EXPECTED, "van 12")),
        ("sscc-2", Step.RECEIVED, 0, ScanCheck(Verdict.EXPECTED, "van 12")),
        ("sscc-9", Step.COUNTED, None, ScanCheck(Verdict.UNEXPECTED)),
        ("sscc-9", Step.DELIVERED, 0, ScanCheck(Verdict.UNEXPECTED)),
        ("sscc-9", Step.RETURNED, 0, ScanCheck(Verdict.UNKNOWN)),
    ],
)
def test_scan_is_judged_by_whose_parcel_it_is(parcel: str, step: Step, mine: int | None, expected: ScanCheck) -> None:
    manifest = Manifest(TODAY.day, TODAY.vehicles, mine, TODAY.entries)
    assert check_scan(manifest, vehicles_by_parcel(manifest), parcel, step) == expected


def test_each_stop_that_differs_is_named_with_how() -> None:
    before = route(stop("a"), stop("b"), stop("c"), stop("d"), stop("e"))
    after = route(
        stop("a", eta_ms=5), stop("e"), stop("b", notes="ring twice"), stop("c", cancelled=True), stop("f", eta_ms=9)
    )
    assert route_changes(before, after) == {
        "b": StopChange.CHANGED,
        "c": StopChange.CANCELLED,
        "d": StopChange.REMOVED,
        "e": StopChange.MOVED,
        "f": StopChange.ADDED,
    }


@given(st.permutations("abcdefgh"), st.integers(0, 7))
def test_one_stop_that_was_carried_elsewhere_is_the_one_that_moved(order: list[str], to: int) -> None:
    carried, *others = order
    others.insert(to, carried)
    found = route_changes(route(*map(stop, order)), route(*map(stop, others)))
    # Of two neighbours that changed places either may be told.
    assert len(found) == (0 if others == order else 1)
    assert set(found.values()) <= {StopChange.MOVED}
