"""Lines of the log: one per event, whatever the values hold."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import Credential
from agent.log import VARIABLE, Log, escape


def test_an_event_is_one_line_of_keys_and_values() -> None:
    out = io.StringIO()

    Log("uplink", out).info("connected", host="hub.example", tries=3, why="no answer")

    line = out.getvalue()
    assert line.endswith(' level=info part=uplink event=connected host=hub.example tries=3 why="no answer"\n')
    assert line.startswith("at=2")


@given(st.text())
def test_f079_no_value_breaks_out_of_its_line_or_its_quotes(text: str) -> None:
    escaped = escape(text)

    assert escaped.isascii()
    assert escaped.isprintable()
    if escaped.startswith('"'):
        assert escaped.endswith('"')
        assert '"' not in escaped[1:-1].replace("\\\\", "").replace('\\"', "")


def test_a_secret_does_not_come_into_a_line() -> None:
    assert escape(Credential(b"k" * 32)) == '"Credential(hidden)"'


def test_a_closed_stream_stops_no_work() -> None:
    out = io.StringIO()
    out.close()

    Log("x", out).error("lost")


def test_debug_lines_appear_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    Log("x", out).debug("one")
    monkeypatch.setenv(VARIABLE, "debug")
    Log("x", out).debug("two")

    assert "event=two" in out.getvalue()
    assert "event=one" not in out.getvalue()
