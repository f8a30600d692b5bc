"""What all tests share."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from pipeline.compile_first import compile_kernels
from pipeline.progress import Progress

SHARED = Path(__file__).parents[2] / "shared" / "data"

# Files that take long: begun first, or at the end one core would work on them and the others wait.
LONGEST = ("test_sample.py", "test_kill.py", "test_quickstart.py", "test_run.py", "beam_jobs/test_extract_memory.py")
LONGEST += ("test_remote_out.py", "trainer/test_train.py")


def pytest_configure(config: pytest.Config) -> None:
    """Let Ctrl-C through to the programs under test: a shell's background job hands it on as ignored.

    Before several processes share the tests, have the kernels compiled, or each would do it.
    """
    if config.getoption("numprocesses", None):
        compile_kernels(Progress())
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; xdist hands out files in this order (``--no-loadscope-reorder``)."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real corpora beside the checkout; without it the test is skipped."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is absent: real corpora are not part of the repository")
    return SHARED


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Where the corpora are there, a test skipped for want of them is a fault of the test."""
    if SHARED.is_dir():
        for report in terminalreporter.stats.get("skipped", []):
            if "../shared" in str(report.longrepr):
                terminalreporter.write_line(f"ERROR: skipped though ../shared/data is there: {report.nodeid}")
                terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
