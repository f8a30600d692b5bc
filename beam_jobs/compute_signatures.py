"""What dedup compares: ``signatures-*``, aligned with the documents; absent documents have nulls.

Columns: ``id``; ``exact`` (16 bytes, hash of the text with white space normalised); ``num_words``; ``signature``
(num_perm little-endian uint32, null for documents shorter than a shingle, which are only exact-deduplicated).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from filters.minhash import exact_hashes, signatures
from filters.text import scan
from pipeline.accounting import count_present
from pipeline.config import SignaturesConfig
from pipeline.documents import document_shards, read_documents
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.schema import ID_BYTES
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import ParquetShardWriter


class ComputeSignatures(ShardMap):
    """Shard descriptors in, receipts out."""

    def __init__(self, space: Workspace, config: SignaturesConfig, logs: str) -> None:
        super().__init__(partial(sign_shard, space=space, config=config), space, logs)


def run(stage: StageRun) -> None:
    """Sign every shard."""
    sign = ComputeSignatures(stage.space, stage.recipe.signatures, stage.logs)
    stage.map_shards(document_shards(stage.manifests["extract"]), sign)


def schema(num_perm: int) -> pa.Schema:
    """Of the table."""
    return pa.schema(
        [
            pa.field("id", pa.binary(ID_BYTES), nullable=False),
            pa.field("exact", pa.binary(ID_BYTES)),
            pa.field("num_words", pa.int64()),
            pa.field("signature", pa.binary(4 * num_perm)),
        ]
    )


def sign_shard(task: ShardTask, space: Workspace, config: SignaturesConfig) -> Receipt:
    """Sign one shard's documents that the filter kept."""
    path, entered = task.file("signatures"), 0
    with ParquetShardWriter(space.folder, path, schema(config.num_perm), space.scratch) as writer:
        for batch, alive in read_documents(space, task, ["text"], after="filter"):
            entered += int(alive.sum())
            writer.write(sign_batch(batch["id"], batch["text"], alive, config))
    return Receipt(task.name, (), (writer.finished(),), count_present(space.path(path), "exact", entered), task.subset)


def sign_batch(
    ids: pa.Array, texts: pa.Array, alive: npt.NDArray[np.bool_], config: SignaturesConfig
) -> pa.RecordBatch:
    """Signatures of the alive rows, nulls in the others."""
    scanned = scan(texts.filter(pa.array(alive)))
    signed, has_signature = signatures(scanned, config.num_perm, config.ngram, config.seed)
    rows = np.flatnonzero(alive)
    num_words = np.diff(scanned.word_offsets)
    return pa.RecordBatch.from_arrays(
        [
            ids,
            _scatter(exact_hashes(scanned), rows, alive),
            pa.array(_spread(num_words, rows, len(alive)), mask=~alive),
            _scatter(
                signed.view(np.uint8).reshape(len(rows), 4 * config.num_perm), rows[has_signature], alive, has_signature
            ),
        ],
        schema=schema(config.num_perm),
    )


def _spread(values: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], length: int) -> npt.NDArray[np.int64]:
    spread = np.zeros(length, np.int64)
    spread[rows] = values
    return spread


def _scatter(
    values: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    alive: npt.NDArray[np.bool_],
    valid: npt.NDArray[np.bool_] | None = None,
) -> pa.Array:
    """Fixed-size binaries at ``rows`` of a column as long as ``alive``; null elsewhere."""
    width = values.shape[1]
    spread = np.zeros((len(alive), width), np.uint8)
    spread[rows] = values if valid is None else values[valid]
    present = np.zeros(len(alive), bool)
    present[rows] = True
    bitmap = pa.array(present).buffers()[1]
    buffers = [bitmap, pa.py_buffer(np.ascontiguousarray(spread))]
    return pa.Array.from_buffers(pa.binary(width), len(alive), buffers)


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("signatures", argv)


if __name__ == "__main__":
    main()
