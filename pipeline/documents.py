"""Read a shard's documents together with what earlier stages decided about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.manifest import ShardTask, Workspace
from pipeline.schema import ABSENT, DROPPED, KEPT, VERDICT_SCHEMA


class AlignmentError(RuntimeError):
    """A side table whose rows are not those of the documents; a stage's folder was changed by hand."""


def document_shards(manifest: dict[str, Any], kind: str = "documents") -> list[ShardTask]:
    """The shards of a stage that wrote one file of ``kind`` a shard, in the order of subset and number."""
    tasks = []
    for output in manifest["outputs"]:
        subset, _, name = output["path"].rpartition("/")
        stem, _, _ = name.rpartition(".")
        if stem.startswith(f"{kind}-"):
            index, _, count = stem.removeprefix(f"{kind}-").partition("-of-")
            tasks.append(ShardTask(subset, int(index), int(count), ({"rows": output["rows"]},)))
    return tasks


def read_side_table(folder: str, task: ShardTask, kind: str, columns: Sequence[str]) -> pa.Table:
    """A whole side table of a shard: small columns only."""
    with storage.open_read(storage.join(folder, task.file(kind))) as stream:
        return pq.read_table(stream, columns=list(columns))


def kept_rows(folder: str, task: ShardTask) -> tuple[pa.ChunkedArray, npt.NDArray[np.bool_]]:
    """The ids of a shard, and which of them a verdict stage kept."""
    table = read_side_table(folder, task, "verdicts", ["id", "verdict"])
    return table["id"], pc.equal(table["verdict"], KEPT).to_numpy(zero_copy_only=False)


def read_documents(
    space: Workspace, task: ShardTask, columns: Sequence[str], after: str | None = None
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.bool_]]]:
    """Stream a shard's documents.

    Args:
        space: Names the folders of the stages read.
        task: The shard.
        columns: Of the document schema; ``id`` is always read.
        after: The verdict stage whose kept documents are alive; None = all are.

    Yields:
        Batches of at most about ``space.batch_bytes``, and a bool array [rows]: which documents are alive.

    Raises:
        AlignmentError: The verdicts are of other documents.
    """
    path = storage.join(space.upstream["extract"], task.file("documents"))
    alive, ids = None, None
    if after is not None:
        ids, alive = kept_rows(space.upstream[after], task)
    start = 0
    with storage.open_read(path) as stream:
        file = pq.ParquetFile(stream)
        for batch in file.iter_batches(_batch_rows(file, space.batch_bytes), columns=["id", *columns]):
            end = start + batch.num_rows
            if ids is not None and not ids.slice(start, batch.num_rows).combine_chunks().equals(batch["id"]):
                raise AlignmentError(f"{after} verdicts of {task.name} are not those of {path}, rows {start} to {end}")
            yield batch, np.ones(batch.num_rows, bool) if alive is None else alive[start:end]
            start = end
    if alive is not None and start != len(alive):
        raise AlignmentError(f"{after} verdicts of {task.name} have {len(alive)} rows; {path} has {start}")


def _batch_rows(file: pq.ParquetFile, batch_bytes: int) -> int:
    metadata = file.metadata
    total = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return max(1, int(batch_bytes * metadata.num_rows / max(1, total)))


def verdicts(
    ids: pa.Array,
    alive: npt.NDArray[np.bool_],
    reasons: Sequence[Sequence[str]],
    evidence: Sequence[str | None],
) -> pa.RecordBatch:
    """Rows of a verdict table.

    Args:
        ids: Of all rows.
        alive: bool [rows]: those that entered the stage; the others are absent.
        reasons: For each row that is alive, why it is dropped; empty = kept.
        evidence: For each row that is alive.
    """
    outcome = [ABSENT] * len(alive)
    all_reasons: list[Sequence[str]] = [()] * len(alive)
    all_evidence: list[str | None] = [None] * len(alive)
    for entered, row in enumerate(np.flatnonzero(alive)):
        outcome[row] = DROPPED if reasons[entered] else KEPT
        all_reasons[row], all_evidence[row] = reasons[entered], evidence[entered]
    first = [reasons[0] if reasons else None for reasons in all_reasons]
    columns = [ids, outcome, first, all_reasons, all_evidence]
    return pa.RecordBatch.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, VERDICT_SCHEMA, strict=True)],
        schema=VERDICT_SCHEMA,
    )
