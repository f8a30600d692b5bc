"""Read a shard's documents together with what earlier stages decided about them.

Text is written by ``extract`` and, final, by ``corpus``. Whoever reads it in between reads it here, with the edits that
the filter decided on applied (``pipeline.text_edits``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.config import RecipeError
from pipeline.manifest import ShardTask, Workspace
from pipeline.parquet_files import SerialParquetFile, read_table
from pipeline.schema import ABSENT, DROPPED, KEPT, VERDICT_SCHEMA
from pipeline.text_edits import apply_edits, read_editing, read_edits


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
            rows = ({"rows": output["rows"]},)
            tasks.append(ShardTask(subset, int(index), int(count), rows, bytes=output["bytes"]))
    return tasks


def read_side_table(folder: str, task: ShardTask, kind: str, columns: Sequence[str]) -> pa.Table:
    """A whole side table of a shard: small columns only."""
    return read_table(storage.join(folder, task.file(kind)), columns)


def kept_rows(folder: str, task: ShardTask) -> tuple[pa.ChunkedArray, npt.NDArray[np.bool_]]:
    """The ids of a shard, and which of them a verdict stage kept."""
    table = read_side_table(folder, task, "verdicts", ["id", "verdict"])
    return table["id"], pc.equal(table["verdict"], KEPT).to_numpy(zero_copy_only=False)


def shard_edits(folders: Mapping[str, str], task: ShardTask, num_rows: int | None = None) -> pa.Table | None:
    """``id`` and ``edits`` (``text_edits.EDITS_TYPE``) of a shard's documents; None where nothing edits them.

    Args:
        folders: Of the stages, ``filter`` and ``signals`` among them.
        task: The shard.
        num_rows: Of no fewer than the first so many documents; None = of all.

    Raises:
        RecipeError: The signals, which hold what the filter takes out, are not finished.
    """
    editing = read_editing(storage.join(folders["filter"], task.file("verdicts")))
    if not editing:
        return None
    if "signals" not in folders:
        raise RecipeError("the filter's edits stand in the signals, and these are not finished; run them first")
    return read_edits(storage.join(folders["signals"], task.file("signals")), editing, num_rows)


def with_edits(documents: pa.RecordBatch, edits: pa.Table) -> pa.RecordBatch:
    """Documents with their edits applied.

    Args:
        documents: Has ``id`` and ``text``.
        edits: As ``shard_edits`` gives, of the same rows.

    Raises:
        AlignmentError: They are the edits of other documents.
    """
    if not edits["id"].combine_chunks().equals(documents["id"]):
        raise AlignmentError(f"the edits of {edits.num_rows} documents are not those of the {documents.num_rows} read")
    texts = apply_edits(documents["text"], edits["edits"].combine_chunks())
    return documents.set_column(documents.schema.get_field_index("text"), documents.schema.field("text"), texts)


def read_documents(
    space: Workspace, task: ShardTask, columns: Sequence[str], after: str | None = None
) -> Iterator[tuple[pa.RecordBatch, npt.NDArray[np.bool_]]]:
    """Stream a shard's documents.

    Args:
        space: Names the folders of the stages read.
        task: The shard.
        columns: Of the document schema; ``id`` is always read.
        after: The verdict stage whose kept documents are alive, their text as the filter edited it; None = all are
            alive, and their text is as extracted.

    Yields:
        Batches of at most about ``space.batch_bytes``, and a bool array [rows]: which documents are alive.

    Raises:
        AlignmentError: The verdicts or edits are of other documents.
    """
    path = storage.join(space.upstream["extract"], task.file("documents"))
    alive, ids, edits = None, None, None
    if after is not None:
        ids, alive = kept_rows(space.upstream[after], task)
        edits = shard_edits(space.upstream, task) if "text" in columns else None
    start = 0
    with storage.open_read(path) as stream:
        file = SerialParquetFile(stream)
        rows, read = _batch_rows(file, space.batch_bytes), ["id", *columns]
        for batch in file.iter_batches(rows, columns=read):
            end = start + batch.num_rows
            if ids is not None and not ids.slice(start, batch.num_rows).combine_chunks().equals(batch["id"]):
                raise AlignmentError(f"{after} verdicts of {task.name} are not those of {path}, rows {start} to {end}")
            if edits is not None:
                batch = with_edits(batch, edits.slice(start, batch.num_rows))
            yield batch, np.ones(batch.num_rows, bool) if alive is None else alive[start:end]
            start = end
    if alive is not None and start != len(alive):
        raise AlignmentError(f"{after} verdicts of {task.name} have {len(alive)} rows; {path} has {start}")


def _batch_rows(file: SerialParquetFile, batch_bytes: int) -> int:
    metadata = file.metadata
    total = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    return max(1, int(batch_bytes * metadata.num_rows / max(1, total)))


def verdicts(
    ids: pa.Array,
    alive: npt.NDArray[np.bool_],
    reasons: pa.ListArray | Sequence[Sequence[str]],
    evidence: pa.StringArray | Sequence[str | None],
) -> pa.RecordBatch:
    """Rows of a verdict table.

    Args:
        ids: Of all rows.
        alive: bool [rows]: those that entered the stage; the others are absent.
        reasons: For each row that is alive, why it is dropped; empty = kept.
        evidence: For each row that is alive.
    """
    reasons, evidence = _as_array(reasons, pa.list_(pa.string())), _as_array(evidence, pa.string())
    names = reasons.flatten()
    counts = np.zeros(len(alive), np.int32)
    counts[alive] = pc.list_value_length(reasons).to_numpy()
    offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    is_dropped = counts > 0
    outcomes = pa.array([ABSENT, KEPT, DROPPED]).take(pa.array(alive.astype(np.int8) + is_dropped))
    first = names.take(pa.array(offsets[:-1], mask=~is_dropped))
    said = evidence.take(pa.array(np.cumsum(alive) - 1, mask=~alive))
    columns = [ids, outcomes, first, pa.ListArray.from_arrays(pa.array(offsets), names), said]
    return pa.RecordBatch.from_arrays(columns, schema=VERDICT_SCHEMA)


def _as_array(values: pa.Array | Sequence[Any], kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)
