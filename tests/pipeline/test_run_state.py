from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.run_state import LockedError, RunState, locked

HOLD = "import sys; from pipeline.run_state import locked\nwith locked(sys.argv[1]): print('held', flush=True); input()"


def test_second_driver_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(LockedError, match=f"in use by process {holder.pid} on "), locked(str(tmp_path)):
        pass
    holder.communicate("\n")
    with locked(str(tmp_path)):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert not (tmp_path / ".lock").exists()


def test_lock_of_a_killed_driver_is_taken_over(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.kill()
    holder.communicate()
    assert (tmp_path / ".lock").exists()
    with locked(str(tmp_path)):
        pass


def test_lock_of_a_pid_that_another_process_has_now_is_taken_over(tmp_path: Path) -> None:
    with locked(str(tmp_path)):
        held = json.loads((tmp_path / ".lock").read_text())
    (tmp_path / ".lock").write_text(json.dumps({**held, "started": "1"}))
    with locked(str(tmp_path)):
        pass


def test_lock_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(str(tmp_path)):
        successor = json.dumps({**json.loads(path.read_text()), "pid": 1})
        path.unlink()  # by hand, in the belief that the run is gone
        path.write_text(successor)
    assert path.read_text() == successor


def test_file_url_locks_the_folder_that_it_names(tmp_path: Path) -> None:
    with locked(f"file://{tmp_path}/out"):
        assert (tmp_path / "out" / ".lock").exists()


def test_store_has_no_lock_and_a_warning_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with locked("memory://locked/out"):
        assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_state_survives_and_a_new_digest_starts_anew(tmp_path: Path) -> None:
    RunState(str(tmp_path)).update("extract", "a" * 16, state="running", attempts=2)
    state = RunState(str(tmp_path))
    assert state.stage("extract", "a" * 16)["attempts"] == 2
    assert state.stage("extract", "b" * 16) is None
    state.update("extract", "b" * 16, state="running")
    assert RunState(str(tmp_path)).stage("extract", "b" * 16)["attempts"] == 0
