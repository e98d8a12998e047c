"""Lines of the log: one per event, whatever the values hold."""

import io
import logging
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import Credential
from agent.log import VARIABLE, Log, bridge_logging, escape, log_crash


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

    assert out.closed


def test_debug_lines_appear_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    Log("x", out).debug("one")
    monkeypatch.setenv(VARIABLE, "debug")
    Log("x", out).debug("two")

    assert "event=two" in out.getvalue()
    assert "event=one" not in out.getvalue()


def test_what_is_said_through_logging_is_a_line_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers.clear()
    try:
        bridge_logging()
        logging.getLogger("agent.drivers.shell").warning("%s: lost\n%s", "scanner", "why")
    finally:
        root.handlers[:], _ = before, root.setLevel(level)

    assert ' level=warning part=drivers.shell event="scanner: lost\\nwhy"\n' in capsys.readouterr().err


def test_a_thread_that_dies_is_one_line_that_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    def dies() -> None:
        raise ValueError("one\ntwo")

    before, threading.excepthook = threading.excepthook, log_crash
    try:
        thread = threading.Thread(target=dies, name="driver-x")
        thread.start()
        thread.join()
    finally:
        threading.excepthook = before

    (line,) = capsys.readouterr().err.splitlines()
    assert 'event="thread_crashed driver-x"' in line
    assert "test_log.py" in line
