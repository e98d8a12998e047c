"""Which gaps of a mean kinetic temperature are named to a person."""

from contract.coldchain.findings import NoData
from hub.coldchain.means import means

HOUR_MS = 3_600_000


def test_only_gaps_of_a_second_and_more_are_named() -> None:
    readings = [(at_ms, 500) for at_ms in range(400, HOUR_MS // 2, 60_000)]
    mean, _ = means(readings, 0, HOUR_MS, no_data_s=900)

    assert mean.result.no_data[0] == NoData(0, 400)
    assert mean.gaps == mean.result.no_data[1:]
    assert len(mean.gaps) == 1
