"""The coverage lines themselves, and that no test is named after a row that does not exist."""

import ast
from pathlib import Path

import pytest

from tests.coverage_rows import BROKERS, DELIVERY_CORE, FAULTS, ON_EACH_BROKER, PROMISES, Coverage, broker_of, rows_of

TESTS = Path(__file__).parent
KNOWN = {*(("p", n) for n in PROMISES), *(("f", n) for n in FAULTS)}


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("test_f037_effect_happens_once", (("f", 37),)),
        ("test_p3_duplicate_makes_one_row[7]", (("p", 3),)),
        ("test_p3_f023_duplicate_makes_one_row", (("p", 3), ("f", 23))),
        ("test_f16_float", (("f", 16),)),
        ("test_fact_f016_is_not_a_prefix", ()),
        ("test_plain", ()),
    ],
)
def test_rows_are_read_from_the_front_of_a_test_name(name: str, rows: tuple[tuple[str, int], ...]) -> None:
    assert rows_of(name) == rows


def test_rows_are_numbered_without_a_hole() -> None:
    assert list(PROMISES) == list(range(1, 9))
    assert list(FAULTS) == list(range(1, 125))
    assert set(FAULTS) >= DELIVERY_CORE >= ON_EACH_BROKER


@pytest.mark.parametrize(
    ("name", "broker"),
    [
        ("test_f020_killed[mosquitto]", "mosquitto"),
        ("test_f106_stranger[embedded-anonymous]", "embedded"),
        ("test_f020_on_mosquitto_too", None),
        ("test_f020_killed[7]", None),
    ],
)
def test_the_broker_of_a_test_is_one_of_its_parameters(name: str, broker: str | None) -> None:
    assert broker_of(name) == broker


def test_a_row_is_not_shown_when_one_of_its_tests_fails() -> None:
    coverage = Coverage()
    coverage.note("test_p3_one_row", passed=True)
    coverage.note("test_f020_broker_killed[a]", passed=True)
    coverage.note("test_f020_broker_killed[b]", passed=False)

    assert coverage.lines(whole_run=False) == [
        "promises shown: 1 of 8  P3",
        "faults shown: 0 of 124",
        "  failed     f020  broker killed with messages queued",
    ]


def test_a_row_that_depends_on_the_broker_is_shown_on_each_by_name() -> None:
    coverage = Coverage()
    coverage.note("test_f020_broker_killed[embedded]", passed=True)
    coverage.note("test_f021_broker_overflows[mosquitto]", passed=True)
    coverage.note("test_f037_effect_once[mosquitto]", passed=True)

    assert coverage.lines(whole_run=False) == [
        "faults shown: 3 of 124  f020 f021 f037",
        f"on embedded: 1 of {len(ON_EACH_BROKER)}  f020",
        f"on mosquitto: 1 of {len(ON_EACH_BROKER)}  f021",
    ]


def test_a_run_that_concerns_no_row_has_nothing_to_say() -> None:
    coverage = Coverage()
    coverage.note("test_plain", passed=True)

    assert coverage.lines(whole_run=False) == []


def test_a_whole_run_names_what_is_open_in_the_delivery_core_and_what_lies_beyond_it() -> None:
    coverage = Coverage()
    for number in PROMISES:
        coverage.note(f"test_p{number}_x", passed=True)
    for number in DELIVERY_CORE - {5}:
        for broker in BROKERS:
            if (number, broker) != (20, "mosquitto"):
                coverage.note(f"test_f{number:03}_x[{broker}]", passed=True)

    assert [line for line in coverage.lines(whole_run=True) if "not shown" in line] == [
        "  not shown  f005  device dies while it applies a welcome",
        "  not shown  f020  broker killed with messages queued, on mosquitto",
    ]
    (beyond,) = (line for line in coverage.lines(whole_run=True) if "beyond delivery" in line)
    named = {int(word.removeprefix("f")) for word in beyond.split() if word[1:].isdigit()}
    assert named == {*FAULTS} - DELIVERY_CORE


def test_every_test_that_names_a_row_names_a_known_one() -> None:
    named = {
        (file.relative_to(TESTS).as_posix(), node.name)
        for file in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }

    assert {(file, name) for file, name in named if not set(rows_of(name)) <= KNOWN} == set()
