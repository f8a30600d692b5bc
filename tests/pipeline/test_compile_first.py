"""Kernels are compiled before the workers start, once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from filters import compiling
from pipeline import compile_first
from pipeline.progress import Progress

SAYS = """from filters import compiling as c
for _ in range(2): print(c.is_compiled(c.text_rules)), c.text_rules()
"""


def test_nothing_is_started_when_all_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "is_compiled", lambda what: True)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a process was started"))
    said = io.StringIO()
    compile_first.compile_kernels(Progress(said))
    assert said.getvalue() == ""


def test_what_is_missing_is_compiled_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiling, "is_compiled", lambda what: what is not compiling.html_classifier)
    monkeypatch.setattr(
        compile_first, "_COMPILE", f"import sys; open({str(tmp_path / 'asked')!r}, 'w').write(sys.argv[1])"
    )
    said = io.StringIO()
    compile_first.compile_kernels(Progress(said))
    assert (tmp_path / "asked").read_text() == "html_classifier"
    assert "first run on this machine" in said.getvalue()


def test_every_name_is_a_function_of_the_module() -> None:
    names = [name for group in compile_first._GROUPS for name in group]
    assert all(callable(getattr(compiling, name)) for name in names)


@pytest.mark.parametrize(
    ("seconds", "says"), [(0.3, "first run on this machine: compiling the kernels of signals"), (0, "")]
)
def test_a_first_call_is_made_and_said_when_it_is_long(
    monkeypatch: pytest.MonkeyPatch, seconds: float, says: str
) -> None:
    monkeypatch.setattr(compile_first, "_LONG_S", seconds / 30 or 600)
    said, calls = io.StringIO(), []
    compile_first.make_first_call(Progress(said), "signals", lambda: calls.append(time.sleep(seconds)))
    assert len(calls) == 1
    assert said.getvalue().strip() == says


@pytest.mark.slow
def test_a_fresh_cache_is_seen_and_filled(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    repository = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", SAYS], env=environment, cwd=repository, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
