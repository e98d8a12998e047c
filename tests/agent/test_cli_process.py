"""The agent as real processes: starts, kills, second agents, folders that refuse, and what survives."""

import os
import resource
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from tests.agent.agent_process import command, run_cli, run_json, running, write_config

pytestmark = pytest.mark.slow

SSCC = "00340123450000000017"
SCANNER = '[[drivers]]\nkind = "scanner_line"\nport = "/dev/absent"\n'


def _parcels(config: Path) -> list[str]:
    items = run_json("outbox", "--config", config)["items"]
    return [item["event"]["parcel"] for item in items if item["kind"] == "scan"]


def test_it_is_ready_without_hub_and_without_its_scanner_and_ends_within_five_seconds(tmp_path: Path) -> None:
    config = write_config(tmp_path, hub="mqtt://127.0.0.1:1", drivers=SCANNER)
    with running(config) as agent:
        status = run_json("status", "--config", config)
        assert status["running"] is True
        assert status["link"] == "offline"
        assert [d["state"] for d in status["drivers"]] == ["missing"]
        assert agent.end() < 5
    assert "Traceback" not in agent.errors.read_text()
    assert not (tmp_path / "agent.sock").exists()


def test_p1_a_scan_survives_kill_9_right_after_its_answer(tmp_path: Path) -> None:
    config = write_config(tmp_path, hub="mqtt://127.0.0.1:1")
    with running(config) as agent:
        done = run_cli("scan", SSCC, "--step", "loaded", "--config", config)
        agent.kill()
    assert done.returncode == 0, done.stderr

    assert _parcels(config) == [SSCC]
    status = run_json("status", "--config", config)
    assert status["running"] is False
    assert status["oldest_unsent_age_s"] is not None


def test_f001_a_crash_before_the_commit_keeps_nothing_and_says_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    done = run_cli(
        "scan", SSCC, "--step", "loaded", "--config", config, env={"HOLDFAST_FAULTPOINT": "pre_commit:1:kill"}
    )
    assert done.returncode != 0
    assert done.stdout == ""

    again = run_cli("scan", SSCC, "--step", "loaded", "--config", config)
    assert again.returncode == 0
    assert _parcels(config) == [SSCC]


@pytest.mark.parametrize("nth", [3, 4, 5])
def test_f002_the_answer_lost_in_a_crash_makes_no_second_fact(tmp_path: Path, nth: int) -> None:
    """Wherever the agent dies after a commit, the command asks again with the same id and does it alone if need be."""
    config = write_config(tmp_path)
    fault = {"HOLDFAST_FAULTPOINT": f"post_commit:{nth}:kill"}
    with subprocess.Popen(
        command("run", "--config", config), stdout=subprocess.PIPE, env={**os.environ, **fault}, text=True
    ) as agent:
        assert agent.stdout is not None
        agent.stdout.readline()
        done = run_cli("scan", SSCC, "--step", "loaded", "--config", config)
        agent.wait(60)
    assert done.returncode == 0, done.stderr

    assert _parcels(config) == [SSCC]


def test_f007_a_second_agent_says_so_in_one_sentence_and_writes_nothing(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running(config):
        before = run_json("status", "--config", config)["lanes"]
        second = run_cli("run", "--config", config)
        assert run_json("status", "--config", config)["lanes"] == before
        assert run_cli("scan", SSCC, "--step", "loaded", "--config", config).returncode == 0
    assert second.returncode == 1
    assert second.stdout == ""
    assert second.stderr.count("\n") == 1
    assert "Another Holdfast agent" in second.stderr


def test_an_agent_starts_again_after_kill_9_although_its_socket_lies_there(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    with running(config) as agent:
        agent.kill()
    assert stat.S_ISSOCK((tmp_path / "agent.sock").stat().st_mode)
    with running(config):
        assert run_json("status", "--config", config)["running"] is True


def test_many_scans_at_once_are_all_kept(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    processes = [
        subprocess.Popen(
            command("scan", f"box {n}", "--step", "counted", "--config", config), stdout=subprocess.DEVNULL
        )
        for n in range(6)
    ]
    assert [p.wait(60) for p in processes] == [0] * 6

    assert sorted(_parcels(config)) == [f"box {n}" for n in range(6)]


def test_a_scan_while_the_agent_starts_or_ends_is_kept(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    stopping = threading.Event()
    results: list[int] = []

    def scan() -> None:
        while not stopping.is_set():
            results.append(run_cli("scan", f"box {len(results)}", "--step", "counted", "--config", config).returncode)

    scanning = threading.Thread(target=scan)
    scanning.start()
    for _ in range(3):
        with running(config) as agent:
            agent.end()
    stopping.set()
    scanning.join()

    assert set(results) == {0}
    assert len(_parcels(config)) == len(results)


@pytest.mark.parametrize("content", [b"junk" * 5000, b"", b"SQLite format 3\0" + bytes(4000)])
def test_a_database_that_cannot_be_read_does_not_stop_the_device(tmp_path: Path, content: bytes) -> None:
    config = write_config(tmp_path)
    (tmp_path / "device.db").write_bytes(content)
    with running(config):
        assert run_cli("scan", SSCC, "--step", "loaded", "--config", config).returncode == 0
        assert _parcels(config) == [SSCC]


@pytest.mark.parametrize("verb", [["run"], ["scan", "x", "--step", "loaded"]])
def test_a_data_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path, verb: list[str]) -> None:
    config = write_config(tmp_path)
    (tmp_path / "file").write_text("")
    config.write_text(config.read_text().replace("place", 'data = "file/below"\nplace'))
    done = run_cli(*verb, "--config", config)

    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_f008_a_scan_on_a_full_disk_is_refused_in_one_sentence_and_works_again_with_room(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    run_cli("scan", "first", "--step", "loaded", "--config", config)
    limit = 8 * 1024

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    refused = subprocess.run(
        command("scan", "second", "--step", "loaded", "--config", config),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=little_room,
    )
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "Traceback" not in refused.stderr
    assert "Not kept" in refused.stderr

    assert run_cli("scan", "third", "--step", "loaded", "--config", config).returncode == 0
    assert _parcels(config) == ["third", "first"]


def test_an_agent_started_with_an_unreachable_name_ends_within_five_seconds(tmp_path: Path) -> None:
    # Takes connections and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = write_config(tmp_path, hub=f"mqtt://127.0.0.1:{silent.getsockname()[1]}")
        with running(config) as agent:
            assert agent.end() < 5


def test_it_starts_fast_and_stays_small_with_every_kind_of_driver(tmp_path: Path) -> None:
    drivers = (
        SCANNER
        + '[[drivers]]\nkind = "scanner_ssi"\nport = "/dev/absent2"\n'
        + '[[drivers]]\nkind = "scanner_hid"\nport = "/dev/absent3"\n'
        + '[[drivers]]\nkind = "nmea_gps"\nport = "/dev/absent4"\n'
        + '[[drivers]]\nkind = "modbus_probe"\nport = "/dev/absent5"\n'
        + '[[drivers.registers]]\nquantity = "temperature_c"\naddress = 0\nscale = 0.1\n'
    )
    config = write_config(tmp_path, hub="mqtt://127.0.0.1:1", drivers=drivers)
    with running(config) as agent:
        run_cli("scan", SSCC, "--step", "loaded", "--config", config)
        memory = Path(f"/proc/{agent.process.pid}/status").read_text()
        peak_kib = int(memory.split("VmHWM:")[1].split()[0])
        agent.end()

    # The aims are 0.5 s and 40 MiB on a quiet machine; here only what would be wrong anywhere.
    assert agent.start_s < 5
    assert peak_kib < 50 * 1024


def test_secrets_do_not_reach_the_log(tmp_path: Path) -> None:
    config = write_config(tmp_path, hub="mqtt://127.0.0.1:1")
    with running(config, env={"HOLDFAST_LOG": "debug"}) as agent:
        agent.end()

    assert "6b6b6b6b" not in agent.errors.read_text()


def test_output_to_a_reader_that_left_is_no_traceback(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    run_cli("scan", "x", "--step", "loaded", "--config", config)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            command("outbox", "--config", config), stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )

    assert done.returncode == 1
    assert done.stderr == ""
