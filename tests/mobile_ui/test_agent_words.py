"""What the agent says in English is said in the app's language where it is known, and as it is where not."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.coldchain.presets import PRESETS
from mobile_ui.core.agent_words import limit_name, refusal
from mobile_ui.core.say import Sentence, say
from mobile_ui.core.words import Words

AGENT = Path(__file__).parents[2] / "agent"
NEVER_SHOWN = {"Only a running agent can be followed."}


def refusals() -> Iterator[str]:
    """Every sentence of the agent's code that refuses a request, with `7` in its places."""
    for file in sorted(AGENT.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        inside = {part for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
        given = {
            argument
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Refused", "NotKept"}
            for argument in node.args
        }
        for node in ast.walk(tree):
            text = _text(node) if node not in inside else ""
            if text.startswith("Not kept: ") or (text and node in given):
                yield text


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return "7" if isinstance(node, ast.FormattedValue) else ""


SAID = sorted(set(refusals()) - NEVER_SHOWN - {""})


def test_all_refusals_were_found() -> None:
    assert len(SAID) >= 18


@pytest.mark.parametrize("said", SAID)
def test_every_refusal_of_the_agent_is_known(said: str) -> None:
    assert isinstance(refusal(said), Sentence), said
    assert Words("en")(refusal(said)) == said
    assert Words("zh")(refusal(said)) != said


def test_what_fills_a_refusal_stays_as_it_is() -> None:
    told = (
        "Not kept: no room on the device for 12.5 MiB of pictures. Leave some out, or wait until others are at the hub."
    )

    assert "12.5 MiB" in Words("zh")(refusal(told))
    assert refusal("Not kept: the moon is full.") == "Not kept: the moon is full."


def test_limits_of_the_profiles_that_come_along_are_said_in_chinese() -> None:
    names = {limit.name for profile in PRESETS.values() for limit in profile.limits}

    assert {name for name in names if not isinstance(limit_name(name), Sentence)} == set()
    assert {name for name in names if Words("en")(limit_name(name)) != name} == set()
    told = [Words("zh")(limit_name(name)) for name in ("above 8", "-0.5 or below", "freezing")]
    assert told == ["高于 8 °C", "-0.5 °C 或以下", "结冰"]
    alarm = say("▲ Cold alarm: {limit}. Look at the van", limit=limit_name("above 8"))
    assert "高于 8 °C" in Words("zh")(alarm)


def test_a_limit_that_people_named_is_theirs() -> None:
    assert [limit_name(name) for name in ("above the shelf", "warm")] == ["above the shelf", "warm"]
