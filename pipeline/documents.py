"""Read a shard's documents together with what earlier stages decided about them.

Text is written by ``extract`` and, final, by ``corpus``. Whoever reads it in between reads it here, with the edits of
``filter`` applied from there on: ``apply_edits`` is the one function that does.
"""

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
from pipeline.schema import ABSENT, DROPPED, EDITED_VERDICT_SCHEMA, KEPT, VERDICT_SCHEMA


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


def read_edits(folder: str, task: ShardTask) -> pa.Table | None:
    """``id`` and ``edits`` (pipeline.schema.EDITS_TYPE) of a shard, from the filter's folder; None without edits."""
    with storage.open_read(storage.join(folder, task.file("verdicts"))) as stream:
        file = pq.ParquetFile(stream)
        return file.read(["id", "edits"]) if "edits" in file.schema_arrow.names else None


def with_edits(documents: pa.RecordBatch, edits: pa.Table) -> pa.RecordBatch:
    """Documents with their edits applied.

    Args:
        documents: Has ``id`` and ``text``.
        edits: As ``read_edits`` gives, of the same rows.

    Raises:
        AlignmentError: They are the edits of other documents.
    """
    if not edits["id"].combine_chunks().equals(documents["id"]):
        raise AlignmentError(f"the edits of {edits.num_rows} documents are not those of the {documents.num_rows} read")
    texts = apply_edits(documents["text"], edits["edits"].combine_chunks())
    return documents.set_column(documents.schema.get_field_index("text"), documents.schema.field("text"), texts)


def apply_edits(texts: pa.Array, edits: pa.Array) -> pa.Array:
    """Apply each document's edits to its text.

    Args:
        texts: string [n], no nulls.
        edits: ``EDITS_TYPE`` [n]; positions are bytes of the text as extracted.

    Returns:
        string [n]; ``texts`` itself where there is nothing to edit.

    Raises:
        ValueError: A document's edits are not in order, overlap, or pass its end; or the result is 2 GiB or larger.
    """
    flat = edits.flatten()
    if not len(flat):
        return texts
    _, offset_buffer, data = texts.buffers()
    offsets = np.frombuffer(offset_buffer, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    rows = pc.list_parent_indices(edits).to_numpy()
    starts, stops = (offsets[rows] + flat.field(name).to_numpy() for name in ("start", "stop"))
    before = np.maximum(offsets[rows], np.append(offsets[0], stops[:-1]))  # where each edit may start at the earliest
    if (starts < before).any() or (stops < starts).any() or (stops > offsets[rows + 1]).any():
        raise ValueError("a document's edits must be in order, apart, and within its text; some are not")
    replacements = [replacement.encode() for replacement in flat.field("replacement").to_pylist()]
    pieces, position, source = [], int(offsets[0]), memoryview(data)
    for start, stop, replacement in zip(starts.tolist(), stops.tolist(), replacements, strict=True):
        pieces += [source[position:start], replacement]
        position = stop
    edited = b"".join([*pieces, source[position : int(offsets[-1])]])
    grown = np.array([len(replacement) for replacement in replacements]) - (stops - starts)
    lengths = np.diff(offsets) + np.bincount(rows, grown, len(texts)).astype(np.int64)
    if len(edited) >= 2**31:
        raise ValueError(f"edited texts of a batch must be smaller than 2 GiB; got {len(edited)} bytes")
    ends = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.Array.from_buffers(pa.string(), len(texts), [None, pa.py_buffer(ends), pa.py_buffer(edited)])


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
        edits = read_edits(space.upstream["filter"], task) if "text" in columns else None
    start = 0
    with storage.open_read(path) as stream:
        file = pq.ParquetFile(stream, pre_buffer=False)  # else all of the file at once
        for batch in file.iter_batches(_batch_rows(file, space.batch_bytes), columns=["id", *columns]):
            end = start + batch.num_rows
            if ids is not None and not ids.slice(start, batch.num_rows).combine_chunks().equals(batch["id"]):
                raise AlignmentError(f"{after} verdicts of {task.name} are not those of {path}, rows {start} to {end}")
            if edits is not None:
                batch = with_edits(batch, edits.slice(start, batch.num_rows))
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
    reasons: pa.ListArray | Sequence[Sequence[str]],
    evidence: pa.StringArray | Sequence[str | None],
    edits: pa.Array | None = None,
) -> pa.RecordBatch:
    """Rows of a verdict table.

    Args:
        ids: Of all rows.
        alive: bool [rows]: those that entered the stage; the others are absent.
        reasons: For each row that is alive, why it is dropped; empty = kept.
        evidence: For each row that is alive.
        edits: Of all rows, where the recipe has edits.
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
    if edits is None:
        return pa.RecordBatch.from_arrays(columns, schema=VERDICT_SCHEMA)
    return pa.RecordBatch.from_arrays([*columns, edits], schema=EDITED_VERDICT_SCHEMA)


def _as_array(values: pa.Array | Sequence[Any], kind: pa.DataType) -> pa.Array:
    return values if isinstance(values, pa.Array) else pa.array(values, kind)
