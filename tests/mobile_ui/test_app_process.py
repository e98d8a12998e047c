"""`holdfast-courier` itself, without a screen: it starts the agent if none answers, and leaves it recording."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mobile_ui.core.agent_link import answers
from tests.agent.agent_process import run_json, running, write_config
from tests.mobile_ui.stage import ENVIRONMENT

pytestmark = pytest.mark.slow
PATIENCE_S = 30.0


def inherited() -> dict[str, str]:
    """The environment without what tests of the app in this process have set in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("KIVY_", "SDL_"))}


def until(done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end_s, "it never happened"
        time.sleep(0.02)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path)


@pytest.fixture
def start(config: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Opens the app on a machine with no other programs."""
    started: list[subprocess.Popen[bytes]] = []
    (tmp_path / "kivy").mkdir()

    def begin(*more: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "app.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "mobile_ui.app", "--config", str(config), *more],
                env={**inherited(), **ENVIRONMENT, "KIVY_HOME": str(tmp_path / "kivy"), "PATH": str(tmp_path)},
                stdout=log,
                stderr=log,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def agents(folder: Path) -> list[int]:
    """Process ids of the agents that run by this configuration."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"run" in words and str(folder / "agent.toml").encode() in words:
            found.append(int(path.parent.name))
    return found


def is_open(app: subprocess.Popen[bytes]) -> bool:
    """Whether it is in its conversation with the agent, which begins once the window is there.

    Before that it only looks whether an agent answers: those sockets are gone at the second look.
    """
    first = sockets(app.pid)
    time.sleep(0.02)
    return bool(first & sockets(app.pid))


def sockets(pid: int) -> set[str]:
    found = set()
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(path.readlink()))
    return {name for name in found if name.startswith("socket:")}


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_app_opens_without_a_word_and_ends_the_agent_it_started_where_that_was_asked(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]], ending: signal.Signals
) -> None:
    """Kivy has pages to say where neither xclip nor xsel is found."""
    app = start("--end-agent")
    until(lambda: is_open(app))
    app.send_signal(ending)

    assert (app.wait(timeout=PATIENCE_S), (tmp_path / "app.log").read_text()) == (0, "")
    until(lambda: not answers(tmp_path))


def test_an_app_that_is_killed_leaves_the_agent_recording(
    tmp_path: Path, config: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    app = start()
    until(lambda: answers(tmp_path))
    app.kill()
    app.wait()
    try:
        assert run_json("scan", "box 1", "--step", "loaded", "--config", config)["signal"] == "kept"
        assert answers(tmp_path)
    finally:
        for pid in agents(tmp_path):
            os.kill(pid, signal.SIGTERM)
        until(lambda: not answers(tmp_path))


def test_an_agent_that_runs_already_is_used_and_stays(
    tmp_path: Path, config: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with running(config):
        app = start("--end-agent")
        # What opens windows is loaded behind the question whether an agent answers.
        until(lambda: "SDL2" in Path(f"/proc/{app.pid}/maps").read_text())
        assert len(agents(tmp_path)) == 1
        app.send_signal(signal.SIGTERM)
        assert app.wait(timeout=PATIENCE_S) == 0

        assert answers(tmp_path)


def said(config: Path, tmp_path: Path, **environment: str) -> tuple[int, str]:
    """What the app says before it gives up."""
    offered = {name: value for name, value in inherited().items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    done = subprocess.run(
        [sys.executable, "-m", "mobile_ui.app", "--config", str(config)],
        env={**offered, "KIVY_HOME": str(tmp_path / "kivy"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_an_agent_that_cannot_start_is_told_in_a_sentence(tmp_path: Path, config: Path) -> None:
    config.write_text('[device]\nid = "VAN 1"\n')

    assert said(config, tmp_path, **ENVIRONMENT) == (
        1,
        f"holdfast-courier: The agent did not start; its last words are in {tmp_path / 'agent.log'}.\n",
    )


@pytest.mark.parametrize(
    ("screen", "why"),
    [
        ({}, "neither DISPLAY nor WAYLAND_DISPLAY is set"),
        ({"SDL_VIDEODRIVER": "none"}, "SDL_VIDEODRIVER=none: it does not answer, or refuses"),
        ({"DISPLAY": ":987"}, "DISPLAY=:987: it does not answer, or refuses"),
    ],
    ids=["no screen", "no driver", "no answer"],
)
def test_without_a_window_it_says_what_is_wrong_and_leaves_no_agent(
    tmp_path: Path, config: Path, screen: dict[str, str], why: str
) -> None:
    advice = "Start the app from a desktop session, or set DISPLAY to its screen."
    told = f"holdfast-courier: No window can be opened ({why}). {advice}\n"

    assert said(config, tmp_path, **screen) == (1, told)
    assert agents(tmp_path) == []
