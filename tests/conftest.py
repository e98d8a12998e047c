"""What all tests share: deterministic Hypothesis in CI, short socket folders, a browser, and the coverage of rows."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.coverage_rows import Coverage

YOUNG = 50_000
"""Values until the garbage collector looks at them. By default it does after 700: a quarter of a simulation's time."""

IN_CI = os.environ.get("CI") == "true"

# Deadlines would measure the load of the machine, not the code.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
hypothesis.settings.register_profile("desk", deadline=None)
hypothesis.settings.load_profile("ci" if IN_CI else "desk")


@pytest.fixture
def tmp_socket_dir() -> Iterator[Path]:
    """A folder whose path is short: Unix socket addresses end at 108 bytes, which pytest's own folders can exceed."""
    with tempfile.TemporaryDirectory(prefix="hf-", dir="/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def browser_path() -> str | None:
    """The machine's own Chromium for Playwright's `executable_path`; None lets Playwright use the one it brought."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class RowReport:
    """Ends a run with the promises and faults it has shown; in CI it also refuses skipped tests."""

    def __init__(self, config: pytest.Config) -> None:
        chosen = config.option.markexpr or config.option.keyword
        self._whole_run = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not chosen
        self._coverage = Coverage()
        self._skipped: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.rpartition("::")[2]
        if report.failed or (report.passed and report.when == "call"):
            self._coverage.note(name, passed=report.passed)
        elif report.skipped and not hasattr(report, "wasxfail"):
            self._skipped.append(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if IN_CI and self._skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if lines := self._coverage.lines(whole_run=self._whole_run):
            terminalreporter.section("promises and faults")
            for line in lines:
                terminalreporter.line(line)
        if IN_CI and self._skipped:
            terminalreporter.line("CI may not skip: " + " ".join(self._skipped), red=True)


def pytest_collection_finish() -> None:
    """Never walk over what the collected tests have loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def pytest_configure(config: pytest.Config) -> None:
    # Workers of xdist pass their reports to the one process that talks to the person.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RowReport(config), "row_report")
