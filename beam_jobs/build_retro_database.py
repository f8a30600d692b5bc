"""The retro stage: chunks, the layout that numbers them, keys, neighbours (trainer.retro.database reads the result)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from beam_jobs.build_retro_chunks import build_chunks, plan_chunk_shards
from beam_jobs.embed_retro_chunks import embed_chunks, plan_key_shards, table_hashes
from beam_jobs.find_retro_neighbours import find_neighbours, plan_neighbour_shards
from pipeline import storage
from pipeline.config import RetroConfig
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.stage_run import StageRun
from pipeline.storage import OutputFile
from tokenizer.token_shards import HELD_OUT
from trainer.retro.chunks import HASH_LIMIT
from trainer.retro.database import ChunkTable
from trainer.retro.layout import LAYOUT_FILE, ChunkShard, Layout, cut_key_shards


def run(stage: StageRun) -> None:
    """Cut, number, embed, search."""
    config, space = stage.recipe.retro, stage.space
    shards = plan_chunk_shards(stage.manifests["tokens"])
    receipts = stage.map_shards(shards, partial(build_chunks, space=space, config=config))
    task = ShardTask("all", 0, 1, step="layout")
    stage.run_once(task, lambda: write_layout(task, space, config, shards, receipts))
    layout = Layout.read(space.folder)
    stage.map_shards(plan_key_shards(layout), partial(embed_chunks, space=space, config=config))
    stage.map_shards(plan_neighbour_shards(layout), partial(find_neighbours, space=space))


def write_layout(
    task: ShardTask, space: Workspace, config: RetroConfig, shards: Sequence[ShardTask], receipts: Sequence[Receipt]
) -> Receipt:
    """Number all chunks and documents, choose the chunks that get a key, and write ``database.json``.

    Args:
        task: Names the receipt.
        space: The folder holds the chunks.
        config: Its ``max_keys``, ``chunks_per_shard``, ``num_neighbours`` and ``seed`` count.
        shards: All chunk shards.
        receipts: Of these.
    """
    chunk_shards = _numbered(shards, receipts)
    num_chunks = sum(shard.num_chunks for shard in chunk_shards)
    layout = Layout(config.chunk_len, config.num_neighbours, config.seed, HASH_LIMIT, chunk_shards, ())
    chosen: Sequence[int] = range(num_chunks)
    if 0 < config.max_keys < num_chunks:
        limit, chosen = _choose(space, layout, config.max_keys)
        layout = replace(layout, hash_limit=limit)
    layout = replace(layout, key_shards=cut_key_shards(chosen, num_chunks, config.chunks_per_shard))
    with storage.atomic_writer(space.path(LAYOUT_FILE), space.scratch) as stream:
        stream.write(layout.to_json().encode())
    return Receipt(task.name, (), (OutputFile(LAYOUT_FILE, stream.sha256, 1, stream.bytes),), None, task.subset)


def _numbered(shards: Sequence[ShardTask], receipts: Sequence[Receipt]) -> tuple[ChunkShard, ...]:
    numbered, chunk, document = [], 0, 0
    for shard, receipt in sorted(zip(shards, receipts, strict=True), key=lambda pair: (pair[0].subset, pair[0].index)):
        if not shard.subset.startswith(HELD_OUT):
            chunks, documents = (output.rows for output in receipt.outputs)
            numbered.append(ChunkShard(shard.subset, shard.index, shard.count, chunks, documents, chunk, document))
            chunk, document = chunk + chunks, document + documents
    return tuple(numbered)


def _choose(space: Workspace, layout: Layout, max_keys: int) -> tuple[int, np.ndarray]:
    """The chunks of smallest hash, at most ``max_keys``.

    Returns:
        The hash below which a chunk is chosen, and int64 [keys], the ascending ordinals of the chosen.
    """
    hashes, ordinals = np.empty(0, np.uint64), np.empty(0, np.int64)
    for shard in layout.chunk_shards:
        table = ChunkTable(space.folder, shard, layout.chunk_len)
        hashes = np.concatenate([hashes, table_hashes(table, layout.seed)])
        ordinals = np.concatenate([ordinals, np.arange(shard.num_chunks) + shard.first_chunk])
        smallest = np.argsort(hashes, kind="stable")[: max_keys + 1]
        hashes, ordinals = hashes[smallest], ordinals[smallest]
    limit = hashes[max_keys]  # the first that is too many; those that share its hash stay out with it
    return int(limit), np.sort(ordinals[hashes < limit])
