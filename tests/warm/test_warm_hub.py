import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_sim.processes import HubProcess, ProcessFailed, run_command
from tests.hub.served import HUB
from tests.warm.hub import Nursery, launch, run, warm_starts

pytestmark = pytest.mark.slow

PATIENCE_S = 60


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubProcess]:
    with warm_starts(), HubProcess(tmp_path / "hub", logs=tmp_path) as hub:
        hub.init()
        yield hub


def test_a_command_reads_its_words_and_input_and_prints_as_from_a_shell(tmp_path: Path) -> None:
    folder = tmp_path / "hub"
    assert run([str(HUB), "init", "--data", str(folder)]).returncode == 0
    words = [str(HUB), "notices", "add", "-", "--name", "chat"]
    typed = run(words, "tgram://123456789:secret/1\n", HOLDFAST_HUB_DATA=str(folder))
    assert (typed.returncode, typed.stdout, typed.stderr) == (0, "", "")
    for words in (
        ["notices", "list", "--data", str(folder)],
        ["device", "revoke", "x", "--data", str(folder)],
        ["--no"],
    ):
        cold = subprocess.run([HUB, *words], capture_output=True, text=True, check=False)
        warm = run([str(HUB), *words])
        assert (warm.returncode, warm.stdout, warm.stderr) == (cold.returncode, cold.stdout, cold.stderr)


def test_what_fails_says_so(tmp_path: Path) -> None:
    with warm_starts(), pytest.raises(ProcessFailed, match=r"failed with 1: .* is no data folder"):
        run_command("holdfast-hub", "device", "list", "--data", str(tmp_path / "nowhere"))


def test_a_hub_is_killed_stopped_and_armed_like_any_process(hub: HubProcess) -> None:
    hub.start().wait_ready()
    assert hub.pid != os.getpid()
    assert hub.wait_end(0) is None
    hub.kill()
    assert hub.exit_status == -signal.SIGKILL
    hub.start().wait_ready()
    assert hub.stop() == 0
    hub.env = {"HOLDFAST_FAULTPOINT": "hub_backup:1:kill"}
    hub.start().wait_ready()
    with pytest.raises(ProcessFailed):
        run_command("holdfast-hub", "backup", str(hub.data / "b.tar"), "--data", str(hub.data))
    assert hub.wait_end(60) == -signal.SIGKILL
    assert not os.environ.get("HOLDFAST_FAULTPOINT")


def test_hubs_end_with_the_process_that_started_them(hub: HubProcess, tmp_path: Path) -> None:
    made = Nursery()
    with (tmp_path / "out").open("wb") as out, Path(os.devnull).open("rb") as nothing:
        words = [str(HUB), "serve", "--data", str(hub.data), "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]
        orphan = made.start(words, [nothing.fileno(), out.fileno(), out.fileno()], os.environ)
    until_s = time.monotonic() + PATIENCE_S
    while not (tmp_path / "out").read_bytes():
        assert time.monotonic() < until_s
        time.sleep(0.02)
    assert orphan.poll() is None
    made.close()
    assert select.select([orphan.ended], [], [], PATIENCE_S)[0]


def test_other_programs_start_as_ever(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        running = launch(["/bin/sh", "-c", "echo $WHO"], out=out, err=out, env={"WHO": "me"})
        assert running.wait(60) == 0
    assert (tmp_path / "out").read_text() == "me\n"
