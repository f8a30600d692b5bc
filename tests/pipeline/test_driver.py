"""What a driver runs and redoes, and how a stage's run tells of failure."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from job_workspace import article, driver, files_of, finished_run, folder_of, recipe, write_lines

from beam_jobs.shard_map import Engine, ShardMap
from pipeline.config import InputConfig, Recipe, RecipeError
from pipeline.driver import default_workers, summary
from pipeline.manifest import AccountingError, Counts, Receipt, ShardTask, Workspace, finished_receipt, write_receipt
from pipeline.progress import Progress
from pipeline.stage_run import StageError, StageRun, _sparing
from pipeline.stages import STAGES
from pipeline.verify import differing_files

BEFORE_TRAINING = [stage.name for stage in STAGES if stage.name not in ("crawl", "train", "retro")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_lines(tmp_path / "input" / "a.jsonl", [article(1), article(2)])
    return tmp_path / "input"


@pytest.fixture
def finished(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recipe, Path]:
    """A copy of a finished run."""
    made, out = finished_run(tmp_path_factory.getbasetemp())
    shutil.copytree(out, tmp_path / "out")
    return made, tmp_path / "out"


def test_a_finished_run_has_nothing_to_do(finished: tuple[Recipe, Path]) -> None:
    made, out = finished
    outcome = driver(made, out).run()
    assert (outcome.ran, outcome.skipped) == ([], BEFORE_TRAINING)


def test_a_stage_without_its_manifest_is_redone_with_what_reads_it(finished: tuple[Recipe, Path]) -> None:
    made, out = finished
    before = files_of(out / "tokenizer") | files_of(out / "tokens")
    (folder_of(out, "tokenizer") / "manifest.json").unlink()
    outcome = driver(made, out).run()
    assert (outcome.ran, outcome.skipped) == (["tokenizer", "tokens"], BEFORE_TRAINING[:-2])
    assert files_of(out / "tokenizer") | files_of(out / "tokens") == before
    assert not (out / "tmp").exists() or not list((out / "tmp").glob("*-*"))  # what was between the steps is gone


def test_a_stage_that_read_other_bytes_than_stand_there_now_is_redone(finished: tuple[Recipe, Path]) -> None:
    made, out = finished
    path = folder_of(out, "tokenizer") / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["outputs"][0]["sha256"] = "0" * 64  # as if done again, with another result
    path.write_text(json.dumps(manifest))
    assert driver(made, out).run().ran == ["tokens"]
    assert driver(made, out).run().ran == []


@pytest.mark.parametrize("harm", ["changed", "gone", "input"])
def test_verify_names_each_file_that_is_not_what_its_manifest_says(finished: tuple[Recipe, Path], harm: str) -> None:
    made, out = finished
    made = with_copied_input(made, out)
    planned = driver(made, out).planned  # before the harm: another fingerprint would be another run
    assert differing_files(planned, Progress(io.StringIO())) == []
    file = Path(made.input[0].root, "a.jsonl") if harm == "input" else next(folder_of(out, "corpus").glob("news/*"))
    if harm == "gone":
        file.unlink()
    else:
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    (problem,) = differing_files(planned, Progress(io.StringIO()))
    assert problem.startswith(f"{file}: ")


def with_copied_input(made: Recipe, out: Path) -> Recipe:
    """The recipe, reading a copy of its input that may be harmed."""
    root = out.parent / "raw"
    shutil.copytree(made.input[0].root, root)
    return made.model_copy(update={"input": (made.input[0].model_copy(update={"root": str(root)}),)})


def test_only_a_stage_whose_inputs_are_there(root: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="signals"):
        driver(recipe(root), tmp_path / "out").run(only="filter")
    with pytest.raises(RecipeError, match=r"--only nothing: the recipe has no such stage; it has \['extract'"):
        driver(recipe(root), tmp_path / "out").run(only="nothing")


def test_the_manifest_tells_what_was_read(finished: tuple[Recipe, Path]) -> None:
    _, out = finished
    for stage in STAGES:
        if stage.name in BEFORE_TRAINING:
            manifest = json.loads((folder_of(out, stage.name) / "manifest.json").read_text())
            read = [entry["path"] for entry in manifest["inputs"] if entry["path"].endswith("/manifest.json")]
            wanted = [name for name in stage.reads if name != "crawl"]
            assert sorted(path.split("/")[0] for path in read) == sorted(wanted)
            assert manifest["format_version"] == stage.format_version
    extract = json.loads((folder_of(out, "extract") / "manifest.json").read_text())
    assert [entry["path"] for entry in extract["inputs"]] == ["a.jsonl", "b.jsonl"]


def test_manifest_outputs_are_the_files_that_are_there(finished: tuple[Recipe, Path]) -> None:
    _, out = finished
    for name in BEFORE_TRAINING:
        folder = folder_of(out, name)
        outputs = {o["path"]: o for o in json.loads((folder / "manifest.json").read_text())["outputs"]}
        written = {path: data for path, data in files_of(folder).items() if path != "manifest.json"}
        assert outputs.keys() == written.keys()
        for path, data in written.items():
            assert (outputs[path]["sha256"], outputs[path]["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))


def test_two_roots_may_share_a_relative_path(root: Path, tmp_path: Path) -> None:
    write_lines(tmp_path / "other" / "a.jsonl", [article(3)])
    made = recipe(root)
    second = InputConfig(subset="c4", format="jsonl", root=str(tmp_path / "other"), paths=("*.jsonl",))
    driver(made.model_copy(update={"input": (*made.input, second)}), tmp_path / "out").run(only="extract")
    manifest = json.loads((folder_of(tmp_path / "out", "extract") / "manifest.json").read_text())
    sizes = [(root / "a.jsonl").stat().st_size, (tmp_path / "other/a.jsonl").stat().st_size]
    assert [entry["path"] for entry in manifest["inputs"]] == ["a.jsonl", "a.jsonl"]
    assert sorted(entry["bytes"] for entry in manifest["inputs"]) == sorted(sizes)


def test_a_full_disk_is_refused_before_work(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = driver(recipe(root), tmp_path / "out")
    raw = sum(int(file["bytes"]) for planned in made.planned for file in planned.inputs)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * raw + 200_000_000))
    made.check_disk()
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=3 * raw + 199_999_999))
    with pytest.raises(RecipeError, match=r"has 0\.2 GB free; this recipe needs about 0\.2 GB"):
        made.check_disk()


def test_workers_by_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert [default_workers(memory_gb) for memory_gb in (0.5, 1.0, 3.9, 100.0)] == [1, 1, 3, 8]
    assert 1 <= default_workers(0.0) <= 8


def test_a_setting_that_the_data_prove_wrong_fails_the_stage(finished: tuple[Recipe, Path]) -> None:
    made, out = finished
    large = made.model_copy(update={"tokenizer": made.tokenizer.model_copy(update={"vocab_size": 30_000})})
    with pytest.raises(StageError, match=r"tokenizer.*too small for 30,000 pieces; set \[tokenizer\] vocab_size to"):
        driver(large, out).run(only="tokenizer")
    assert json.loads((out / "run.json").read_text())["stages"]["tokenizer"]["state"] == "failed"


def test_summary_adds_the_subsets_up() -> None:
    counts = {
        "news": Counts("documents", 1200, 900, {"language": 200, "num_words": 99}, 1, 900),
        "c4": Counts("documents", 5, 5, {}, 0, 5, {"tokens": 7}),
    }
    assert summary(counts) == "1,205 documents, 905 kept, 299 dropped, 1 failed"
    assert summary({}) == "done"


# --- one stage's run


def stage_run(tmp_path: Path, made: Recipe, runner: str = "FnApiRunner") -> StageRun:
    space = Workspace(str(tmp_path / "stage"), str(tmp_path / "tmp"), str(tmp_path / "work"))
    return StageRun(
        stage="some",
        recipe=made,
        space=space,
        manifests={},
        inputs=(),
        runner=runner,
        workers=1,
        beam_options=(),
        logs=str(tmp_path / "logs"),
        progress=Progress(io.StringIO()),
    )


def receipt(entered: int, kept: int) -> Receipt:
    return Receipt("all-00000-of-00001", (), (), Counts("documents", entered, kept, {}, 0, kept), "all")


TASK = ShardTask("all", 0, 1)


def test_a_step_without_shards_runs_once(tmp_path: Path, root: Path) -> None:
    calls: list[int] = []

    def work() -> Receipt:
        calls.append(1)
        return receipt(3, 3)

    for _ in range(2):
        run = stage_run(tmp_path, recipe(root))
        assert run.run_once(TASK, work) == receipt(3, 3)
        assert run.receipts == [receipt(3, 3)]
    assert len(calls) == 1
    run = stage_run(tmp_path, recipe(root))
    run.run_once(TASK, work, run.intermediate())  # another folder, and no part of the stage's output
    assert len(calls) == 2
    assert run.receipts == []
    assert run.workers_seen()[1] > 0


def test_a_step_that_lost_a_row_leaves_no_receipt(tmp_path: Path, root: Path) -> None:
    run = stage_run(tmp_path, recipe(root))
    with pytest.raises(AccountingError, match=r"shard all-00000-of-00001: 3 documents entered, but 2 kept"):
        run.run_once(TASK, lambda: receipt(3, 2))
    assert run.receipts == []
    assert finished_receipt(run.space.folder, TASK.name) is None


@pytest.mark.parametrize(
    ("rows_a_worker", "workers", "expected"),
    [
        (None, 8, 3),  # one a shard
        (None, 2, 2),
        (10, 8, 3),
        (100, 8, 3),
        (101, 8, 2),
        (150, 8, 2),
        (151, 8, 1),
        (10**9, 8, 1),
        (100, 1, 1),
    ],
)
def test_no_more_workers_than_have_enough_to_do(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch,
    rows_a_worker: int | None, workers: int, expected: int,
) -> None:  # fmt: skip
    tasks = [ShardTask("all", index, 3, ({"rows": 100},)) for index in range(3)]
    started: list[Engine] = []

    def run_shards(engine: Engine, left: Sequence[ShardTask], shard_map: ShardMap) -> None:
        started.append(engine)
        for task in left:
            write_receipt(run.space, Receipt(task.name, (), (), Counts("documents", 1, 1, {}, 0, 1), "all"))

    monkeypatch.setattr("beam_jobs.shard_map.run_shards", run_shards)
    run = stage_run(tmp_path, recipe(root))
    run.workers = workers
    run.map_shards(tasks, ShardMap(lambda task: receipt(1, 1), run.space, run.logs), rows_a_worker)
    assert [engine.workers for engine in started] == [expected]


def test_looking_at_long_folders_takes_a_twentieth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now, looked = 0.0, 0

    def poll() -> None:
        nonlocal now, looked
        now, looked = now + 3, looked + 1

    monkeypatch.setattr("time.monotonic", lambda: now)
    sparing = _sparing(poll)
    while now < 600:
        sparing()
        now += 0.25
    assert looked == 10


def failing(error: BaseException) -> Callable[[Any], None]:
    def build(pipeline: Any) -> None:
        raise error

    return build


@pytest.mark.parametrize("runner", ["FnApiRunner", "DirectRunner"])
def test_a_job_that_fails_says_where_and_why(tmp_path: Path, root: Path, runner: str) -> None:
    run = stage_run(tmp_path, recipe(root), runner)
    with pytest.raises(StageError, match=r"some match failed: the last line; see .*/logs/beam\.log") as failure:
        run.run_pipeline("match", failing(OSError("Traceback\n  many lines\nthe last line \n\n")))
    assert isinstance(failure.value.__cause__, OSError)


def test_accounting_errors_are_known_though_they_come_as_text(tmp_path: Path, root: Path) -> None:
    """A worker process's error arrives as a RuntimeError with the whole traceback in it."""
    run = stage_run(tmp_path, recipe(root))
    said = "pipeline.manifest.AccountingError: shard news-00000-of-00001: 3 documents entered, but 2 kept"
    with pytest.raises(AccountingError, match=r"some match failed: .*3 documents entered, but 2 kept"):
        run.run_pipeline("match", failing(RuntimeError(f"Traceback (most recent call last):\n  File x\n{said}\n")))
    with pytest.raises(StageError, match="some match failed"):
        run.run_pipeline("match", failing(RuntimeError(f"During {said}\nValueError: another thing\n")))


def test_standard_error_is_given_back(tmp_path: Path, root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = stage_run(tmp_path, recipe(root))
    run.run_pipeline("match", lambda pipeline: os.write(2, b"a worker's chatter\n"))
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"
    assert "a worker's chatter" in (tmp_path / "logs" / "beam.log").read_text()
