import atexit
import functools
import json
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firmware_sim.processes import free_port
from tests.hub.served import ServedHub, WiredDevice, initialised_hub, run_hub, run_hub_cold

pytestmark = pytest.mark.slow


@functools.cache
def _hub_with_van() -> Path:
    """A folder with a hub that knows `van-1`, made once; copy it."""
    folder = Path(tempfile.mkdtemp(prefix="hf-hub-"))
    atexit.register(shutil.rmtree, folder)
    _add(Path(shutil.copytree(initialised_hub(), folder / "hub")))
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return Path(shutil.copytree(initialised_hub(), tmp_path / "hub"))


@pytest.fixture
def hub(data: Path) -> Iterator[ServedHub]:
    with ServedHub(data) as running:
        yield running


def _ledger(data: Path) -> list[bytes]:
    with closing(sqlite3.connect(f"file:{data}/hub.db?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("SELECT fact_id FROM fact ORDER BY seq")]


def _add(data: Path, name: str = "van-1") -> WiredDevice:
    out = data.parent / f"{name}.toml"
    done = run_hub("device", "add", name, "--data", data, "--out", out)
    assert done.returncode == 0, done.stderr
    return WiredDevice.of_config(out)


def test_p3_a_device_added_while_the_hub_runs_delivers_over_the_real_broker(hub: ServedHub) -> None:
    van = _add(hub.data)
    made = [van.device.store.append(b"%d" % n) for n in range(500)]
    van.connect(hub)

    assert van.exchange(500)
    assert _ledger(hub.data) == made
    van.disconnect()
    listed = json.loads(run_hub("device", "list", "--data", hub.data, "--json").stdout)
    assert [(d["id"], d["contact_ms"] is not None) for d in listed["items"]] == [("van-1", True)]
    verified = run_hub("verify", "--data", hub.data, "--json")
    assert (verified.returncode, json.loads(verified.stdout)["facts"]) == (0, 500)


def test_sigterm_ends_within_ten_seconds_although_a_browser_follows(data: Path) -> None:
    hub = ServedHub(data)
    token = run_hub("token", "create", "--role", "viewer", "--data", data).stdout.strip()
    request = urllib.request.Request(f"{hub.ready['http']}/api/v1/live", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 our own hub on loopback
    with urllib.request.urlopen(request, timeout=60) as stream:  # noqa: S310 our own hub on loopback
        assert stream.status == 200
        began = time.monotonic()
        assert hub.end() == 0
        assert time.monotonic() - began < 10


def test_the_hub_says_that_it_is_ready_only_when_it_is(hub: ServedHub) -> None:
    with urllib.request.urlopen(f"{hub.ready['http']}/readyz", timeout=60) as answer:  # noqa: S310 our own hub on loopback
        assert answer.status == 200


def test_f043_a_second_hub_on_the_same_folder_is_refused_in_one_sentence(hub: ServedHub) -> None:
    second = run_hub_cold("serve", "--data", hub.data, "--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0")

    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == f"{hub.data} is in use by another hub process; stop it first\n"


def test_a_taken_port_is_refused_in_one_sentence(hub: ServedHub, tmp_path: Path) -> None:
    other = tmp_path / "other"
    port = hub.mqtt.port
    refused = run_hub("serve", "--data", other, "--http", "127.0.0.1:0", "--mqtt", f"127.0.0.1:{port}")
    assert refused.returncode == 1
    assert refused.stderr == f"cannot listen on 127.0.0.1:{port}: Address already in use\n"
    http = hub.ready["http"].removeprefix("http://")
    refused = run_hub("serve", "--data", other, "--http", http, "--mqtt", "127.0.0.1:0")
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1] == f"cannot listen on {http}: Address already in use"


def test_the_broker_dies_with_a_killed_hub(data: Path) -> None:
    hub = ServedHub(data)
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(hub.process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    assert len(children) == 1
    hub.process.kill()
    hub.wait()
    until_s = time.monotonic() + 60
    while Path(f"/proc/{children[0]}/stat").exists() and time.monotonic() < until_s:
        time.sleep(0.02)
    assert not Path(f"/proc/{children[0]}").exists()


@pytest.mark.parametrize(
    "faultpoint", ["hub_pre_commit", "hub_post_commit", "hub_before_reply", "hub_project", "hub_project_commit"]
)
def test_p2_p3_f035_f036_f037_a_hub_killed_anywhere_loses_and_doubles_nothing(tmp_path: Path, faultpoint: str) -> None:
    data = Path(shutil.copytree(_hub_with_van(), tmp_path / "known")) / "hub"
    van = WiredDevice.of_config(data.with_name("van-1.toml"))
    made = [van.device.store.append(b"%d" % n) for n in range(600)]
    # Past the hello, in the middle of the batches.
    address = f"127.0.0.1:{free_port()}"
    dying = ServedHub(data, mqtt=address, faultpoint=f"{faultpoint}:2:kill")
    van.connect(dying)
    assert not van.exchange(600, hub=dying)
    assert dying.wait() == -signal.SIGKILL
    van.disconnect()

    with ServedHub(data, mqtt=address) as hub:
        van.connect(hub)
        assert van.exchange(600)
        van.disconnect()
        assert run_hub("verify", "--data", data).returncode == 0
    assert _ledger(data) == made
    with closing(sqlite3.connect(data / "hub.db")) as db:
        (events,) = db.execute("SELECT COUNT(*), COUNT(DISTINCT fact_id) FROM custody_event").fetchall()
    assert events == (600, 600)


def test_f060_revoking_ends_the_connection_at_once(hub: ServedHub) -> None:
    van = _add(hub.data)
    van.connect(hub)
    van.device.store.append(b"1")
    assert van.exchange(0)
    assert run_hub("device", "revoke", "van-1", "--data", hub.data).returncode == 0
    assert van.visitor is not None
    assert van.visitor.gone.wait(60)
    van.visitor.close()
    again = run_hub("device", "revoke", "van-1", "--data", hub.data)
    assert (again.returncode, again.stderr) == (
        1,
        "no enrolled device 'van-1'; see `holdfast-hub device list`\n",
    )


def test_a_backup_of_the_running_hub_restores_only_when_it_is_stopped(hub: ServedHub, tmp_path: Path) -> None:
    van = _add(hub.data)
    van.device.store.append(b"1")
    van.connect(hub)
    assert van.exchange(1)
    van.disconnect()
    backup = tmp_path / "b.tar"
    made = run_hub("backup", backup, "--data", hub.data, "--json")
    assert (made.returncode, json.loads(made.stdout)["facts"]) == (0, 1)
    assert run_hub("restore", backup, "--data", hub.data).returncode == 1
    assert run_hub("rebuild", "--data", hub.data).returncode == 1
    assert hub.end() == 0
    assert run_hub("restore", backup, "--data", hub.data).returncode == 0
    assert run_hub("rebuild", "--data", hub.data).returncode == 0
    assert len(_ledger(hub.data)) == 1


def test_scheduled_backups_are_made_at_once(data: Path, tmp_path: Path) -> None:
    with ServedHub(data, "--backup-dir", str(tmp_path / "backups"), "--backup-every", "1h"):
        until_s = time.monotonic() + 60
        while not list((tmp_path / "backups").glob("*.tar")) and time.monotonic() < until_s:
            time.sleep(0.05)
        assert len(list((tmp_path / "backups").glob("*.tar"))) == 1


def test_nothing_secret_is_logged(hub: ServedHub) -> None:
    van = _add(hub.data)
    van.connect(hub)
    van.exchange(0, seconds=0.2)
    van.disconnect()
    hub.end()
    log = Path(hub.log.name).read_text()
    assert van.key.hex() not in log
    assert all(json.loads(line) for line in log.splitlines())
    assert hub.data.stat().st_mode & 0o077 == 0
