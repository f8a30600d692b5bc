"""Corpus text to token shards: ``tokens-*.npy`` and ``documents-*`` (pipeline.schema.TOKEN_DOCUMENT_SCHEMA).

A document's place in its subset is the order of hash(seed, id). First each corpus shard is encoded and cut into buckets
by that hash's top bits; then each bucket is sorted into one token shard. The held-out split is tokenised alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from beam_jobs.shard_map import ShardMap
from beam_jobs.train_tokenizer import MODEL
from beam_jobs.write_corpus import HELD_OUT
from pipeline import storage
from pipeline.accounting import count_rows
from pipeline.config import TokensConfig
from pipeline.documents import document_shards
from pipeline.manifest import Counts, Receipt, ShardTask, Workspace
from pipeline.parquet_files import read_batches, read_table
from pipeline.schema import ID_BYTES
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import OutputFile, ParquetShardWriter, join
from tokenizer.document_order import document_order
from tokenizer.encoder import FastSentencePiece, add_bos_eos
from tokenizer.token_shards import write_token_shard

# tokens as little-endian bytes: Arrow's lists of small integers cost more to build and to cut
_ENCODED = pa.schema(
    [("id", pa.binary(ID_BYTES)), ("order", pa.uint64()), ("bytes", pa.int64()), ("tokens", pa.binary())]
)
_BATCH_ROWS = 256


class EncodeDocuments(ShardMap):
    """Shard descriptors in, receipts out: each corpus shard, encoded and cut into buckets."""

    def __init__(self, space: Workspace, seed: int, logs: str) -> None:
        super().__init__(partial(encode_shard, space=space, seed=seed), space, logs)


class SortBuckets(ShardMap):
    """Bucket descriptors in, receipts out: each bucket, sorted into one token shard."""

    def __init__(self, space: Workspace, logs: str) -> None:
        super().__init__(partial(sort_bucket, space=space), space, logs)


def run(stage: StageRun) -> None:
    """Encode, then sort."""
    config, space = stage.recipe.tokens, stage.intermediate()
    shards = document_shards(stage.manifests["corpus"])
    buckets = plan_buckets(stage.manifests["corpus"], config)
    encode = [replace(s, inputs=({"buckets": buckets[s.subset], **s.inputs[0]},), step="encode") for s in shards]
    stage.map_shards(encode, EncodeDocuments(space, config.seed, stage.logs))
    sort = [
        ShardTask(subset, index, count, tuple({"shard": s.index, "of": s.count} for s in shards if s.subset == subset))
        for subset, count in buckets.items()
        for index in range(count)
    ]
    stage.map_shards(sort, SortBuckets(stage.space, stage.logs))


def plan_buckets(corpus: Mapping[str, Any], config: TokensConfig) -> dict[str, int]:
    """Token shards of each subset and of its held-out split, from the corpus's sizes."""
    buckets = {}
    for subset, counts in corpus["counts"].items():
        buckets[subset] = max(1, -(-counts["text_bytes"] // config.shard_text_bytes))
        buckets[f"{HELD_OUT}/{subset}"] = max(1, -(-counts[f"{HELD_OUT}_text_bytes"] // config.shard_text_bytes))
    return buckets


def _piece_path(subset: str, bucket: int, shard: int, count: int) -> str:
    return f"{subset}/bucket-{bucket:05d}/{storage.shard_name('encoded', shard, count, 'parquet')}"


def encode_shard(task: ShardTask, space: Workspace, seed: int) -> Receipt:
    """Encode one corpus shard's documents, each into its bucket's file."""
    buckets = task.inputs[0]["buckets"]
    writers = [
        ParquetShardWriter(
            space.folder, _piece_path(task.subset, bucket, task.index, task.count), _ENCODED, space.scratch
        )
        for bucket in range(buckets)
    ]
    source, entered = join(space.upstream["corpus"], task.file("documents")), 0
    with _all_of(writers):
        for batch in read_batches(source, ["id", "text"], _BATCH_ROWS):
            entered += batch.num_rows
            rows = _encode(batch, _encoder(join(space.upstream["tokenizer"], MODEL)), seed)
            bucket_of = _bucket(rows["order"].to_numpy(), buckets)
            for bucket, writer in enumerate(writers):
                writer.write(rows.filter(pa.array(bucket_of == bucket)))
    outputs = tuple(writer.finished() for writer in writers)
    written = sum(count_rows(space.path(output.path), 0).kept for output in outputs)
    counts = Counts("documents", entered, written, {}, 0, written)
    return Receipt(task.name, (), outputs, counts, task.subset)


def _all_of(writers: Sequence[ParquetShardWriter]) -> Any:
    stack = ExitStack()
    for writer in writers:
        stack.enter_context(writer)
    return stack


def _bucket(order: npt.NDArray[np.uint64], buckets: int) -> npt.NDArray[np.int64]:
    """The bucket of each hash: equal ranges of its upper 32 bits."""
    return ((order >> np.uint64(32)) * np.uint64(buckets) >> np.uint64(32)).astype(np.int64)


@cache
def _encoder(model: str) -> FastSentencePiece:
    """One a process."""
    return FastSentencePiece(storage.read_bytes(model))


def _encode(batch: pa.RecordBatch, encoder: FastSentencePiece, seed: int) -> pa.RecordBatch:
    tokens, offsets = add_bos_eos(*encoder.encode_batch(batch["text"]))
    flat, width = tokens.tobytes(), tokens.dtype.itemsize
    cut = [flat[a * width : b * width] for a, b in pairwise(offsets.tolist())]
    order = document_order(batch["id"], seed, b"tokens")
    lengths = pc.cast(pc.binary_length(batch["text"]), pa.int64())
    return pa.RecordBatch.from_arrays(
        [batch["id"], pa.array(order), lengths, pa.array(cut, pa.binary())], schema=_ENCODED
    )


def sort_bucket(task: ShardTask, space: Workspace) -> Receipt:
    """Read one bucket from all corpus shards and write it in order."""
    pieces = [_piece_path(task.subset, task.index, part["shard"], part["of"]) for part in task.inputs]
    table = pa.concat_tables(read_table(join(space.work, piece)) for piece in pieces).combine_chunks()
    table = table.sort_by([("order", "ascending"), ("id", "ascending")])
    dtype = _encoder(join(space.upstream["tokenizer"], MODEL)).vocabulary.dtype
    ids, tokens = table["id"].combine_chunks(), table["tokens"]
    lengths = np.array([len(value) // dtype.itemsize for value in tokens.to_pylist()], np.int64)
    blocks = (np.frombuffer(value.as_buffer(), dtype) for value in tokens)
    array, documents = write_token_shard(
        space.folder, task.subset, task.index, task.count, ids, blocks, lengths, dtype, space.scratch
    )
    counts = _counts(task, table, array, space.path(documents.path))
    return Receipt(task.name, (), (array, documents), counts, task.subset.removeprefix(f"{HELD_OUT}/"))


def _counts(task: ShardTask, table: pa.Table, array: OutputFile, documents_path: str) -> Counts:
    held = f"{HELD_OUT}_" if task.subset.startswith(f"{HELD_OUT}/") else ""
    extra = {f"{held}tokens": array.rows, f"{held}text_bytes": int(pc.sum(table["bytes"]).as_py() or 0)}
    if held:
        extra[HELD_OUT] = table.num_rows
    return count_rows(documents_path, table.num_rows, extra)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("tokens", argv)


if __name__ == "__main__":
    main()
