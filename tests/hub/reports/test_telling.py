"""`holdfast-hub verify-report`: what it says, with a hub to ask and without any."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.ask import ask
from hub.centre import open_centre
from hub.cli import main
from hub.errors import Refused
from hub.reports.check import check_report
from hub.reports.printing import print_report
from hub.reports.record import record_report
from hub.reports.seal import pdf_seal, seal_json
from hub.reports.telling import told
from tests.hub.reports.report_samples import small_report


@pytest.fixture
def report_file(tmp_path: Path) -> Path:
    file = tmp_path / "report.pdf"
    file.write_bytes(print_report(small_report(), "en")[1])
    return file


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["holdfast-hub", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_valid_report_is_told_in_words_and_as_json(
    report_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "verify-report", str(report_file)) == 0
    said = capsys.readouterr().out
    assert "unaltered; Van 12, morning run (trip-1), made 2026-09-21 17:43:20 UTC by auditor" in said
    assert run(monkeypatch, "verify-report", str(report_file), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], found["kind"], found["facts"], found["wrong"]) == (True, "pdf", 12, [])


def test_a_report_cut_in_half_is_refused_in_one_sentence(
    report_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = report_file.read_bytes()
    report_file.write_bytes(whole[: len(whole) // 2])
    assert run(monkeypatch, "verify-report", str(report_file)) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"{report_file}: file: The PDF is cut off or was added to:")
    assert run(monkeypatch, "verify-report", str(report_file), "--json") == 1
    assert json.loads(capsys.readouterr().out)["valid"] is False


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read: No such file"):
        told(tmp_path / "none.pdf", None)


def test_words_of_a_stranger_s_file_do_nothing_to_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    file.write_bytes(seal_json(small_report(title="\x1b[2Jgone"))[1])
    found = told(file, None)
    assert found.wrong == ()
    assert "\x1b" not in found.words


def test_the_hub_tells_its_own_report_from_one_that_somebody_made_up(report_file: Path, tmp_path: Path) -> None:
    data = tmp_path / "hub"
    data.mkdir()
    report = replace(small_report(), runs=(), sensors=(), parcels=())
    seal, printed = print_report(report, "en")
    with open_centre(data) as centre, centre.db.write() as tx:
        record_report(tx, report, seal, pdf_seal(printed))
    own, strange = tmp_path / "own.pdf", report_file
    own.write_bytes(printed)
    assert told(own, lambda request: ask(data, request)).wrong == ()
    found = told(strange, lambda request: ask(data, request))
    assert found.said["valid"] is False
    assert found.wrong == (
        f"{strange}: hub: This hub has no record of having made this report.",
        f"{strange}: hub: The head of van-12 (telemetry) at position 12 is not in this hub's chain.",
        f"{strange}: hub: The head of hub (custody) at position 1 is not in this hub's chain.",
    )


def test_another_print_of_the_same_content_is_not_the_hub_s(tmp_path: Path) -> None:
    data = tmp_path / "hub"
    data.mkdir()
    report = small_report()
    seal, printed = print_report(report, "en")
    with open_centre(data) as centre, centre.db.write() as tx:
        record_report(tx, report, seal)
    file = tmp_path / "other.pdf"
    file.write_bytes(printed)
    assert check_report(printed).valid
    assert "no record" in told(file, lambda request: ask(data, request)).wrong[0]
