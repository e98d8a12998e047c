"""Judging whole blocks of readings at once is the same as judging them one by one."""

from hypothesis import given
from hypothesis import strategies as st

from contract.coldchain.engine import judge
from contract.coldchain.presets import PRESETS
from hub.trips.judging import judge_list
from tests.hub.folding import T0

S_MS = 1_000


@given(
    st.lists(st.tuples(st.integers(1, 1_200), st.one_of(st.none(), st.integers(-1_200, 1_500))), max_size=600),
    st.integers(0, 3_000),
    st.sampled_from(sorted(PRESETS)),
)
def test_judging_by_blocks_is_judging_one_by_one(steps: list[tuple[int, int | None]], rest_s: int, name: str) -> None:
    at_ms, readings = T0, []
    for wait_s, value in steps:
        at_ms += wait_s * S_MS
        readings.append((at_ms, value))
    to_ms = at_ms + rest_s * S_MS

    assert judge_list(PRESETS[name], readings, T0, to_ms) == judge(PRESETS[name], readings, T0, to_ms)
