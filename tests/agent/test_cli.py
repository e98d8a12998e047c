"""The command line in this process: answers, exit codes, plain sentences."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.cli import DONE, FAILED, main
from agent.version import VERSION

CONFIG = """\
[device]
id = "van-1"
place = "dock-4"
"""
SSCC = "00340123450000000017"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agent.toml"
    path.write_text(CONFIG)
    return path


def _json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    assert main([str(a) for a in arguments]) == DONE
    return json.loads(capsys.readouterr().out)


def _refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    assert main([str(a) for a in arguments]) == FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "Traceback" not in said.err
    return said.err


def test_a_scan_without_an_agent_is_kept_and_shows_in_status_and_outbox(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = _json(capsys, "scan", SSCC, "--step", "loaded", "--config", config, "--json")
    status = _json(capsys, "status", "--config", config, "--json")
    listing = _json(capsys, "outbox", "--config", config, "--json")

    assert kept["parcel"] == SSCC
    assert status["lanes"] == {
        "custody": {"kept": 1, "sent": 0, "committed": 0, "released": 0},
        "telemetry": {"kept": 0, "sent": 0, "committed": 0, "released": 0},
    }
    assert status["running"] is False
    assert status["oldest_unsent_age_s"] in (0, 1, 2)
    (item,) = listing["items"]
    assert item["fact_id"] == kept["fact_id"]
    assert item["event"]["parcel"] == SSCC
    assert item["event"]["code_hex"] == SSCC.encode().hex()
    assert (item["event"]["step"], item["event"]["place"]) == ("loaded", "dock-4")
    assert listing["next_before"] is None


def test_the_outbox_is_listed_newest_first_and_page_by_page(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n in range(5):
        main(["scan", f"box {n}", "--step", "counted", "--config", str(config)])
    capsys.readouterr()
    first = _json(capsys, "outbox", "--limit", 3, "--config", config, "--json")
    rest = _json(capsys, "outbox", "--limit", 3, "--before", first["next_before"], "--config", config, "--json")

    assert [i["event"]["parcel"] for i in first["items"] + rest["items"]] == [f"box {n}" for n in (4, 3, 2, 1, 0)]
    assert rest["next_before"] is None


def test_f073_a_code_with_control_bytes_is_kept_as_it_is_and_shown_escaped(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan", "--hex", "1b5b324a41", "--step", "loaded", "--config", str(config)]) == DONE
    assert "\x1b" not in capsys.readouterr().out
    assert main(["outbox", "--config", str(config)]) == DONE
    assert "\x1b" not in capsys.readouterr().out
    listing = _json(capsys, "outbox", "--config", config, "--json")

    assert listing["items"][0]["event"]["code_hex"] == "1b5b324a41"


def test_status_for_a_person_names_what_waits(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", SSCC, "--step", "loaded", "--config", str(config)])
    assert main(["status", "--config", str(config)]) == DONE

    out = capsys.readouterr().out
    assert "custody: kept 1, sent 0, committed 0, released 0" in out
    assert "last contact: never" in out


def test_status_of_a_folder_where_nothing_was_kept_says_what_to_do(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "start the agent with: holdfast-agent run" in _refused(capsys, "status", "--config", config)


def test_identify_tells_kind_and_parts(capsys: pytest.CaptureFixture[str]) -> None:
    report = _json(capsys, "identify", "--hex", "5d4331" + SSCC.encode().hex(), "--json")

    assert report["kind"] == "sscc"
    assert report["identifiers"] == {"sscc": SSCC[2:]}
    assert main(["identify", SSCC]) == DONE
    assert f"sscc: {SSCC}" in capsys.readouterr().out


def test_a_driver_is_added_and_listed_without_an_agent(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["scan", SSCC, "--step", "loaded", "--config", str(config)])
    command = ["drivers", "add", "scanner_line", "--port", "/dev/absent", "--set", "step=loaded", "--set", "baud=19200"]
    assert main([*command, "--config", str(config)]) == DONE
    capsys.readouterr()
    listing = _json(capsys, "drivers", "list", "--config", config, "--json")

    assert config.read_text().startswith(CONFIG)
    assert [(d["name"], d["port"], d["state"]) for d in listing["drivers"]] == [
        ("scanner-line-1", "/dev/absent", "closed")
    ]


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ("", "device"),
        ('[device]\nid = "VAN"\n', "VAN"),
        (CONFIG + "colour = 1\n", "colour"),
        (CONFIG + '[[drivers]]\nkind = "toaster"\n', "toaster"),
        (CONFIG + 'hub = "http://x"\n', "mqtt://host:port"),
        ("not toml [", "TOML"),
    ],
)
def test_a_wrong_configuration_is_one_sentence_with_key_and_value(
    config: Path, capsys: pytest.CaptureFixture[str], toml: str, named: str
) -> None:
    config.write_text(toml)

    for command in (["run"], ["status"], ["scan", "x", "--step", "loaded"], ["drivers", "list"]):
        assert named in _refused(capsys, *command, "--config", config)


def test_a_driver_that_would_break_the_configuration_is_refused_and_nothing_changes(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "baud" in _refused(
        capsys, "drivers", "add", "scanner_line", "--port", "/dev/x", "--set", "baud=fast", "--config", config
    )
    assert config.read_text() == CONFIG


def test_an_absent_configuration_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "absent.toml" in _refused(capsys, "status", "--config", tmp_path / "absent.toml")


def test_a_database_that_is_none_is_set_aside_and_the_scan_is_kept(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["scan", "a", "--step", "loaded", "--config", str(config)])
    (config.parent / "device.db").write_bytes(b"junk" * 4096)
    for suffix in ("-wal", "-shm"):
        (config.parent / f"device.db{suffix}").unlink(missing_ok=True)
    capsys.readouterr()

    assert main(["scan", "b", "--step", "loaded", "--config", str(config)]) == DONE
    assert "Traceback" not in capsys.readouterr().err


def test_status_of_a_database_that_is_none_is_one_sentence(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "device.db").write_bytes(b"junk" * 4096)

    assert "device.db" in _refused(capsys, "status", "--config", config)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["scan", "x"],
        ["scan", "x", "--step", "thrown"],
        ["scan", "", "--step", "loaded"],
        ["scan", "--hex", "xyz", "--step", "loaded"],
        ["outbox", "--limit", "0"],
        ["outbox", "--limit", "many"],
        ["identify"],
        ["identify", "--hex", "1"],
        ["drivers"],
        ["drivers", "add", "scanner_line", "--set", "step"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(config.parent)
    try:
        code: object = main(arguments)
    except SystemExit as end:
        code = end.code

    assert code == 2


@pytest.mark.parametrize("command", ["run", "status", "scan", "outbox", "identify", "drivers"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])

    assert end.value.code == 0
    assert capsys.readouterr().out


def test_help_shows_an_example_of_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])

    out = capsys.readouterr().out
    for command in ("run", "status", "scan", "outbox", "identify", "drivers list", "drivers add"):
        assert f"holdfast-agent {command}" in out


def test_the_version_is_that_of_the_distribution() -> None:
    pyproject = (Path(__file__).parents[2] / "pyproject.toml").read_text()

    assert f'version = "{VERSION}"' in pyproject
