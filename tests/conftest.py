"""What all tests share: deterministic Hypothesis in CI, short socket folders, a browser, and the coverage of rows."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from tests.coverage_rows import Coverage
from tests.warm.hub import warm_starts

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.chromium import Chromium

SHOWN_MS = 30_000
"""As long as a test waits for what a page is to show; a machine may be busy with other tests."""
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


@pytest.fixture(scope="module")
def warm_hub() -> Iterator[None]:
    """For modules that start many hubs and do not ask how long that takes."""
    with warm_starts():
        yield


@pytest.fixture(scope="session")
def browser_path() -> str | None:
    """The machine's own Chromium for Playwright's `executable_path`; None lets Playwright use the one it brought."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def chromium(browser_path: str | None) -> Iterator["Chromium"]:
    from tests.chromium import Chromium  # noqa: PLC0415 - only where a browser is needed

    shared = Chromium(browser_path)
    yield shared
    shared.close()


@pytest.fixture
def browser(chromium: "Chromium") -> Iterator["Browser"]:
    """A browser without a graphics card, shared by all tests; each closes the contexts that it opens."""
    from tests.chromium import DRAWN_IN_SOFTWARE  # noqa: PLC0415 - only where a browser is needed

    with chromium.lent(*DRAWN_IN_SOFTWARE) as lent:
        yield lent


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
    """Never walk over what the collected tests have loaded, and let those that look at pages wait long enough."""
    if playwright := sys.modules.get("playwright.sync_api"):
        playwright.expect.set_options(timeout=SHOWN_MS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def pytest_configure(config: pytest.Config) -> None:
    # Workers of xdist pass their reports to the one process that talks to the person.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(RowReport(config), "row_report")
