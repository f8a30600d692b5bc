"""How a command ends."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent

# Threads end while they are listed, as a broken-off pipeline's do; in a process of its own, since it ends its children.
ENDING_THREADS = """
import random, threading, time
from pipeline.exit_codes import _end_workers
for _ in range(100):
    for _ in range(20):
        threading.Thread(target=time.sleep, args=(random.random() / 1000,)).start()
    _end_workers()
"""
LOGGED = """
import logging, sys
from pipeline.exit_codes import _set_up_logging
_set_up_logging()
logging.getLogger(sys.argv[1]).log(int(sys.argv[2]), sys.argv[3])
"""
SLEEPERS = """
import subprocess
from pipeline.exit_codes import _end_workers
sleepers = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
_end_workers()
print(*(sleeper.wait() for sleeper in sleepers))
"""


def test_threads_that_end_meanwhile_do_not_matter() -> None:
    subprocess.run([sys.executable, "-c", ENDING_THREADS], check=True)


def test_every_worker_is_ended() -> None:
    ended = subprocess.run([sys.executable, "-c", SLEEPERS], check=True, capture_output=True, text=True)
    assert ended.stdout == "-15 -15\n"


def test_a_reader_that_has_enough_is_no_failure() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pipeline.cli", "assets", "list", "--json"]
    ended = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("name", "level", "message", "is_shown"),
    [
        ("pipeline.inputs", logging.WARNING, "two files cannot be cut", True),
        ("apache_beam.worker", logging.WARNING, "a pickle is large", False),
        ("apache_beam.worker", logging.ERROR, "Error processing instruction", True),
        ("apache_beam.worker", logging.CRITICAL, "sdk harness failed: KeyboardInterrupt", False),
    ],
)
def test_what_is_shown_of_logs(name: str, level: int, message: str, is_shown: bool) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", LOGGED, name, str(level), message], capture_output=True, text=True, check=True
    )
    assert (message in shown.stderr) is is_shown
