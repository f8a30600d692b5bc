"""Run a command and turn what it raises into one line and an exit code."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import typer

from pipeline.assets import AssetError
from pipeline.config import RecipeError
from pipeline.manifest import AccountingError
from pipeline.run_state import LockedError
from pipeline.stage_run import StageError

DONE, FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130


def run_and_exit(command: Callable[[], object]) -> NoReturn:
    """Run; the exit code is 0 done, 1 failed, 2 refused, 130 interrupted and resumable."""
    _set_up_logging()
    try:
        code = _run(command)
        sys.stdout.flush()
        sys.stderr.flush()
    except (BrokenPipeError, SystemExit) as error:
        if not isinstance(error, BrokenPipeError) and not isinstance(error.__context__, BrokenPipeError):
            raise
        os._exit(DONE)  # who reads our output has enough, as head has; typer and rich make SystemExit of it
    if "apache_beam" in sys.modules:  # a broken-off pipeline leaves threads and workers that would keep us here
        _end_workers()
        os._exit(code)
    sys.exit(code)


def _run(command: Callable[[], object]) -> int:
    try:
        result = command()
        if result == INTERRUPTED:  # typer's own answer to Ctrl-C
            raise KeyboardInterrupt
        return DONE
    except typer.TyperException as error:  # wrong arguments, or none at all
        error.show()  # type: ignore[attr-defined]
        return REFUSED
    except (RecipeError, AssetError, LockedError, FileExistsError) as error:
        return _say(f"refused: {error}", REFUSED)
    except (KeyboardInterrupt, typer.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C must not break off the way out
        return _say("interrupted; run the same command again to go on from here", INTERRUPTED)
    except (AccountingError, StageError) as error:
        return _say(f"failed: {error}", FAILED)


def _say(message: str, code: int) -> int:
    print(f"massivetext: {message}", file=sys.stderr)
    return code


def _set_up_logging() -> None:
    """Show our own warnings; those of libraries go nowhere, their errors are raised anyway."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("massivetext: %(message)s"))
    ours = ("pipeline", "filters", "tokenizer", "trainer", "beam_jobs")
    handler.addFilter(lambda record: record.name.split(".")[0] in ours or _is_an_error(record))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _is_an_error(record: logging.LogRecord) -> bool:
    """Whether a library has something to complain of; Beam's workers do of a Ctrl-C, which reaches them too."""
    return record.levelno >= logging.ERROR and "KeyboardInterrupt" not in record.getMessage()


def _end_workers() -> None:
    """End the worker processes of this driver, on systems that can name them; elsewhere they end by themselves."""
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # the thread has just ended
            for pid in children.read_text().split():
                _end(int(pid))


def _end(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
