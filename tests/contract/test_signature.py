"""Drawings of signatures, from their strokes alone."""

import pytest

from contract.signature import PEN_WIDTH, Signature, svg_of


@pytest.mark.parametrize("touched", [1, 3])
def test_a_touch_without_a_move_is_a_dot(touched: int) -> None:
    drawn = svg_of(Signature(5_000, (((5_000, 2_500, 500),) * touched, ((1_000, 1_000, 0), (9_000, 4_000, 300)))))

    assert f'<circle cx="5000" cy="2500" r="{PEN_WIDTH // 2}" fill="#000" stroke="none"/>' in drawn
    assert drawn.count("polyline") == 1


def test_a_stroke_without_points_draws_nothing() -> None:
    assert svg_of(Signature(5_000, ((),))).endswith("></g></svg>")
