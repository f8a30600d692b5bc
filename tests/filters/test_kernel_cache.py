"""A kernel's machine code is of the sources that stand there, its callees' included."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from filters.kernel_cache import use_kernel_cache

PACKAGE = Path(__file__).parents[2] / "filters"

MODULES = {
    "inner": "from numba import njit\n@njit(cache=True)\ndef number(): return 1\n",
    "outer": "from numba import njit\nfrom filters import inner as i\nn = i.number\n"
    "@njit(cache=True)\ndef twice(): return 2 * n()\n",
    "apart": "from numba import njit\n@njit(cache=True)\ndef three(): return 3\n",
}
CALLS = """from filters.outer import twice
from filters.apart import three
print(twice(), three(), sum(twice.stats.cache_hits.values()), sum(three.stats.cache_hits.values()))
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No folder is set, and what a call sets is undone."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    return monkeypatch


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "copy" / "filters"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "kernel_cache.py"):
        shutil.copy(PACKAGE / name, folder)
    for name, source in MODULES.items():
        (folder / f"{name}.py").write_text(source)
    return folder


def folder_of(package: Path) -> Path:
    use_kernel_cache(package)
    assert os.environ["NUMBA_CACHE_DIR"] == numba.config.CACHE_DIR
    return Path(numba.config.CACHE_DIR)


def test_a_changed_callee_is_compiled_into_its_unchanged_caller(package: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": ""}

    def call() -> list[int]:
        done = subprocess.run(
            [sys.executable, "-c", CALLS],
            cwd=package.parent,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [int(number) for number in done.stdout.split()]

    assert call() == [2, 3, 0, 0]
    assert call() == [2, 3, 1, 1]  # both from the cache
    (package / "inner.py").write_text(MODULES["inner"].replace("1", "5"))
    assert call() == [10, 3, 0, 1]  # what has nothing to do with the change stays
    (package / "inner.py").write_text(MODULES["inner"])
    assert call() == [2, 3, 1, 1]  # and the code of the sources of before is still there


def test_folders_are_in_the_package(environment: pytest.MonkeyPatch, package: Path) -> None:
    first = folder_of(package)
    assert first.parent == package / "__pycache__"
    environment.setenv("NUMBA_CACHE_DIR", "")
    (package / "inner.py").write_text("")
    assert folder_of(package) != first


def test_a_users_folder_is_used_and_a_child_process_does_not_nest(
    environment: pytest.MonkeyPatch, package: Path, tmp_path: Path
) -> None:
    environment.setenv("NUMBA_CACHE_DIR", str(tmp_path / "users"))
    first = folder_of(package)
    assert first.parent == tmp_path / "users"
    (package / "inner.py").write_text("")
    second = folder_of(package)  # the variable is the parent's now
    assert second.parent == tmp_path / "users"
    assert second != first


def test_a_package_that_cannot_be_written(environment: pytest.MonkeyPatch, package: Path, tmp_path: Path) -> None:
    (package / "__pycache__").write_text("no folder")  # permissions would not stop root
    environment.setenv("HOME", str(tmp_path))
    assert folder_of(package).parent == tmp_path / ".cache" / "massivetext" / "kernels"


def test_old_folders_go(environment: pytest.MonkeyPatch, package: Path) -> None:
    for number in range(12):
        (package / "inner.py").write_text(f"# {number}")
        newest = folder_of(package)
        os.utime(newest / "modules.json", (number, number))
    assert len(list(newest.parent.iterdir())) == 8
    assert (newest / "modules.json").is_file()


def test_imports_are_of_the_form_that_is_looked_for() -> None:
    relative = [path.name for path in PACKAGE.glob("*.py") if re.search(r"^\s*from \.", path.read_text(), re.MULTILINE)]
    assert relative == []
