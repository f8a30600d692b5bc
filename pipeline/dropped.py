"""Write dropped documents out, on request: ``OUT/dropped/<subset>/documents-*``, with ``stage, reason, evidence``.

They are otherwise a view: the text stands in extract's documents, the decision in the verdict tables. The text is as
the filter edited it.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.documents import document_shards, read_side_table, shard_edits, with_edits
from pipeline.finished import VERDICT_STAGES, FinishedStage, finished_stages
from pipeline.manifest import ShardTask
from pipeline.parquet_files import read_batches
from pipeline.schema import DOCUMENT_SCHEMA, KEPT
from pipeline.storage import ParquetShardWriter

_DECISION = [pa.field("stage", pa.string()), pa.field("reason", pa.string()), pa.field("evidence", pa.string())]
DROPPED_SCHEMA = pa.schema([*DOCUMENT_SCHEMA, *_DECISION])


def write_dropped(out: str) -> int:
    """Write every document that a finished verdict stage dropped or failed; gives how many."""
    stages = finished_stages(out)
    verdict_stages = {name: stages[name] for name in VERDICT_STAGES if name in stages}
    folder, scratch = storage.join(out, "dropped"), storage.join(out, "tmp", "unfinished")
    storage.remove(folder)  # another plan's shards may stand there
    folders, written = {name: stage.folder for name, stage in stages.items()}, 0
    for task in document_shards(stages["extract"].manifest):
        with ParquetShardWriter(folder, task.file("documents"), DROPPED_SCHEMA, scratch) as writer:
            decision = _decisions(verdict_stages, task)
            edits = shard_edits(folders, task) if "filter" in stages else None
            _write_shard(storage.join(stages["extract"].folder, task.file("documents")), decision, edits, writer)
        written += writer.finished().rows
    return written


def _decisions(stages: Mapping[str, FinishedStage], task: ShardTask) -> pa.Table:
    """One row a document: the stage that ended it, null for those kept."""
    rows: list[dict[str, str | None]] = [
        {"stage": None, "reason": None, "evidence": None} for _ in range(task.inputs[0]["rows"])
    ]
    for name, stage in stages.items():
        table = read_side_table(stage.folder, task, "verdicts", ["verdict", "reason", "evidence"])
        ended = pc.is_in(table["verdict"], value_set=pa.array([KEPT, "absent"]))
        for row, is_kept in enumerate(ended.to_pylist()):
            if not is_kept:
                rows[row] = {"stage": name, **table.slice(row, 1).select(["reason", "evidence"]).to_pylist()[0]}
    return pa.Table.from_pylist(rows, pa.schema(_DECISION))


def _write_shard(path: str, decisions: pa.Table, edits: pa.Table | None, writer: ParquetShardWriter) -> None:
    start = 0
    for batch in read_batches(path):
        if edits is not None:
            batch = with_edits(batch, edits.slice(start, batch.num_rows))
        part = decisions.slice(start, batch.num_rows).combine_chunks()
        columns = [*batch.columns, *(part[name].combine_chunks() for name in part.column_names)]
        rows = pa.RecordBatch.from_arrays(columns, schema=DROPPED_SCHEMA)
        writer.write(rows.filter(pc.is_valid(rows["stage"])))
        start += batch.num_rows
