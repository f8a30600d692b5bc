"""Kernels are compiled before the workers start, once."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from filters import compiling
from pipeline import compile_first
from pipeline.progress import Progress

SAYS = """from filters import compiling as c
for _ in range(2): print(c.is_compiled(c.text_rules)), c.text_rules()
"""


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of kernels that nobody has called."""
    folder = tmp_path / "massivetext-0123456789abcdef"
    folder.mkdir()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    return folder


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
    monkeypatch: pytest.MonkeyPatch, seconds: float, says: str, kernels: Path
) -> None:
    monkeypatch.setattr(compile_first, "_LONG_S", seconds / 30 or 600)
    said, calls = io.StringIO(), []
    compile_first.make_first_call(Progress(said), "signals", "", lambda: calls.append(time.sleep(seconds)))
    assert len(calls) == 1
    assert said.getvalue().strip() == says


def test_a_first_call_is_made_once_for_the_same_settings_and_sources(kernels: Path) -> None:
    calls: list[str] = []

    def call(stage: str, settings: str) -> None:
        compile_first.make_first_call(Progress(io.StringIO()), stage, settings, lambda: calls.append(stage + settings))

    for stage, settings in (("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"), ("a", "2")):
        call(stage, settings)
    assert calls == ["a1", "a2", "b1"]
    with pytest.raises(ZeroDivisionError):
        compile_first.make_first_call(Progress(io.StringIO()), "c", "", lambda: 1 // 0)
    call("c", "")  # what failed was not done
    assert calls[3:] == ["c"]


def test_where_no_folder_is_ours_the_call_is_made_each_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # as Numba's own choice
    calls: list[int] = []
    for number in range(2):
        compile_first.make_first_call(Progress(io.StringIO()), "a", "", partial(calls.append, number))
    assert calls == [0, 1]
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_fresh_cache_is_seen_and_filled(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    repository = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", SAYS], env=environment, cwd=repository, capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"]
