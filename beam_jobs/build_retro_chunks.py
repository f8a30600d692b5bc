"""Cut each token shard into RETRO chunks: ``chunks-*.npy`` and ``chunk_documents-*`` (trainer.retro.chunks).

A row of ``chunks`` has ``chunk_len`` tokens of one document, without bos and eos, the last filled with pad. Beside them
stands one row a document with its cluster of duplicates, so that a search can pass over copies. Held-out documents are
left out and counted as dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.shard_map import ShardMap
from pipeline import storage
from pipeline.config import RetroConfig
from pipeline.documents import AlignmentError, document_shards
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace
from pipeline.parquet_files import read_table
from pipeline.schema import ID_BYTES
from pipeline.storage import OutputFile, ParquetShardWriter, join
from tokenizer.token_shards import HELD_OUT, open_token_array
from trainer.retro.arrays import write_array
from trainer.retro.chunks import CHUNK_DOCUMENT_SCHEMA, chunk_blocks, chunks_in, starts_of

_Ints = npt.NDArray[np.int64]


class BuildRetroChunks(ShardMap):
    """Shard descriptors in, receipts out: each token shard, cut into chunks."""

    def __init__(self, space: Workspace, config: RetroConfig, logs: str) -> None:
        super().__init__(partial(build_chunks, space=space, config=config), space, logs)


def plan_chunk_shards(tokens_manifest: dict[str, Any]) -> list[ShardTask]:
    """One shard of chunks for each shard of tokens; the held-out ones are only counted."""
    return [replace(shard, inputs=(), step="chunk") for shard in document_shards(tokens_manifest)]


def build_chunks(task: ShardTask, space: Workspace, config: RetroConfig) -> Receipt:
    """Cut one token shard.

    Args:
        task: Names a token shard.
        space: With ``tokens`` and ``dedup`` upstream.
        config: Its ``chunk_len`` counts.

    Raises:
        ValueError: A file is broken, or table and array don't fit; names the file.
        AlignmentError: Documents are not in dedup's tables: those are of another run.
    """
    documents = _read_documents(space, task)
    if task.subset.startswith(HELD_OUT):
        counts = Counts("documents", len(documents), 0, {"held_out": len(documents)}, 0, 0)
        return Receipt(task.name, (), (), counts, task.subset.removeprefix(HELD_OUT))
    num_tokens = documents["length"].to_numpy() - 2
    chunks = _write_chunks(task, space, documents["start"].to_numpy() + 1, num_tokens, config.chunk_len)
    rows = _document_rows(space, task, documents["id"].combine_chunks(), num_tokens, config.chunk_len)
    with ParquetShardWriter(space.folder, task.file("chunk_documents"), CHUNK_DOCUMENT_SCHEMA, space.scratch) as writer:
        writer.write(rows)
    outputs = (chunks, writer.finished())
    return Receipt(task.name, (), outputs, _count(space, outputs, len(documents)), task.subset)


def _read_documents(space: Workspace, task: ShardTask) -> pa.Table:
    return read_table(join(space.upstream["tokens"], task.file("documents")))


def _write_chunks(task: ShardTask, space: Workspace, starts: _Ints, num_tokens: _Ints, chunk_len: int) -> OutputFile:
    path = join(space.upstream["tokens"], task.file("tokens", "npy"))
    tokens = open_token_array(path)
    end = int(starts[-1] + num_tokens[-1]) + 1 if len(starts) else 0
    if end != len(tokens) or num_tokens.min(initial=0) < 0:
        raise ValueError(f"{path}: its table's documents end at token {end}; the array has {len(tokens)}")
    shape = (int(chunks_in(num_tokens, chunk_len).sum()), chunk_len)
    blocks = chunk_blocks(tokens, starts, num_tokens, chunk_len)
    return write_array(space.folder, task.file("chunks", "npy"), space.scratch, shape, tokens.dtype, blocks)


def _document_rows(
    space: Workspace, task: ShardTask, ids: pa.Array, num_tokens: _Ints, chunk_len: int
) -> pa.RecordBatch:
    num_chunks = chunks_in(num_tokens, chunk_len)
    numbers = [pa.array(column) for column in (starts_of(num_chunks), num_chunks, num_tokens)]
    clusters = find_clusters(join(space.upstream["dedup"], task.subset), ids)
    return pa.RecordBatch.from_arrays([ids, *numbers, clusters], schema=CHUNK_DOCUMENT_SCHEMA)


def find_clusters(folder: str, ids: pa.Array) -> pa.Array:
    """Look up documents in a subset's cluster tables, one table at a time.

    Every shard of chunks reads all tables of its subset: some 20 bytes a document. That is the simple form; with
    thousands of shards they would be sorted by id first.

    Args:
        folder: Holds the subset's ``clusters-*.parquet``.
        ids: Of one token shard, which is in another order than those tables.

    Returns:
        binary(16) as long as ``ids``: the cluster; null for a document without copies.

    Raises:
        AlignmentError: An id is in no table.
    """
    found = np.zeros(len(ids), bool)
    clusters = np.zeros((len(ids), ID_BYTES), np.uint8)
    has_cluster = np.zeros(len(ids), bool)
    for name in storage.list_files(folder):
        if name.startswith("clusters-"):
            _look_up(join(folder, name), ids, found, clusters, has_cluster)
    if not found.all():
        raise AlignmentError(
            f"{folder}: {int((~found).sum())} of {len(ids)} documents are in none of its cluster tables"
        )
    buffers = [pa.array(has_cluster).buffers()[1], pa.py_buffer(clusters)]
    return pa.Array.from_buffers(pa.binary(ID_BYTES), len(ids), buffers)


def _look_up(
    path: str,
    ids: pa.Array,
    found: npt.NDArray[np.bool_],
    clusters: npt.NDArray[np.uint8],
    has_cluster: npt.NDArray[np.bool_],
) -> None:
    table = read_table(path, ["id", "cluster"]).combine_chunks()
    rows = pc.index_in(table["id"], value_set=ids)
    ours = table.filter(rows.is_valid())
    places = rows.drop_null().to_numpy()
    found[places] = True
    clustered = ours["cluster"].is_valid().to_numpy()
    has_cluster[places[clustered]] = True
    values = ours["cluster"].drop_null().to_pylist()
    clusters[places[clustered]] = np.frombuffer(b"".join(values), np.uint8).reshape(-1, ID_BYTES)


def _count(space: Workspace, outputs: Sequence[OutputFile], entered: int) -> Counts:
    """Balance the documents by reading the table again."""
    table = read_table(space.path(outputs[1].path), ["num_chunks", "num_tokens", "cluster"])
    kept = int(pc.sum(pc.greater(table["num_chunks"], 0)).as_py() or 0)
    extra = {
        "tokens": int(pc.sum(table["num_tokens"]).as_py() or 0),
        "in_clusters": table.num_rows - int(table["cluster"].null_count),
    }
    dropped = {"no_tokens": table.num_rows - kept} if kept < table.num_rows else {}
    return Counts("documents", entered, kept, dropped, 0, outputs[0].rows, extra)
