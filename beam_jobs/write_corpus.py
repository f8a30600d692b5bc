"""The final text: ``documents-*`` of what every stage kept, and the held-out split under ``held_out/``.

A document is held out by a hash of its id, so that it stays so whatever else is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.shard_map import ShardMap
from pipeline.accounting import count_rows
from pipeline.config import CorpusConfig
from pipeline.documents import document_shards, read_documents
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace
from pipeline.schema import DOCUMENT_SCHEMA
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import OutputFile, ParquetShardWriter
from tokenizer.document_order import chosen

HELD_OUT = "held_out"
_COLUMNS = [name for name in DOCUMENT_SCHEMA.names if name != "id"]


class WriteCorpus(ShardMap):
    """Shard descriptors in, receipts out."""

    def __init__(self, space: Workspace, config: CorpusConfig, logs: str) -> None:
        super().__init__(partial(write_shard, space=space, config=config), space, logs)


def run(stage: StageRun) -> None:
    """Write every shard."""
    write = WriteCorpus(stage.space, stage.recipe.corpus, stage.logs)
    stage.map_shards(document_shards(stage.manifests["extract"]), write)


def write_shard(task: ShardTask, space: Workspace, config: CorpusConfig) -> Receipt:
    """Write one shard's kept documents to their split."""
    entered, text_bytes = 0, {"text_bytes": 0, f"{HELD_OUT}_text_bytes": 0}
    main = ParquetShardWriter(space.folder, task.file("documents"), DOCUMENT_SCHEMA, space.scratch)
    held_task = ShardTask(f"{HELD_OUT}/{task.subset}", task.index, task.count)
    held = ParquetShardWriter(space.folder, held_task.file("documents"), DOCUMENT_SCHEMA, space.scratch)
    with main, held:
        for batch, alive in read_documents(space, task, _COLUMNS, after="decontaminate"):
            entered += int(alive.sum())
            kept = batch.filter(pa.array(alive))
            out = chosen(kept["id"], config.seed, b"held_out", config.held_out_fraction)
            for writer, rows, key in ((main, ~out, "text_bytes"), (held, out, f"{HELD_OUT}_text_bytes")):
                part = _in_schema(kept.filter(pa.array(rows)))
                text_bytes[key] += _text_bytes(part["text"])
                writer.write(part)
    return _receipt(task, space, entered, main.finished(), held.finished(), text_bytes)


def _receipt(
    task: ShardTask, space: Workspace, entered: int, main: OutputFile, held: OutputFile, text_bytes: dict[str, int]
) -> Receipt:
    kept = count_rows(space.path(main.path), 0).kept
    out = count_rows(space.path(held.path), 0).kept
    extra = {HELD_OUT: out, **text_bytes}
    counts = Counts("documents", entered, kept + out, {}, 0, kept + out, extra)
    return Receipt(task.name, (), (main, held), counts, task.subset)


def _in_schema(batch: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([batch[name] for name in DOCUMENT_SCHEMA.names], schema=DOCUMENT_SCHEMA)


def _text_bytes(texts: pa.Array) -> int:
    return int(pc.sum(pc.binary_length(texts)).as_py() or 0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("corpus", argv)


if __name__ == "__main__":
    main()
