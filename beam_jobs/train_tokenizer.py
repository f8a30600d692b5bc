"""Train the tokenizer on a sample of the corpus: ``tokenizer.model`` and ``card.json``.

The sample is the documents of smallest hash that together reach ``sample_bytes``; held-out documents are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.shard_map import ShardMap
from beam_jobs.write_corpus import HELD_OUT
from pipeline import storage
from pipeline.accounting import count_rows
from pipeline.config import TokenizerConfig
from pipeline.documents import document_shards
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace
from pipeline.parquet_files import read_batches, read_table
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import OutputFile, ParquetShardWriter, join
from tokenizer.document_order import document_order
from tokenizer.training import tokenizer_card, train_tokenizer

MODEL, CARD = "tokenizer.model", "card.json"
_SIZES = pa.schema([("order", pa.uint64()), ("bytes", pa.int64())])


class SizeDocuments(ShardMap):
    """Shard descriptors in, receipts out: each document's place in the sample's order, and its size."""

    def __init__(self, space: Workspace, seed: int, logs: str) -> None:
        super().__init__(partial(size_shard, space=space, seed=seed), space, logs)


def run(stage: StageRun) -> None:
    """Size the documents, choose the sample, and train in this process: SentencePiece's result depends on threads."""
    config, space = stage.recipe.tokenizer, stage.intermediate()
    shards = document_shards(stage.manifests["corpus"])
    training = [shard for shard in shards if not shard.subset.startswith(f"{HELD_OUT}/")]
    tasks = [replace(shard, inputs=(), step="size") for shard in training]
    stage.map_shards(tasks, SizeDocuments(space, config.seed, stage.logs))
    task = ShardTask("all", 0, 1)
    stage.run_once(task, lambda: train(task, stage.space, tasks, config))


def size_shard(task: ShardTask, space: Workspace, seed: int) -> Receipt:
    """Write order and size of one corpus shard's documents."""
    path, entered = task.file("sizes"), 0
    source = join(space.upstream["corpus"], task.file("documents"))
    with ParquetShardWriter(space.folder, path, _SIZES, space.scratch) as writer:
        for batch in read_batches(source, ["id", "text"]):
            entered += batch.num_rows
            order = document_order(batch["id"], seed, b"tokenizer")
            sizes = pc.cast(pc.binary_length(batch["text"]), pa.int64())
            writer.write(pa.RecordBatch.from_arrays([pa.array(order), sizes], schema=_SIZES))
    counts = count_rows(space.path(path), entered)
    return Receipt(task.name, (), (writer.finished(),), counts, task.subset)


def train(task: ShardTask, space: Workspace, tasks: Sequence[ShardTask], config: TokenizerConfig) -> Receipt:
    """Train on the sample and describe the model.

    Raises:
        ValueError: The sample is too small for the vocabulary, or has no text.
    """
    highest = _highest_order(space, tasks, config.sample_bytes)
    model = train_tokenizer(_sample(space, tasks, config.seed, highest), config.vocab_size)
    card = tokenizer_card(model, _sample(space, tasks, config.seed, highest))
    outputs = []
    for path, data in ((MODEL, model), (CARD, (json.dumps(card, indent=1, sort_keys=True) + "\n").encode())):
        with storage.atomic_writer(space.path(path), space.scratch) as stream:
            stream.write(data)
        outputs.append(OutputFile(path, stream.sha256, card["sample"]["documents"], stream.bytes))
    entered = sum(int((_orders(space, task) <= highest).sum()) for task in tasks) if highest is not None else 0
    sampled = card["sample"]["documents"]
    counts = Counts("sampled documents", entered, sampled, {}, 0, sampled)
    return Receipt(task.name, (), tuple(outputs), counts, task.subset)


def _orders(space: Workspace, task: ShardTask) -> npt.NDArray[np.uint64]:
    return read_table(join(space.work, task.file("sizes")), ["order"])["order"].to_numpy()


def _highest_order(space: Workspace, tasks: Sequence[ShardTask], sample_bytes: int) -> np.uint64 | None:
    """The order of the last document in the sample; None for an empty corpus."""
    tables = (read_table(join(space.work, task.file("sizes"))) for task in tasks)
    table = pa.concat_tables(tables).sort_by("order")
    if not table.num_rows:
        return None
    reached = np.cumsum(table["bytes"].to_numpy())
    last = min(int(np.searchsorted(reached, sample_bytes)), table.num_rows - 1)
    return np.uint64(table["order"][last].as_py())


def _sample(space: Workspace, tasks: Sequence[ShardTask], seed: int, highest: np.uint64 | None) -> Iterator[str]:
    """The sample's texts, in the order of shards and rows."""
    for task in tasks if highest is not None else ():
        for batch in read_batches(join(space.upstream["corpus"], task.file("documents")), ["id", "text"]):
            order = document_order(batch["id"], seed, b"tokenizer")
            yield from batch["text"].filter(pa.array(order <= highest)).to_pylist()


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("tokenizer", argv)


if __name__ == "__main__":
    main()
