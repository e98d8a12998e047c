"""One word for the cold of a device: the worst of its sensors."""

import pytest

from contract.cold_verdict import ColdVerdict, least_left_s, worst_verdict
from contract.coldchain.findings import Budget
from contract.local import ColdState, SensorCold


def sensor(state: ColdState = ColdState.INSIDE, *budgets: Budget) -> SensorCold:
    return SensorCold("van-1.probe.air", "fridge", state, budgets)


INSIDE = sensor(ColdState.INSIDE, Budget("warm", 60_000, 600_000))
NO_TIME_ALLOWED = Budget("hot", 0, 0)


@pytest.mark.parametrize(
    ("sensors", "verdict", "left_s"),
    [
        ((), None, None),
        ((INSIDE,), ColdVerdict.INSIDE, 540),
        ((INSIDE, sensor(ColdState.ABOVE, Budget("warm", 70_000, 600_000))), ColdVerdict.ABOVE, 530),
        ((sensor(ColdState.BELOW), INSIDE), ColdVerdict.BELOW, 540),
        ((sensor(ColdState.NO_DATA), sensor(ColdState.ABOVE)), ColdVerdict.NO_DATA, None),
        (
            (sensor(ColdState.INSIDE, Budget("warm", 600_000, 600_000)), sensor(ColdState.NO_DATA)),
            ColdVerdict.EXCEEDED,
            0,
        ),
        ((sensor(ColdState.INSIDE, NO_TIME_ALLOWED),), ColdVerdict.INSIDE, None),
        ((sensor(ColdState.ABOVE, Budget("hot", 1, 0)),), ColdVerdict.EXCEEDED, 0),
    ],
)
def test_the_worst_sensor_speaks_for_all(
    sensors: tuple[SensorCold, ...], verdict: ColdVerdict | None, left_s: int | None
) -> None:
    assert (worst_verdict(sensors), least_left_s(sensors)) == (verdict, left_s)
