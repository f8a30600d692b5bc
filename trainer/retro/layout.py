"""Where everything of a chunk database stands: ``database.json``, written once all chunks are cut.

Chunks have ordinals: shards in order of subset and number, rows within them; documents likewise. Keys stand in shards
of their own, each for a range of chunk ordinals; the ranges cover the database without overlap.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from pipeline import storage
from pipeline.storage import shard_name

LAYOUT_FILE: Final = "database.json"
LAYOUT_VERSION: Final = 1
KEYS: Final = "keys"  # folder of the keys
NEIGHBOURS: Final = "neighbours"  # folder of the neighbours
NO_NEIGHBOUR: Final = -1


@dataclass(frozen=True)
class ChunkShard:
    """One chunk array and its documents, with the ordinals of their first rows."""

    subset: str
    index: int
    count: int
    num_chunks: int
    num_documents: int
    first_chunk: int
    first_document: int

    @property
    def chunks_path(self) -> str:
        """Below the stage folder."""
        return f"{self.subset}/{shard_name('chunks', self.index, self.count, 'npy')}"

    @property
    def documents_path(self) -> str:
        """Below the stage folder."""
        return f"{self.subset}/{shard_name('chunk_documents', self.index, self.count, 'parquet')}"


@dataclass(frozen=True)
class KeyShard:
    """The keys of the chunks from ``first_chunk`` on, before ``stop_chunk``."""

    first_chunk: int
    stop_chunk: int
    num_keys: int


@dataclass(frozen=True)
class Layout:
    """The whole database. A chunk has a key when its hash is below ``hash_limit``."""

    chunk_len: int
    num_neighbours: int
    seed: int
    hash_limit: int
    chunk_shards: tuple[ChunkShard, ...]
    key_shards: tuple[KeyShard, ...]

    @property
    def num_chunks(self) -> int:
        """Chunks of all shards."""
        return sum(shard.num_chunks for shard in self.chunk_shards)

    @property
    def num_documents(self) -> int:
        """Documents of all shards, those without a chunk too."""
        return sum(shard.num_documents for shard in self.chunk_shards)

    @property
    def num_keys(self) -> int:
        """Keys of all shards."""
        return sum(shard.num_keys for shard in self.key_shards)

    def key_path(self, kind: str, index: int) -> str:
        """Path of a key shard's file: ``keys`` and ``keyed`` (Parquet), ``neighbours`` and ``distances``."""
        folder = KEYS if kind in ("keys", "keyed") else NEIGHBOURS
        return f"{folder}/{shard_name(kind, index, len(self.key_shards), 'parquet' if kind == 'keyed' else 'npy')}"

    def overlapping(self, first: int, stop: int) -> list[ChunkShard]:
        """The chunk shards that hold any chunk from ``first`` on, before ``stop``."""
        return [s for s in self.chunk_shards if max(first, s.first_chunk) < min(stop, s.first_chunk + s.num_chunks)]

    def to_json(self) -> str:
        """As it stands in its file."""
        data = {"format_version": LAYOUT_VERSION, "metric": "squared_l2", "num_chunks": self.num_chunks, **asdict(self)}
        return json.dumps(data, indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, folder: str) -> Layout:
        """Read and check a database's layout.

        Raises:
            FileNotFoundError: There is none: the chunks are not all cut, or this is another folder.
            ValueError: It is not a layout, is of another version, or its parts do not join.
        """
        path = storage.join(folder, LAYOUT_FILE)
        if not storage.exists(path):
            raise FileNotFoundError(f"{path}: no chunk database here; the retro stage writes one")
        try:
            data = json.loads(storage.read_bytes(path))
            version = data.pop("format_version")
        except (ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}: not a database layout: {error!r}") from error
        if version != LAYOUT_VERSION:
            raise ValueError(f"{path}: format_version must be {LAYOUT_VERSION}; got {version}")
        layout, num_chunks = _from_fields(path, data)
        _check(path, layout, num_chunks)
        return layout


def _from_fields(path: str, data: dict[str, Any]) -> tuple[Layout, int]:
    try:
        num_chunks, _ = data.pop("num_chunks"), data.pop("metric")
        chunk_shards = tuple(ChunkShard(**shard) for shard in data.pop("chunk_shards"))
        key_shards = tuple(KeyShard(**shard) for shard in data.pop("key_shards"))
        return Layout(chunk_shards=chunk_shards, key_shards=key_shards, **data), num_chunks
    except (TypeError, KeyError) as error:
        raise ValueError(f"{path}: not a database layout: {error!r}") from error


def _check(path: str, layout: Layout, num_chunks: int) -> None:
    """Refuse a layout in which ordinals would not name one chunk each."""
    chunk = document = key_range = 0
    for shard in layout.chunk_shards:
        if (shard.first_chunk, shard.first_document) != (chunk, document):
            raise ValueError(f"{path}: {shard.chunks_path} must begin at chunk {chunk}; got {shard.first_chunk}")
        chunk, document = chunk + shard.num_chunks, document + shard.num_documents
    for keys in layout.key_shards:
        if keys.first_chunk != key_range:
            raise ValueError(f"{path}: a key shard must begin at chunk {key_range}; got {keys.first_chunk}")
        key_range = keys.stop_chunk
    if chunk != num_chunks or key_range not in (0, num_chunks):
        raise ValueError(f"{path}: shards hold {chunk} chunks, keys cover {key_range}; num_chunks says {num_chunks}")


def cut_key_shards(chosen: Sequence[int], num_chunks: int, keys_per_shard: int) -> tuple[KeyShard, ...]:
    """Cut the database into ranges of chunks that hold equally many keys.

    Args:
        chosen: Ascending ordinals of the chunks that get a key; a ``range`` when all do.
        num_chunks: Of the database.
        keys_per_shard: Only the last shard has fewer.

    Returns:
        Ranges that cover all chunks; none when there is no key.
    """
    starts = range(0, len(chosen), keys_per_shard)
    # a range begins at the chunk of its first key, the first range at the first chunk
    bounds = [0, *(int(chosen[start]) for start in starts[1:]), num_chunks]
    return tuple(
        KeyShard(bounds[shard], bounds[shard + 1], min(keys_per_shard, len(chosen) - start))
        for shard, start in enumerate(starts)
    )
