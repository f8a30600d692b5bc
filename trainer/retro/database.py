"""Read a chunk database: any chunk, its value, its document and its neighbours, by the chunk's ordinal."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import storage
from pipeline.parquet_files import read_table
from tokenizer.vocabulary import PAD_ID
from trainer.retro.arrays import open_array
from trainer.retro.chunks import CHUNK_DOCUMENT_SCHEMA, KEYED_SCHEMA, id_bytes
from trainer.retro.layout import NO_NEIGHBOUR, ChunkShard, Layout

TOKEN_DTYPES = ("uint16", "uint32")


class ChunkOrigin(NamedTuple):
    """Where a chunk comes from: tokens ``position * chunk_len`` on of the document, counted without bos."""

    id: bytes
    subset: str
    position: int


class ChunkTable:
    """One shard of chunks with its documents.

    Args:
        folder: The stage folder.
        shard: Of its layout.
        chunk_len: Tokens per chunk.

    Raises:
        FileNotFoundError: A file is gone.
        ValueError: A file is cut, or is not what the layout or the file beside it says; the message names it.
    """

    def __init__(self, folder: str, shard: ChunkShard, chunk_len: int) -> None:
        self.shard, self._documents_path = shard, storage.join(folder, shard.documents_path)
        path = storage.join(folder, shard.chunks_path)
        self.chunks = open_array(path, TOKEN_DTYPES, chunk_len)
        if len(self.chunks) != shard.num_chunks:
            raise ValueError(f"{path}: the layout says {shard.num_chunks} chunks; the file has {len(self.chunks)}")

    @cached_property
    def documents(self) -> pa.Table:
        """The documents, with ``CHUNK_DOCUMENT_SCHEMA``, checked on first use."""
        table = read_checked_table(self._documents_path, CHUNK_DOCUMENT_SCHEMA)
        num_chunks, first = table["num_chunks"].to_numpy(), table["first_chunk"].to_numpy()
        if table.num_rows != self.shard.num_documents or num_chunks.sum() != self.shard.num_chunks:
            raise ValueError(
                f"{self._documents_path}: the layout says {self.shard.num_documents} documents with "
                f"{self.shard.num_chunks} chunks; the table has {table.num_rows} with {num_chunks.sum()}"
            )
        if (first != np.cumsum(num_chunks) - num_chunks).any():
            raise ValueError(f"{self._documents_path}: first_chunk is not the sum of the num_chunks before it")
        return table

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:
        """int64 [documents]: the row after each document's last chunk."""
        ends: npt.NDArray[np.int64] = np.cumsum(self.documents["num_chunks"].to_numpy())
        return ends

    @cached_property
    def ids(self) -> npt.NDArray[np.uint8]:
        """uint8 [documents, 16]."""
        return id_bytes(self.documents["id"])

    def document_of(self, row: int) -> int:
        """The row of the document that a chunk belongs to."""
        return int(np.searchsorted(self.ends, row, side="right"))  # documents without chunks are passed over


@dataclass(frozen=True)
class ChunkDatabase:
    """A chunk database on disk, memory-mapped; a handle that is cheap to open.

    Attributes:
        layout: Shards and sizes.
    """

    layout: Layout
    _tables: tuple[ChunkTable, ...]
    _folder: str

    @classmethod
    def open(cls, folder: str) -> ChunkDatabase:
        """Open the retro stage's folder.

        Args:
            folder: Holds ``database.json``.

        Raises:
            FileNotFoundError: There is no database, or a chunk file is gone.
            ValueError: A file is cut or is not what the layout says; the message names it. Documents, keys and
                neighbours are checked on first use.
        """
        layout = Layout.read(folder)
        tables = tuple(ChunkTable(folder, shard, layout.chunk_len) for shard in layout.chunk_shards)
        return cls(layout, tables, folder)

    @property
    def num_chunks(self) -> int:
        """Chunks of all shards."""
        return self.layout.num_chunks

    def chunk(self, ordinal: int) -> np.ndarray:
        """A chunk's tokens.

        Args:
            ordinal: From 0 to ``num_chunks - 1``.

        Returns:
            uint16 or uint32 [chunk_len], read-only; pad at the end of a document's last chunk.

        Raises:
            IndexError: There is no such chunk.
        """
        table, row = self._find(ordinal)
        return table.chunks[row]

    def value(self, ordinal: int) -> np.ndarray:
        """A chunk and its continuation, which is what a retrieved neighbour gives to the model.

        Returns:
            Array [2 * chunk_len]: the chunk, then the next chunk of the same document, or pad when it is the last.

        Source: Borgeaud et al. 2022, section 2.3: values are ``[N, F]``; here both are of ``chunk_len`` tokens.
        """
        table, row = self._find(ordinal)
        if row + 1 < table.ends[table.document_of(row)]:
            return table.chunks[row : row + 2].reshape(-1)
        return np.concatenate([table.chunks[row], np.full(self.layout.chunk_len, PAD_ID, table.chunks.dtype)])

    def document(self, ordinal: int) -> ChunkOrigin:
        """The document that a chunk was cut from, and the chunk's place there."""
        table, row = self._find(ordinal)
        document = table.document_of(row)
        position = row - table.documents["first_chunk"][document].as_py()
        return ChunkOrigin(table.ids[document].tobytes(), table.shard.subset, position)

    def neighbours(self, ordinal: int) -> tuple[np.ndarray, np.ndarray]:
        """The nearest chunks of other documents, nearest first.

        Returns:
            int64 [num_neighbours] ordinals, ``NO_NEIGHBOUR`` (-1) where there are no more, all of them for a chunk
            that has no key; and float32 [num_neighbours] squared distances of the keys, infinite there.
        """
        self._find(ordinal)
        shard = bisect_right(self._first_keyed, ordinal) - 1
        if shard >= 0:
            keyed, ordinals, distances = self._key_shard(shard)
            row = int(np.searchsorted(keyed, ordinal))
            if row < len(keyed) and keyed[row] == ordinal:
                return ordinals[row], distances[row]
        k = self.layout.num_neighbours
        return np.full(k, NO_NEIGHBOUR, np.int64), np.full(k, np.inf, np.float32)

    def _find(self, ordinal: int) -> tuple[ChunkTable, int]:
        if not 0 <= ordinal < self.num_chunks:
            raise IndexError(f"chunk must be from 0 to {self.num_chunks - 1}; got {ordinal}")
        table = self._tables[bisect_right(self._first_chunks, ordinal) - 1]
        return table, int(ordinal) - table.shard.first_chunk

    @cached_property
    def _first_chunks(self) -> list[int]:
        return [table.shard.first_chunk for table in self._tables]

    @cached_property
    def _first_keyed(self) -> list[int]:
        return [keys.first_chunk for keys in self.layout.key_shards]

    @cached_property
    def _opened(self) -> dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]:
        return {}

    def _key_shard(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ordinals of the keyed chunks, their neighbours and distances."""
        if index not in self._opened:
            keyed = read_checked_table(storage.join(self._folder, self.layout.key_path("keyed", index)), KEYED_SCHEMA)
            ordinals = self._key_array("neighbours", index, "int64")
            distances = self._key_array("distances", index, "float32")
            if keyed.num_rows != len(ordinals):
                raise ValueError(
                    f"{self._folder}: {self.layout.key_path('keyed', index)} has {keyed.num_rows} rows; "
                    f"{self.layout.key_path('neighbours', index)} has {len(ordinals)}"
                )
            self._opened[index] = keyed["chunk"].to_numpy(), ordinals, distances
        return self._opened[index]

    def _key_array(self, kind: str, index: int, dtype: str) -> np.ndarray:
        path = storage.join(self._folder, self.layout.key_path(kind, index))
        array = open_array(path, (dtype,), self.layout.num_neighbours)
        rows = self.layout.key_shards[index].num_keys
        if len(array) != rows:
            raise ValueError(f"{path}: the layout says {rows} keys; the file has {len(array)} rows")
        return array


def read_checked_table(path: str, schema: pa.Schema) -> pa.Table:
    """Read one of the database's small tables whole.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not Parquet, or not of this schema.
    """
    try:
        table = read_table(path)
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path}: not a whole Parquet file: {error}") from error
    if not table.schema.equals(schema):
        raise ValueError(f"{path}: columns must be {schema.names}; got {table.schema.names}")
    return table.combine_chunks()
