"""Give chunks their keys: ``keys/keys-*.npy`` float16 [keys, d], and ``keys/keyed-*`` (trainer.retro.chunks).

A key is the frozen encoder's vector of the chunk's decoded text. It is stored in float16: half the disk of float32, an
error of 2**-11 of each number, and small differences between processors mostly vanish in the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from pipeline import assets
from pipeline.config import RetroConfig
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.storage import ParquetShardWriter, join
from tokenizer.vocabulary import Vocabulary
from trainer.retro.arrays import write_array
from trainer.retro.chunks import KEYED_SCHEMA, chunk_hashes
from trainer.retro.database import ChunkTable
from trainer.retro.hash_encoder import Encoder, HashEncoder
from trainer.retro.layout import KEYS, ChunkShard, KeyShard, Layout

_TEXTS_AT_ONCE = 1024  # keys don't depend on it; few enough that a batch of each length is little waste
_KEY_DTYPE = np.float16


class EmbedRetroChunks(ShardMap):
    """Shard descriptors in, receipts out: the keys of each range of chunks."""

    def __init__(self, space: Workspace, config: RetroConfig, logs: str) -> None:
        super().__init__(partial(embed_chunks, space=space, config=config), space, logs)


def plan_key_shards(layout: Layout) -> list[ShardTask]:
    """One task for each range of chunks."""
    count = len(layout.key_shards)
    return [ShardTask(KEYS, index, count, step="embed") for index in range(count)]


def embed_chunks(task: ShardTask, space: Workspace, config: RetroConfig) -> Receipt:
    """Embed the chosen chunks of one range.

    Args:
        task: The number of a key shard of the layout.
        space: With ``tokenizer`` upstream; the folder holds the layout and the chunks.
        config: Names the encoder.

    Raises:
        ValueError: A chunk file is broken, or a key is too large for float16.
    """
    layout = Layout.read(space.folder)
    shard = layout.key_shards[task.index]
    keyed_path = layout.key_path("keyed", task.index)
    parts = [_chosen(space, layout, part, shard) for part in layout.overlapping(shard.first_chunk, shard.stop_chunk)]
    with ParquetShardWriter(space.folder, keyed_path, KEYED_SCHEMA, space.scratch) as writer:
        for part in parts:
            writer.write(part.keyed)
    encoder = _encoder(config.encoder, config.seed)
    vocabulary = _vocabulary(join(space.upstream["tokenizer"], "tokenizer.model"))
    blocks = (block for part in parts for block in part.keys(encoder, vocabulary))
    keys_path, shape = layout.key_path("keys", task.index), (shard.num_keys, encoder.d)
    keys = write_array(space.folder, keys_path, space.scratch, shape, _KEY_DTYPE, blocks)
    return Receipt(task.name, (), (writer.finished(), keys), None, task.subset)


class _Chosen:
    """The chunks of one chunk shard that get a key in one key shard."""

    def __init__(self, table: ChunkTable, rows: npt.NDArray[np.int64]) -> None:
        self._table, self._rows = table, rows
        self._documents = np.searchsorted(table.ends, rows, side="right")

    @property
    def keyed(self) -> pa.RecordBatch:
        """Their rows of the keyed table."""
        shard, documents = self._table.shard, self._documents
        clusters = self._table.documents["cluster"].combine_chunks().take(pa.array(documents))
        columns = [pa.array(self._rows + shard.first_chunk), pa.array(documents + shard.first_document), clusters]
        return pa.RecordBatch.from_arrays(columns, schema=KEYED_SCHEMA)

    def keys(self, encoder: Encoder, vocabulary: Vocabulary) -> Iterator[npt.NDArray[np.float16]]:
        """Their keys, some at a time."""
        for start in range(0, len(self._rows), _TEXTS_AT_ONCE):
            chunks = self._table.chunks[self._rows[start : start + _TEXTS_AT_ONCE]]
            keys = encoder.encode([vocabulary.decode(chunk) for chunk in chunks]).astype(_KEY_DTYPE)
            if not np.isfinite(keys).all():
                raise ValueError(f"{self._table.shard.chunks_path}: a key is too large for {_KEY_DTYPE.__name__}")
            yield keys


def _chosen(space: Workspace, layout: Layout, part: ChunkShard, shard: KeyShard) -> _Chosen:
    table = ChunkTable(space.folder, part, layout.chunk_len)
    rows = np.flatnonzero(table_hashes(table, layout.seed) < np.uint64(layout.hash_limit))
    ordinals = rows + part.first_chunk
    return _Chosen(table, rows[(ordinals >= shard.first_chunk) & (ordinals < shard.stop_chunk)])


def table_hashes(table: ChunkTable, seed: int) -> npt.NDArray[np.uint64]:
    """uint64 [chunks]: those of smallest hash get a key."""
    return chunk_hashes(table.ids, table.documents["num_chunks"].to_numpy(), seed)


@cache
def _encoder(name: str, seed: int) -> Encoder:
    """One a process. JAX is loaded here and nowhere else, so that the hash encoder runs without it."""
    if name == "hash":
        return HashEncoder(seed=seed)
    from trainer.retro.embed import BertEncoder

    return BertEncoder(assets.resolve(name))


@cache
def _vocabulary(model: str) -> Vocabulary:
    """One a process."""
    return Vocabulary(model)
