"""Search each key's nearest others: ``neighbours/neighbours-*.npy`` int64 and ``distances-*.npy`` float32, [keys, k].

Row i belongs to row i of ``keys/keyed`` of the same number: ordinals of chunks, nearest first, and squared distances;
-1 and infinity where there are fewer than k. Chunks of the same document and of the same cluster of duplicates are
never neighbours (Borgeaud et al. exclude the document; copies of it elsewhere would still leak it).
"""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from beam_jobs.shard_map import ShardMap
from pipeline.manifest import Receipt, ShardTask, Workspace
from pipeline.storage import OutputFile
from trainer.retro.arrays import open_array, write_array
from trainer.retro.chunks import KEYED_SCHEMA
from trainer.retro.database import read_checked_table
from trainer.retro.layout import NEIGHBOURS, Layout
from trainer.retro.neighbours import KeyBlock, nearest_neighbours


class FindRetroNeighbours(ShardMap):
    """Shard descriptors in, receipts out: the neighbours of each shard of keys."""

    def __init__(self, space: Workspace, logs: str) -> None:
        super().__init__(partial(find_neighbours, space=space), space, logs)


def plan_neighbour_shards(layout: Layout) -> list[ShardTask]:
    """One task for each shard of keys, as queries against all."""
    count = len(layout.key_shards)
    return [ShardTask(NEIGHBOURS, index, count, step="search") for index in range(count)]


def find_neighbours(task: ShardTask, space: Workspace) -> Receipt:
    """Search all keys, memory-mapped, for those of one shard.

    Args:
        task: The number of a key shard.
        space: The folder holds the layout and all keys.

    Raises:
        ValueError: A file of keys is broken; names it.
    """
    layout = Layout.read(space.folder)
    blocks = _read_keys(space, layout)
    ordinals, distances = nearest_neighbours(blocks[task.index], blocks, layout.num_neighbours)
    outputs = (
        _write(space, layout.key_path("neighbours", task.index), ordinals),
        _write(space, layout.key_path("distances", task.index), distances),
    )
    return Receipt(task.name, (), outputs, None, task.subset)


def _write(space: Workspace, path: str, array: np.ndarray) -> OutputFile:
    return write_array(space.folder, path, space.scratch, array.shape, array.dtype, [array])


def _read_keys(space: Workspace, layout: Layout) -> list[KeyBlock]:
    paths = [space.path(layout.key_path("keyed", index)) for index in range(len(layout.key_shards))]
    tables = [read_checked_table(path, KEYED_SCHEMA) for path in paths]
    groups = _groups(pa.concat_tables(tables), layout.num_documents)
    blocks, start = [], 0
    for index, (shard, table) in enumerate(zip(layout.key_shards, tables, strict=True)):
        path = space.path(layout.key_path("keys", index))
        keys = open_array(path, ("float16",), -1)
        if not shard.num_keys == len(keys) == table.num_rows:
            raise ValueError(
                f"{path}: the layout says {shard.num_keys} keys; got {len(keys)}, and {table.num_rows} rows beside"
            )
        blocks.append(KeyBlock(keys, groups[start : start + len(keys)], table["chunk"].to_numpy()))
        start += len(keys)
    return blocks


def _groups(keyed: pa.Table, num_documents: int) -> npt.NDArray[np.int64]:
    """One number for all that are not each other's neighbours: of the cluster, or of a document that has no copies."""
    clusters = keyed["cluster"].combine_chunks().dictionary_encode().indices
    numbers = clusters.fill_null(-1).to_numpy().astype(np.int64)
    return np.where(numbers >= 0, numbers + num_documents, keyed["document"].to_numpy())
