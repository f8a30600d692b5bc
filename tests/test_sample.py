"""The sample recipe on real corpora: exact counts, and the same bytes by one worker, by two, and on Prism."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from small_run import STAGES, files_of, manifest, massivetext

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

# how far the model is trained proves nothing here, nor on how much it is measured, which would be half of the time
SHORT = ("--set", "train.steps=4", "--set", "train.warmup_steps=2", "--set", "train.checkpoint_steps=2")
SHORT += ("--set", "train.evaluate_steps=2", "--set", "corpus.held_out_fraction=0.002")

# with workers, two or more; so few documents the filter decides in the driver, and in test_kill by workers
MAP_STAGES = ("extract", "signals", "signatures", "dedup", "decontaminate", "corpus", "tokens", "retro")

# (in, kept, dropped, failed) of each stage and subset
COUNTS = {
    "extract": {
        "books": (42, 42, 0, 0),
        "c4": (1140, 1140, 0, 0),
        "github": (1287, 679, 608, 0),
        "massiveweb": (3635, 2501, 1134, 0),
        "news": (13015, 13015, 0, 0),
        "wikipedia": (3059, 1978, 1081, 0),
    },
    "filter": {
        "books": (42, 36, 6, 0),
        "c4": (1140, 1128, 12, 0),
        "github": (679, 679, 0, 0),
        "massiveweb": (2501, 1148, 1353, 0),
        "news": (13015, 12511, 504, 0),
        "wikipedia": (1978, 912, 1066, 0),
    },
    "dedup": {
        "books": (36, 35, 1, 0),
        "c4": (1128, 1128, 0, 0),
        "github": (679, 679, 0, 0),
        "massiveweb": (1148, 1044, 104, 0),
        "news": (12511, 11908, 603, 0),
        "wikipedia": (912, 912, 0, 0),
    },
    "decontaminate": {
        "books": (35, 35, 0, 0),
        "c4": (1128, 1128, 0, 0),
        "github": (679, 679, 0, 0),
        "massiveweb": (1044, 1044, 0, 0),
        "news": (11908, 11908, 0, 0),
        "wikipedia": (912, 912, 0, 0),
    },
}


def run_sample(out: Path, shared: Path, *arguments: str) -> Path:
    massivetext("run", "sample", "--out", str(out), "--input-root", str(shared), *SHORT, *arguments)
    return out


@pytest.fixture(scope="module")
def finished(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By one worker, in memory."""
    return run_sample(tmp_path_factory.mktemp("sample") / "one", shared, "--workers", "1")


def test_counts_are_exact(finished: Path) -> None:
    for stage, expected in COUNTS.items():
        counts = manifest(finished, stage)["counts"]
        found = {
            subset: (row["in"], row["kept"], sum(row["dropped"].values()), row["failed"])
            for subset, row in counts.items()
        }
        assert found == expected, stage


def test_two_processes_with_other_batches_write_the_same_bytes(finished: Path, shared: Path, tmp_path: Path) -> None:
    out = run_sample(tmp_path / "two", shared, "--workers", "2", "--set", "run.batch_bytes=700000")
    assert files_of(out) == files_of(finished)
    stages = json.loads((out / "run.json").read_text())["stages"]
    assert [stage for stage in MAP_STAGES if len(stages[stage]["workers"]) < 2] == []


def test_prism_writes_the_same_bytes(finished: Path, shared: Path, tmp_path: Path) -> None:
    prism = shutil.which("prism") or shutil.which("prism", path=str(Path.home() / "go" / "bin"))
    if prism is None:
        pytest.skip("no prism here: go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0")
    text_stages = tuple(stage for stage in STAGES if stage not in ("train", "retro"))
    without = ("--set", "train.steps=0", "--set", "retro.encoder=''")  # train has no Beam job; retro's are like tokens'
    out = run_sample(tmp_path / "prism", shared, *without, "--runner", "prism", "--", f"--prism_location={prism}")
    assert files_of(out, text_stages) == files_of(finished, text_stages)
