"""The filter as Beam jobs, Parquet in and Parquet out, beside the sum of its parts; ``--help`` says on what.

The last column is what the machine itself gives: the same parts in processes that share nothing. Cores which are two
threads of one are worth less than two.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from side_by_side import markdown

from beam_jobs.filter_documents import decide_batch, decision_of
from beam_jobs.measure_signals import signals_schema
from filters.language import LanguageModel
from filters.rule_sets import SIGNALS
from filters.text import scan
from pipeline import assets
from pipeline.config import SignalsConfig
from pipeline.documents import document_shards, read_documents
from pipeline.manifest import Workspace
from pipeline.recipe import load_recipe
from pipeline.schema import VERDICT_SCHEMA
from pipeline.storage import ParquetShardWriter

DEFAULT = Path(__file__).parents[3] / "shared" / "data" / "bench" / "documents.parquet"
RECIPE = """
[[input]]
subset = "massiveweb"
format = "parquet"
paths = ["documents-*.parquet"]
[extract]
shard_input_bytes = 4_500_000
"""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("documents", nargs="?", default=str(DEFAULT), help="Parquet file with a column named text")
    parser.add_argument("--copies", type=int, default=96, help="how many times it is read; workers take 3 s to start")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the second run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "recipe.toml").write_text(RECIPE)
        for copy in range(arguments.copies):
            (folder / f"documents-{copy:03}.parquet").symlink_to(Path(arguments.documents).resolve())
        _run(folder, "extract", arguments.workers)
        parts, size, documents = _parts(folder)
        print(
            f"{documents:,} documents, {size / 1e6:,.0f} MB of text; {arguments.copies} times {arguments.documents}\n"
        )
        rows = [
            [name, f"{size / 1e6 / seconds:,.0f}", f"{1e9 * seconds / size:.1f}"] for name, seconds in parts.items()
        ]
        print(markdown(["part, one process", "MB/s", "CPU-ms/MB"], rows))
        print()
        counts = list(dict.fromkeys((1, arguments.workers)))
        stages = {workers: _stages(folder, workers) for workers in counts}
        bare = {workers: _side_by_side(folder, workers) for workers in counts}
        print(_whole(stages, bare, sum(parts.values()), size, documents))


def _run(folder: Path, stage: str, workers: int) -> dict[str, Any]:
    """Run one stage anew, as a user would; gives its entry in run.json."""
    shutil.rmtree(folder / "out" / stage, ignore_errors=True)
    command = [sys.executable, "-m", "pipeline.cli", "run", str(folder / "recipe.toml"), "--out", str(folder / "out")]
    words = [*command, "--only", stage, "--workers", str(workers)]
    subprocess.run(words, check=True, cwd=Path(__file__).parents[2], stderr=subprocess.DEVNULL)
    entry: dict[str, Any] = json.loads((folder / "out" / "run.json").read_text())["stages"][stage]
    return entry


def _stages(folder: Path, workers: int) -> float:
    """Seconds of the two stages, from the plan to the commit."""
    seconds: float = sum(_run(folder, stage, workers)["seconds"] for stage in ("signals", "filter"))
    return seconds


class _Clock:
    """CPU seconds of this process, by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.start()

    def start(self) -> None:
        self._since = time.process_time()

    def stop(self, part: str) -> None:
        """What has been spent since the last call went into a part."""
        self.seconds[part] = self.seconds.get(part, 0.0) + time.process_time() - self._since
        self.start()


def _side_by_side(folder: Path, processes: int) -> float:
    """Seconds in which so many processes, with nothing in common but the machine, do the parts of some shards each."""
    context = multiprocessing.get_context("spawn")
    barrier, seconds = context.Barrier(processes), SimpleQueue[float](ctx=context)
    started = [
        context.Process(target=_bare, args=(folder, f"parts-{number}", barrier, seconds)) for number in range(processes)
    ]
    for process in started:
        process.start()
    slowest = max(seconds.get() for _ in started)
    for process in started:
        process.join()
    return slowest


def _bare(folder: Path, name: str, barrier: Barrier, seconds: SimpleQueue[float]) -> None:
    _parts(folder, name, shards=1)  # kernels are loaded
    barrier.wait()
    start = time.perf_counter()
    _parts(folder, name, shards=6)
    seconds.put(time.perf_counter() - start)


def _parts(folder: Path, name: str = "parts", shards: int | None = None) -> tuple[dict[str, float], int, int]:
    """CPU seconds of each part on its own, in this process; bytes of text; documents."""
    (path,) = (folder / "out" / "extract").glob("*/manifest.json")
    manifest, scratch = json.loads(path.read_text()), str(folder / name / "scratch")
    space = Workspace(str(folder / name), scratch, "", {"extract": str(path.parent)})
    decision = decision_of(load_recipe(str(folder / "recipe.toml")), "massiveweb")
    model = LanguageModel(assets.path("lid.176.ftz"))
    clock, size, documents = _Clock(), 0, 0
    for task in document_shards(manifest)[:shards]:
        clock.start()
        batches = [batch for batch, _ in read_documents(space, task, ["text"])]
        clock.stop("read Parquet")
        signals = [_signals(batch, model, clock) for batch in batches]
        verdicts = [decide_batch(batch, decision) for batch in signals]
        clock.stop("decide")
        for name, schema, tables in (("signals", signals_schema(), signals), ("verdicts", VERDICT_SCHEMA, verdicts)):
            with ParquetShardWriter(space.folder, task.file(name), schema, scratch) as writer:
                for table in tables:
                    writer.write(table)
        clock.stop("write Parquet")
        size += sum(pc.sum(pc.binary_length(batch["text"])).as_py() for batch in batches)
        documents += sum(batch.num_rows for batch in batches)
    return clock.seconds, size, documents


def _signals(batch: pa.RecordBatch, model: LanguageModel, clock: _Clock) -> pa.RecordBatch:
    columns = [batch["id"], *model.predict(batch["text"], SignalsConfig().language_max_chars)]
    clock.stop("language")
    scanned = scan(batch["text"])
    clock.stop("scan")
    for measure in SIGNALS:
        columns += measure(scanned).columns
        clock.stop(measure.__name__.removesuffix("_signals"))
    return pa.RecordBatch.from_arrays(columns, schema=signals_schema())


def _whole(seconds: dict[int, float], bare: dict[int, float], parts: float, size: int, documents: int) -> str:
    rows = [
        [
            f"{workers}",
            f"{size / 1e6 / taken:,.0f}",
            f"{documents / taken:,.0f}",
            f"{parts / taken:.2f}",
            f"{seconds[1] / taken:.2f}",
            f"{workers * bare[1] / bare[workers]:.2f}",
        ]
        for workers, taken in seconds.items()
    ]
    header = [
        "worker processes",
        "MB/s",
        "documents/s",
        "speed over that of the sum of the parts",
        "over that of one worker",
        "so many bare processes over one",
    ]
    return markdown(header, rows)


if __name__ == "__main__":
    main()
