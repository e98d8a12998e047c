"""Where devices are and were."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection

from contract.columns import Position, pack_positions
from contract.event import Positions
from contract.fact import Clock
from hub.errors import ProjectionError
from hub.timeline import TimeSource
from hub.tracking.positions import (
    DevicePosition,
    PositionProjection,
    TrackPoint,
    device_position,
    device_positions,
    track,
)
from tests.hub.folding import T0, Ledger, engine, fix, fold


@pytest.fixture
def tx() -> Iterator[Connection]:
    made = engine()
    with made.connect() as connection:
        yield connection
    made.dispose()


def positions(latitudes: list[int], base_at_ms: int = T0, base_mono_ms: int = 0, step_ms: int = 1_000) -> Positions:
    packed = pack_positions([Position(n * step_ms, lat, 7, 5, 9, 0) for n, lat in enumerate(latitudes)], 1_000)
    return Positions("van-1.gps", base_at_ms, base_mono_ms, 1_000, len(latitudes), packed)


def test_the_latest_position_of_a_device_is_the_latest_measured_not_the_latest_received(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(positions([3, 4], T0 + 10_000), received_ms=T0 + 20_000)
    ledger.add(positions([1, 2]), received_ms=T0 + 30_000)
    fold(tx, ledger.facts)
    last = DevicePosition("van-1", "van-1.gps", T0 + 11_000, TimeSource.DEVICE, T0 + 20_000, 4, 7, 5, 9, 0)

    assert device_position(tx, "van-1") == last
    assert device_positions(tx) == (last,)
    assert device_position(tx, "van-2") is None


def test_a_track_is_in_order_and_thinned_between_its_ends(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(positions([5, 6], T0 + 5_000))
    ledger.add(positions([0, 1, 2, 3, 4]))
    fold(tx, ledger.facts)

    assert [point.lat_e7 for point in track(tx, "van-1", T0 + 1_000, T0 + 5_000)] == [1, 2, 3, 4, 5]
    assert [point.lat_e7 for point in track(tx, "van-1", T0, T0 + 9_000, points=3)] == [0, 3, 6]
    assert track(tx, "van-1", T0, T0)[0] == TrackPoint(T0, 0, 7, 5, 9, 0)


def test_p8_a_clock_fix_moves_a_track(tx: Connection) -> None:
    ledger = Ledger()
    ledger.add(positions([1], 99, 5_000), at_ms=99, mono_ms=5_000, clock=Clock.FREE, received_ms=T0 + 90_000)
    ledger.add(fix(T0, 0), mono_ms=6_000)
    fold(tx, ledger.facts[:1])
    fold(tx, ledger.facts[1:])

    assert [point.at_ms for point in track(tx, "van-1", T0, T0 + 90_000)] == [T0 + 5_000]


@pytest.mark.parametrize(
    "event",
    [positions([1, 2], step_ms=-1), Positions("r", T0, 0, 1_000, 9, b"\x00"), positions([1, 2], step_ms=2**52)],
)
def test_f061_a_block_of_positions_that_cannot_be_meant_is_refused(tx: Connection, event: Positions) -> None:
    with pytest.raises(ProjectionError):
        PositionProjection().fold(tx, [Ledger().add(event)])
