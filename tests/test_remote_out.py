"""A run into a store that isn't this machine's disk, here fsspec's memory, which one process alone can see."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_run import STAGES, write_input

from pipeline import storage
from pipeline.conduct import run_recipe
from pipeline.driver import Driver
from pipeline.progress import Progress
from pipeline.recipe import load_recipe

OVERRIDES = ["run.workers=1", "run.max_failed_fraction=0.02"]


@pytest.fixture
def store() -> Iterator[str]:
    yield "memory://remote/out"
    storage.remove("memory://remote")


def files_of(out: str) -> dict[str, str]:
    """Every file below the stage folders, with its digest."""
    return {
        storage.join(stage, name): hashlib.sha256(storage.read_bytes(storage.join(out, stage, name))).hexdigest()
        for stage in STAGES
        for name in storage.list_files(storage.join(out, stage))
    }


def break_at(step: int, said: list[str]) -> Callable[[Progress, str], None]:
    """A ``Progress.say`` that notes training's lines, one a step, and ends the run at the last of so many."""

    def say(progress: Progress, line: str) -> None:
        said.extend([line] if line.startswith("train ") else [])
        if len(said) == step:
            raise KeyboardInterrupt

    return say


@pytest.mark.slow
def test_run_into_a_store_writes_what_a_local_one_does_and_goes_on_training(
    tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(str(write_input(tmp_path)), OVERRIDES)
    run_recipe(recipe, str(tmp_path / "out"))
    said: list[str] = []
    monkeypatch.setattr(Progress, "say", break_at(5, said))
    with pytest.raises(KeyboardInterrupt):
        run_recipe(recipe, store)
    assert any(name.endswith("latest.tar") for name in storage.list_files(storage.join(store, "tmp")))
    assert run_recipe(recipe, store).ran == ["train", "retro"]
    assert len(said) == 5 + 2  # the checkpoint was of step 4 of 6
    assert files_of(store) == files_of(str(tmp_path / "out"))
    assert storage.list_files(storage.join(store, "tmp")) == []
    assert run_recipe(recipe, store).ran == []


def test_file_url_is_the_folder_that_it_names(tmp_path: Path) -> None:
    recipe = load_recipe(str(write_input(tmp_path)), OVERRIDES)
    driver = Driver(recipe, f"file://{tmp_path}/out", "FnApiRunner")
    assert {str(Path(planned.folder).parent.parent) for planned in driver.planned} == {str(tmp_path / "out")}
