"""What an excursion means to whoever looks at a page."""

from typing import Any

import pytest
from msgspec.structs import replace

from contract.coldchain.presets import PRESETS
from contract.coldchain.profile import Side
from hub.coldchain.excursions import Acknowledgement, ChangeView, ExcursionKind, ExcursionView, Found
from hub.pages.verdicts import SIGNS, allowed_ms, steps_of, verdict_of
from hub.web.i18n import catalogue

FOUND = Found(1_000, 2_000, None, 910, 900, 2_500, None, withdrawn=False)
SEEN = Acknowledgement("w.chen", "door", 9_000, covers=True)


def view(kind: ExcursionKind = ExcursionKind.EXCURSION, side: Side | None = Side.ABOVE, **found: Any) -> ExcursionView:
    acknowledged = found.pop("acknowledged", None)
    told = replace(FOUND, **found)
    return ExcursionView(
        "x", "van-1.rear", "van-1", kind, "above 8", side, 800, "pharma-2-8", 1_500, 2_500, told, acknowledged
    )


@pytest.mark.parametrize(
    ("seen", "level", "sign", "word"),
    [
        (view(), "alarm", "▲", "above the limit"),
        (view(side=Side.BELOW), "alarm", "▼", "below the limit"),
        (view(alarm_ms=None), "attention", "◆", "above the limit, still allowed"),
        (view(ended_ms=3_000), "past", "!", "was above the limit"),
        (view(ended_ms=3_000, alarm_ms=None), "ok", "·", "was above the limit, allowed"),
        (view(ExcursionKind.NO_DATA, side=None, alarm_ms=None), "silence", "?", "no data"),
        (view(ExcursionKind.NO_DATA, side=None, alarm_ms=None, ended_ms=3_000), "past", "!", "there was no data"),
        (view(withdrawn=True), "ok", "\u2013", "withdrawn: what came later shows that it never was"),
    ],
)
def test_each_kind_of_finding_has_a_colour_a_sign_and_a_word(
    seen: ExcursionView, level: str, sign: str, word: str
) -> None:
    verdict = verdict_of(seen)
    assert (verdict.level, verdict.sign, verdict.word, verdict.acknowledged) == (level, sign, word, False)
    assert word in catalogue("zh").texts


def test_what_is_acknowledged_keeps_its_sign_until_it_grows() -> None:
    assert verdict_of(view(acknowledged=SEEN)).acknowledged
    assert not verdict_of(view(acknowledged=replace(SEEN, covers=False))).acknowledged


def test_no_two_levels_share_a_sign() -> None:
    assert len(set(SIGNS.values())) == len(SIGNS)


def test_the_allowed_time_is_that_of_its_own_limit() -> None:
    assert allowed_ms(view(), PRESETS["pharma-2-8"]) == 1_800_000
    assert allowed_ms(view(), PRESETS["crt-20-25"]) is None
    assert allowed_ms(view(), None) is None


def test_the_history_tells_of_each_change_what_was_new() -> None:
    first = replace(FOUND, alarm_ms=None, extreme=820)
    changes = (
        ChangeView(1_500, first),
        ChangeView(2_500, FOUND),
        ChangeView(5_000, replace(FOUND, ended_ms=3_000)),
        ChangeView(6_000, replace(FOUND, started_ms=0, ended_ms=None)),
        ChangeView(7_000, replace(FOUND, withdrawn=True)),
        ChangeView(8_000, FOUND),
    )
    steps = steps_of(changes)
    assert [(step.known_ms, step.news) for step in steps] == [
        (1_500, (("began", 1_000),)),
        (2_500, (("alarm", 2_000), ("extreme", 910))),
        (5_000, (("ended", 3_000),)),
        (6_000, (("begin moved to", 0), ("lasts after all", None))),
        (7_000, (("withdrawn", None),)),
        (8_000, (("found again, began", 1_000), ("alarm", 2_000))),
    ]
    for step in steps:
        for word, _ in step.news:
            assert f"found {word}" in catalogue("en").texts
            assert f"found {word}" in catalogue("zh").texts
