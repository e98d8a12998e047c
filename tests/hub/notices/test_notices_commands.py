"""`holdfast-hub notices` as people type it: real processes, with and without a hub that runs, and a real mail server."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from firmware_sim.processes import free_port
from hub.notices.targets import FILE
from tests.hub.notices.mailroom import MailRoom, opened
from tests.hub.served import ServedHub, initialised_hub, run_hub, run_hub_cold

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.slow

WAIT_S = 90.0
SECRET = "s3cret-of-the-night"
CHAT = f"tgram://123456789:{SECRET}/1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "hub"
    shutil.copytree(initialised_hub(), made)
    return made


@pytest.fixture
def room() -> Iterator[MailRoom]:
    made = MailRoom(free_port())
    with opened(made):
        yield made


def notices(folder: Path, *words: str, said: str = "") -> "subprocess.CompletedProcess[str]":
    """One command; nothing that it prints holds the secret."""
    done = run_hub("notices", *words, "--data", folder, said=said)
    assert SECRET not in done.stdout + done.stderr
    return done


def test_the_list_of_a_new_hub_is_empty(folder: Path) -> None:
    listed = run_hub_cold("notices", "list", "--data", folder)
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "none\n", "")


def items(folder: Path) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = json.loads(notices(folder, "list", "--json").stdout)["items"]
    return listed


def until(condition: Callable[[], bool]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until_s, "it did not happen"
        time.sleep(0.1)


def test_a_target_is_added_listed_and_removed_where_no_hub_runs(folder: Path) -> None:
    assert notices(folder, "list").stdout == "none\n"
    added = notices(
        folder, "add", "-", "--name", "chat", "--kinds", "excursion, no_data", "--places", "Dock 4,仓库", "--language", "zh",
        said=f"{CHAT}\n",
    )  # fmt: skip
    assert (added.returncode, added.stdout) == (0, "")
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert SECRET in (folder / FILE).read_text()
    assert notices(folder, "list").stdout == "chat             tgram://…    excursion,no_data never told\n"
    assert items(folder) == [
        {
            "name": "chat", "address": "tgram://…", "kinds": ["excursion", "no_data"], "places": ["Dock 4", "仓库"],
            "language": "zh", "sent_ms": None, "waiting": 0, "error": "",
        }
    ]  # fmt: skip
    removed = notices(folder, "remove", "chat")
    assert (removed.returncode, removed.stdout) == (0, "")
    assert notices(folder, "list").stdout == "none\n"


REFUSED = [
    (["add", CHAT, "--name", "a b"], "a name is 1 to 64"),
    (["add", CHAT, "--name", "a", "--kinds", "hot"], "there is no kind 'hot'; expected excursion, silence"),
    (["add", CHAT, "--name", "a", "--language", "de"], "language 'de'; expected en or zh"),
    (["add", f"pigeon://{SECRET}", "--name", "a"], "no service is known for pigeon://…"),
    (["add", SECRET, "--name", "a"], "expected an address such as mailtos://"),
    (["add", CHAT, "--name", "there"], "there is a target 'there' already"),
    (["remove", "nobody"], "there is no target 'nobody'"),
    (["test", "nobody"], "there is no target 'nobody'"),
]


def test_what_cannot_be_done_says_why_and_changes_nothing(folder: Path) -> None:
    assert notices(folder, "add", "-", "--name", "there", said=f"{CHAT}\n").returncode == 0
    before = (folder / FILE).read_bytes()
    with ServedHub(folder):
        for words, why in REFUSED:
            done = notices(folder, *words)
            assert done.returncode == 1
            assert why in " ".join(done.stderr.split())
    assert (folder / FILE).read_bytes() == before


def test_a_running_hub_sends_a_test_and_the_list_says_how_it_went(folder: Path, room: MailRoom) -> None:
    with ServedHub(folder) as hub:
        assert notices(folder, "add", room.url, "--name", "duty").returncode == 0
        away = f"mailto://hub:{SECRET}@127.0.0.1:{free_port()}?from=hub@example.com&to=duty@example.com&mode=insecure"
        assert notices(folder, "add", "-", "--name", "away", said=f"{away}\n").returncode == 0
        for name in ("duty", "away"):
            assert notices(folder, "test", name).returncode == 0
        until(lambda: all(one["sent_ms"] or one["error"] for one in items(folder)))

        assert room.titles == ["Test of Holdfast's notices"]
        assert f"{hub.ready['http']}/notices" in room.came[0].get_content()
        duty, failed = notices(folder, "list").stdout.splitlines()
        assert duty.startswith("duty             mailto://…   everything last told 20")
        assert failed.endswith("never told 1 waiting the mail server cannot be reached: Connection refused")
        assert notices(folder, "release").returncode == 0
        assert notices(folder, "remove", "away").returncode == 0
        assert [one["name"] for one in items(folder)] == ["duty"]
    assert SECRET not in Path(hub.log.name).read_text()


def test_a_file_that_others_may_read_is_said_and_not_used(folder: Path) -> None:
    assert notices(folder, "add", "-", "--name", "chat", said=f"{CHAT}\n").returncode == 0
    (folder / FILE).chmod(0o644)
    refused = notices(folder, "list")
    assert refused.returncode == 1
    assert "run: chmod 600" in " ".join(refused.stderr.split())
