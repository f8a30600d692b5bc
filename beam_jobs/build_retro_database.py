"""The retro stage: chunks, the layout that numbers them, keys, neighbours (trainer.retro.database reads the result)."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

import numpy as np

from beam_jobs.build_retro_chunks import BuildRetroChunks, plan_chunk_shards
from beam_jobs.embed_retro_chunks import EmbedRetroChunks, plan_key_shards, table_hashes
from beam_jobs.find_retro_neighbours import FindRetroNeighbours, plan_neighbour_shards
from beam_jobs.train_tokenizer import MODEL
from pipeline import storage
from pipeline.config import RetroConfig
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.stage_main import stage_main
from pipeline.stage_run import StageRun
from pipeline.storage import OutputFile
from tokenizer.token_shards import HELD_OUT
from tokenizer.vocabulary import Vocabulary
from trainer.retro.chunks import HASH_LIMIT
from trainer.retro.database import ChunkDatabase, ChunkTable
from trainer.retro.layout import LAYOUT_FILE, NO_NEIGHBOUR, ChunkShard, KeyShard, Layout, cut_key_shards

CARD_FILE: Final = "card.json"
_NUM_EXAMPLES: Final = 3


def run(stage: StageRun) -> None:
    """Cut, number, embed, search."""
    config, space = stage.recipe.retro, stage.space
    shards = plan_chunk_shards(stage.manifests["tokens"])
    receipts = stage.map_shards(shards, BuildRetroChunks(space, config, stage.logs))
    task = ShardTask("all", 0, 1, step="layout")
    stage.run_once(task, lambda: write_layout(task, space, config, shards, receipts))
    layout = Layout.read(space.folder)
    stage.map_shards(plan_key_shards(layout), EmbedRetroChunks(space, config, stage.logs))
    stage.map_shards(plan_neighbour_shards(layout), FindRetroNeighbours(space, stage.logs))
    card_task = ShardTask("all", 0, 1, step="card")
    stage.run_once(card_task, lambda: write_card(card_task, space, config, layout))


def write_card(task: ShardTask, space: Workspace, config: RetroConfig, layout: Layout) -> Receipt:
    """Write ``card.json``: how many chunks, how many have keys and by what, and a few chunks with their neighbours."""
    database = ChunkDatabase.open(space.folder)
    vocabulary = Vocabulary(storage.read_bytes(storage.join(space.upstream["tokenizer"], MODEL)))
    keyed = [shard for shard in layout.key_shards if shard.num_keys]
    card = {
        "chunk_len": layout.chunk_len,
        "encoder": posixpath.basename(config.encoder.rstrip("/")),
        "num_chunks": layout.num_chunks,
        "num_keys": layout.num_keys,
        "num_neighbours": layout.num_neighbours,
        "examples": list(islice(_examples(database, vocabulary, keyed), _NUM_EXAMPLES)),
    }
    with storage.atomic_writer(space.path(CARD_FILE), space.scratch) as stream:
        stream.write((json.dumps(card, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode())
    return Receipt(task.name, (), (OutputFile(CARD_FILE, stream.sha256, 1, stream.bytes),), None, task.subset)


def _examples(database: ChunkDatabase, vocabulary: Vocabulary, shards: Sequence[KeyShard]) -> Iterator[dict[str, Any]]:
    """Chunks that have a neighbour, the first of every key shard in turn, with the nearest."""
    for shard in shards:
        for ordinal in range(shard.first_chunk, shard.stop_chunk):
            neighbours, distances = database.neighbours(ordinal)
            if neighbours[0] != NO_NEIGHBOUR:
                yield {
                    **_shown(database, vocabulary, ordinal),
                    "neighbour": _shown(database, vocabulary, int(neighbours[0])),
                    "distance": float(distances[0]),
                }
                break


def _shown(database: ChunkDatabase, vocabulary: Vocabulary, ordinal: int) -> dict[str, Any]:
    origin = database.document(ordinal)
    return {
        "document": origin.id.hex(),
        "subset": origin.subset,
        "text": vocabulary.decode(database.chunk(ordinal)),
    }


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


def main(argv: Sequence[str] | None = None) -> None:
    """Run this stage alone."""
    stage_main("retro", argv)


if __name__ == "__main__":
    main()
