import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mobile_ui.app import main
from mobile_ui.demo_van import VAN, NoDemo, demo_config


@pytest.fixture
def listening() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def a_demo(folder: Path, name: str, *, started_s: int, listening: ExitStack | None) -> Path:
    """A demo's data folder, with an agent that answers where `listening` is given."""
    config = folder / name / "devices" / VAN / "agent.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[device]\nid = "van-12"\n')
    os.utime(config, (started_s, started_s))
    if listening is not None:
        agent = listening.enter_context(socket.socket(socket.AF_UNIX))
        descriptor = os.open(config.parent, os.O_RDONLY)
        listening.callback(os.close, descriptor)
        agent.bind(f"/proc/self/fd/{descriptor}/agent.sock")
        agent.listen()
    return config


def test_the_newest_demo_whose_agent_answers_is_taken(tmp_path: Path, listening: ExitStack) -> None:
    a_demo(tmp_path, "old", started_s=1_000, listening=listening)
    wanted = a_demo(tmp_path, "new", started_s=2_000, listening=listening)
    a_demo(tmp_path, "ended", started_s=3_000, listening=None)

    assert demo_config(tmp_path) == wanted


def test_without_a_demo_a_sentence_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    a_demo(tmp_path / "demo-data", "ended", started_s=1_000, listening=None)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NoDemo):
        demo_config()
    assert main(["--demo"]) == 1

    assert capsys.readouterr().err == (
        "holdfast-courier: No demo runs in this folder. Start one in another terminal with `make demo`, "
        "wait until it says that van 12 waits for you, and try again.\n"
    )
