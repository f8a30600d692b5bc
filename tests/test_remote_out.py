"""A run into a store that isn't this machine's disk, here fsspec's memory, which one process alone can see."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from small_run import STAGES, write_input

from pipeline import storage
from pipeline.conduct import run_recipe
from pipeline.config import load_recipe
from pipeline.stages import Driver

OUT = "memory://remote/out"


def files_of(out: str) -> dict[str, str]:
    """Every file below the stage folders, with its digest."""
    return {
        storage.join(stage, name): hashlib.sha256(storage.read_bytes(storage.join(out, stage, name))).hexdigest()
        for stage in STAGES
        for name in storage.list_files(storage.join(out, stage))
    }


@pytest.mark.slow
def test_run_into_a_store_writes_what_a_local_one_does(tmp_path: Path) -> None:
    overrides = ["run.workers=1", "run.max_failed_fraction=0.02", "train.model=tiny"]
    recipe = load_recipe(str(write_input(tmp_path)), overrides)
    run_recipe(recipe, str(tmp_path / "out"))
    run_recipe(recipe, OUT)
    try:
        assert files_of(OUT) == files_of(str(tmp_path / "out"))
        assert storage.list_files(storage.join(OUT, "tmp")) == []
        assert run_recipe(recipe, OUT).ran == []
    finally:
        storage.remove("memory://remote")
