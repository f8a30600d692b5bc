from __future__ import annotations

import json
import os
import sys
import threading
from functools import partial
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.coders import BytesCoder, TupleCoder, registry
from apache_beam.options.pipeline_options import DirectOptions, PortableOptions, StandardOptions
from apache_beam.testing.test_pipeline import TestPipeline as LocalPipeline
from apache_beam.testing.util import assert_that, equal_to
from job_workspace import files_of, run_on_beam, workspace

from beam_jobs.shard_map import Engine, RecordBatchCoder, ShardMap, deal, lost_workers, run_shards
from pipeline.manifest import AccountingError, Counts, Receipt, ShardTask, finished_receipt

TASKS = [ShardTask("news", index, 3, ({"rows": index},)) for index in range(3)]


def batch(first: int, num_rows: int) -> pa.RecordBatch:
    """Every kind of column that meets: hashes, ordinals, ids, numbers and texts, some of them null."""
    numbers = range(first, first + num_rows)
    return pa.RecordBatch.from_pydict(
        {
            "key": pa.array([number * 2**50 for number in numbers], pa.uint64()),
            "id": pa.array([b"%016d" % number if number % 3 else None for number in numbers], pa.binary(16)),
            "jaccard": pa.array([number / 7 for number in numbers], pa.float32()),
            "exact": pa.array([number % 2 == 0 for number in numbers]),
            "text": pa.array([f"números {number}" if number % 5 else None for number in numbers]),
            "reasons": pa.array([["a"] * (number % 3) for number in numbers], pa.list_(pa.string())),
        }
    )


# --- the coder


@pytest.mark.parametrize("whole", [batch(0, 100), batch(0, 0), batch(5, 1), batch(0, 100).slice(90, 7)])
def test_a_batch_comes_back_as_it_was(whole: pa.RecordBatch) -> None:
    coder = RecordBatchCoder()
    again = coder.decode(coder.encode(whole))
    assert again.equals(whole)
    assert again.schema.equals(whole.schema, check_metadata=True)


def test_a_slice_carries_only_its_rows() -> None:
    incompressible = pa.RecordBatch.from_pydict({"key": pa.array([os.urandom(64) for _ in range(10_000)])})
    coder = RecordBatchCoder()
    assert len(coder.encode(incompressible.slice(5_000, 10))) < 10 * 64 + 1_500
    assert len(coder.encode(incompressible)) > 10_000 * 64
    assert coder.estimate_size(incompressible.slice(0, 10)) == pytest.approx(10 * 68, abs=8)  # 4 bytes of offset a row


def test_the_coder_is_the_one_that_beam_takes() -> None:
    assert type(registry.get_coder(pa.RecordBatch)) is RecordBatchCoder
    with beam.Pipeline(runner="FnApiRunner") as pipeline:
        batches = pipeline | "One" >> beam.Create([batch(0, 3)]).with_output_types(pa.RecordBatch)
        keyed = pipeline | "Two" >> beam.Create([(b"a", batch(0, 3))]).with_output_types(tuple[bytes, pa.RecordBatch])
        assert type(registry.get_coder(batches.element_type)) is RecordBatchCoder
        coder = registry.get_coder(keyed.element_type)
        assert isinstance(coder, TupleCoder)
        assert [type(part) for part in coder.coders()] == [BytesCoder, RecordBatchCoder]


def test_a_batch_is_never_a_key() -> None:
    assert not RecordBatchCoder().is_deterministic()
    with pytest.raises(ValueError, match="deterministic"):
        RecordBatchCoder().as_deterministic_coder("GroupByKey")


def test_batches_survive_the_way_to_other_processes() -> None:
    """The workers get the coder with the pipeline; they import nothing of this test."""
    batches = [batch(0, 50), batch(50, 50).slice(3, 4), batch(0, 0)]
    options = Engine("FnApiRunner", 2).pipeline_options()
    with LocalPipeline(runner="FnApiRunner", options=options) as pipeline:
        keyed = [(b"%d" % number, one) for number, one in enumerate(batches)]
        found = (
            pipeline
            | beam.Create(keyed).with_output_types(tuple[bytes, pa.RecordBatch])
            | beam.Reshuffle()
            | beam.Values().with_output_types(pa.RecordBatch)
            | "Again" >> beam.Reshuffle()
            | beam.Map(pa.RecordBatch.to_pylist)
        )
        assert_that(found, equal_to([one.to_pylist() for one in batches]))


# --- the engine


def test_one_worker_stays_in_this_process_and_more_are_processes() -> None:
    for workers, mode in ((1, "in_memory"), (3, "multi_processing")):
        direct = Engine("FnApiRunner", workers).pipeline_options().view_as(DirectOptions)
        assert (direct.direct_running_mode, direct.direct_num_workers) == (mode, workers)


def test_the_users_options_go_to_beam() -> None:
    options = Engine("FlinkRunner", 2, ("--flink_master=here:1", "--parallelism=4")).pipeline_options()
    assert options.view_as(StandardOptions).runner == "FlinkRunner"
    assert {"flink_master": "here:1", "parallelism": 4}.items() <= options.get_all_options().items()


def test_prism_runs_workers_in_this_process_unless_told_otherwise() -> None:
    def environment(*options: str) -> str:
        return Engine("PrismRunner", 1, options).pipeline_options().view_as(PortableOptions).environment_type

    assert environment() == "LOOPBACK"
    assert environment("--environment_type=DOCKER") == "DOCKER"


# --- shards


def write_shard(task: ShardTask, folder: str, lost: int = 0) -> Receipt:
    rows = task.inputs[0]["rows"]
    Path(folder).mkdir(exist_ok=True)
    Path(folder, f"{task.name}.txt").write_text("row\n" * rows)
    return Receipt(task.name, (), (), Counts("documents", rows + lost, rows, {}, 0, rows), task.subset)


def test_shard_map_writes_receipts_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    space = workspace(tmp_path, "stage")
    expected = [write_shard(task, str(tmp_path / "plain")) for task in TASKS]
    shard_map = ShardMap(lambda task: write_shard(task, space.folder), space, str(tmp_path / "logs"))
    run_on_beam(shard_map, TASKS, expected, monkeypatch)
    assert files_of(space.folder) == files_of(tmp_path / "plain")
    assert [finished_receipt(space.folder, task.name) for task in TASKS] == expected
    note = json.loads((tmp_path / "logs" / "news-00002-of-00003.json").read_text())
    assert note["rows"] == 2
    assert note["worker"].endswith(f"-{os.getpid()}")
    assert 10e6 < note["peak_memory_bytes"] < 1e12
    assert note["seconds"] >= 0


def test_a_shard_that_lost_a_row_leaves_no_receipt(tmp_path: Path) -> None:
    space = workspace(tmp_path, "stage")
    losing = ShardMap(lambda task: write_shard(task, space.folder, lost=task.index == 1), space, str(tmp_path / "logs"))
    with pytest.raises(AccountingError, match=r"shard news-00001-of-00003: 2 documents entered, but 1 kept"):
        run_shards(Engine("FnApiRunner", 1), TASKS, losing)
    assert finished_receipt(space.folder, "news-00001-of-00003") is None
    mended = ShardMap(lambda task: write_shard(task, space.folder), space, str(tmp_path / "logs"))
    run_shards(Engine("FnApiRunner", 1), TASKS, mended)
    assert None not in [finished_receipt(space.folder, task.name) for task in TASKS]


# --- shares of workers


def sized(*sizes: int) -> list[ShardTask]:
    return [ShardTask("news", index, len(sizes), ({"rows": 1},), bytes=size) for index, size in enumerate(sizes)]


def shares(sizes: tuple[int, ...], workers: int) -> list[list[int]]:
    return [[task.index for task in share] for share in deal(sized(*sizes), workers)]


@pytest.mark.parametrize(
    ("sizes", "workers", "expected"),
    [
        ((4, 8, 0, 4, 4, 8, 0, 4), 2, [[0, 1, 2, 4], [3, 5, 6, 7]]),  # 16 each, though every other pair is the longer
        ((9, 1, 1, 1), 2, [[0], [1, 2, 3]]),
        ((0, 0, 0, 0), 2, [[0, 2], [1, 3]]),  # unknown sizes: by number
        ((5, 6), 4, [[1], [0]]),  # no empty share
        ((5, 6), 1, [[0, 1]]),
        ((), 2, []),
    ],
)
def test_workers_get_equal_shares_in_the_order_of_the_plan(
    sizes: tuple[int, ...], workers: int, expected: list[list[int]]
) -> None:
    assert shares(sizes, workers) == expected


def test_every_shard_has_one_worker() -> None:
    sizes = tuple(number * 7919 % 101 for number in range(200))
    dealt = shares(sizes, 7)
    assert sorted(index for share in dealt for index in share) == list(range(200))
    loads = [sum(sizes[index] for index in share) for share in dealt]
    assert max(loads) - min(loads) <= max(sizes)  # so much is never exceeded by giving the next to who has least


def test_local_workers_do_their_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))  # of the workers, which import this file
    space = workspace(tmp_path, "stage")
    tasks = sized(1, 1, 1, 9)
    write = partial(write_shard, folder=space.folder)
    run_shards(Engine("FnApiRunner", 2), tasks, ShardMap(write, space, str(tmp_path / "logs")))
    assert None not in [finished_receipt(space.folder, task.name) for task in tasks]
    notes = [json.loads((tmp_path / "logs" / f"{task.name}.json").read_text()) for task in tasks]
    workers = [note["worker"] for note in notes]
    assert workers[0] == workers[1] == workers[2] != workers[3]


def fail_in_a_thread(name: str) -> None:
    thread = threading.Thread(target=lambda: 1 / 0, name=name)
    thread.start()
    thread.join()


def test_only_the_death_of_a_worker_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    others: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda ended: others.append(ended.thread.name))
    before = threading.excepthook
    with lost_workers() as lost:
        fail_in_a_thread("something else")
        assert lost == []
        fail_in_a_thread("run_worker")
        assert lost == ["division by zero"]
    assert others == ["something else"]
    assert threading.excepthook is before
