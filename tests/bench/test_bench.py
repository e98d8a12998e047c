"""The benchmarks' harness, without running a benchmark."""

import json
import re
import sys
import types
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import run
from tests.bench.figure import Figure
from tests.bench.run import ROOT, areas, ids_of, table

DOCUMENT = (ROOT / "docs/benchmarks.md").read_text(encoding="utf-8")
FAST = Figure("x.fast", 12.3456, "ms", "a peer", 5.0, aim="at most 10", met=False, note="the peer was slow")


def test_each_id_belongs_to_one_area() -> None:
    counted = Counter(figure_id for area in areas() for figure_id in ids_of(area))

    assert {figure_id: count for figure_id, count in counted.items() if count > 1} == {}


@pytest.mark.parametrize("area", areas())
def test_every_figure_of_an_area_is_explained(area: str) -> None:
    explained = set(re.findall(r"^\| `([a-z]+\.[a-z0-9_]+)` \|", DOCUMENT, re.MULTILINE))

    assert set(ids_of(area)) - explained == set()


def test_a_figure_as_json_has_its_ratio_and_no_number_that_json_lacks() -> None:
    assert FAST.as_json() == {
        "id": "x.fast",
        "value": 12.3456,
        "unit": "ms",
        "against": "a peer",
        "against_value": 5.0,
        "ratio": 2.46912,
        "aim": "at most 10",
        "met": False,
        "note": "the peer was slow",
    }
    assert Figure("x.none", 1.0, "s", "nothing", 0.0).as_json()["ratio"] is None


def test_the_table_names_what_was_missed() -> None:
    lines = table([FAST, Figure("x.free", 123456.0, "facts/s", "a peer", 2.0)])

    assert lines[2].split() == ["x.fast", "12.3", "ms", "a", "peer", "5", "2.47", "at", "most", "10", "NO"]
    assert lines[3].split() == ["x.free", "123,456", "facts/s", "a", "peer", "2", "61,728"]
    assert lines[-1] == "x.fast: the peer was slow"


def test_what_an_area_gives_is_written_although_another_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(area: str) -> Iterator[Figure]:
        yield Figure(f"{area}.one", 1.0, "s", "a peer", 2.0)
        if area == "bad":
            raise run.Failed("bad ended with 1")

    monkeypatch.setattr(run, "measured", measured)

    assert run.run(["bad", "good"], tmp_path / "build/bench.json") == 1
    assert [f["id"] for f in json.loads((tmp_path / "build/bench.json").read_text())] == ["bad.one", "good.one"]
    assert "FAILED: bad ended with 1" in capsys.readouterr().err
    assert run.run(["good"], tmp_path / "build/bench.json") == 0


def test_an_unknown_area_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run.main(["wires"])

    assert left.value.code == 2
    assert "unknown: wires; known:" in capsys.readouterr().err


def test_an_area_run_here_prints_a_line_for_each_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = types.ModuleType("tests.bench.bench_made_up")
    monkeypatch.setattr(module, "figures", lambda folder: iter([FAST] if folder.is_dir() else []), raising=False)
    monkeypatch.setitem(sys.modules, "tests.bench.bench_made_up", module)

    assert run.main(["--here", "made_up"]) == 0
    assert Figure(**json.loads(capsys.readouterr().out)) == FAST


@pytest.mark.parametrize(
    ("ids", "why"),
    [
        (("x.fast", "x.slow"), "made_up did not give x.slow"),
        ((), "made_up gave 'x.fast', which its IDS do not name, or gave it twice"),
    ],
)
def test_an_area_must_give_exactly_its_ids(
    ids: tuple[str, ...], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = json.dumps({k: v for k, v in FAST.as_json().items() if k != "ratio"})
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(run, "ids_of", lambda _area: ids)

    with pytest.raises(run.Failed) as failed:
        list(run.measured("made_up"))

    assert str(failed.value) == why
