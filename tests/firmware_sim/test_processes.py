import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from firmware_sim.processes import HubProcess, ProcessFailed, Program, find_command, free_port, is_free, run_command

pytestmark = pytest.mark.slow

READY = "import json, sys, time; print('noise'); print(json.dumps({'event': 'ready', 'n': 7}), flush=True); "


def program(tmp_path: Path, script: str, **env: str) -> Program:
    return Program("stand-in", [sys.executable, "-c", script], logs=tmp_path, env=env)


def is_alive(pid: int) -> bool:
    try:
        return " Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def wait_gone(pid: int) -> bool:
    give_up_s = time.monotonic() + 10
    while is_alive(pid):
        if time.monotonic() > give_up_s:
            return False
        time.sleep(0.02)
    return True


def test_program_says_what_it_said_when_it_was_ready(tmp_path: Path) -> None:
    with program(tmp_path, READY + "time.sleep(60)").start() as running:
        assert running.wait_ready() == {"event": "ready", "n": 7}
        assert running.is_running


def test_program_that_ends_before_it_is_ready_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with (
        program(tmp_path, "import sys; sys.exit('port taken')").start() as running,
        pytest.raises(ProcessFailed, match="stand-in ended with 1 before it was ready: port taken"),
    ):
        running.wait_ready()


def test_program_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    with (
        program(tmp_path, "import time; time.sleep(60)").start() as running,
        pytest.raises(ProcessFailed, match="not ready within 0 s: it said nothing"),
    ):
        running.wait_ready(0.2)


def test_killed_program_starts_again_and_is_ready_anew(tmp_path: Path) -> None:
    with program(tmp_path, READY + "time.sleep(60)").start() as running:
        running.wait_ready()
        running.kill()

        assert running.exit_status == -signal.SIGKILL
        running.start()
        assert not running.ready
        assert running.wait_ready()["n"] == 7


def test_program_is_not_started_twice(tmp_path: Path) -> None:
    with program(tmp_path, "import time; time.sleep(60)").start() as running, pytest.raises(ProcessFailed):
        running.start()


def test_stop_asks_politely_first(tmp_path: Path) -> None:
    polite = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); "
    with program(tmp_path, polite + READY + "time.sleep(60)").start() as running:
        running.wait_ready()

        assert running.stop() == 3


def test_program_that_does_not_stop_is_killed_and_reported(tmp_path: Path) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    with program(tmp_path, deaf + READY + "time.sleep(60)").start() as running:
        running.wait_ready()
        with pytest.raises(ProcessFailed, match="did not end within 0 s after SIGTERM"):
            running.stop(0.2)

        assert not running.is_running


def test_program_gets_its_environment(tmp_path: Path) -> None:
    script = "import os, sys; sys.exit(int(os.environ['STATUS']))"
    with program(tmp_path, script, STATUS="5").start() as running:
        assert running.wait_end(10) == 5


STARTS_ANOTHER = """
import sys, time
from pathlib import Path
from firmware_sim.processes import Program
print(Program("child", [sys.executable, "-c", "import time; time.sleep(60)"], logs=Path(sys.argv[1])).start().pid, flush=True)
time.sleep(60)
"""


def test_program_dies_with_who_started_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTS_ANOTHER, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child_pid = int(parent.stdout.readline())
        assert is_alive(child_pid)

        parent.kill()

        assert wait_gone(child_pid)


def test_ctrl_c_at_the_terminal_does_not_reach_programs(tmp_path: Path) -> None:
    with program(tmp_path, READY + "time.sleep(60)").start() as running:
        assert running.pid is not None
        assert os.getsid(running.pid) == running.pid


def test_command_that_fails_is_reported_with_its_last_words() -> None:
    with pytest.raises(ProcessFailed, match=r"(?s)failed with 2: .*expected a whole number"):
        run_command("holdfast-sim", "gps", "--link", "x", "--seed", "no")


def test_command_that_is_not_installed_is_named() -> None:
    with pytest.raises(ProcessFailed, match="holdfast-nothing is not installed"):
        find_command("holdfast-nothing")


def test_hub_is_started_again_on_the_ports_it_had(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = tmp_path / "holdfast-hub"
    stand_in.write_text('#!/bin/sh\necho \'{"event":"ready"}\'\nexec sleep 60\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr("firmware_sim.processes.find_command", lambda name: str(tmp_path / name))
    with HubProcess(tmp_path / "data", logs=tmp_path).start() as hub:
        hub.wait_ready()
        before = list(hub.command)
        assert before[4:] == ["--http", f"127.0.0.1:{hub.http_port}", "--mqtt", f"127.0.0.1:{hub.mqtt_port}"]
        hub.kill()
        hub.start()

        assert hub.command == before
        assert hub.wait_ready() == {"event": "ready"}


def test_free_port_can_be_listened_on() -> None:
    assert is_free(free_port())


def test_port_that_is_taken_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert not is_free(port)
    assert is_free(port)
