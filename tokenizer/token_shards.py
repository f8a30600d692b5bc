"""Token shards on disk: a flat array that ``numpy.load`` maps, and a table that says which tokens are whose.

``tokens-00000-of-00016.npy``: one little-endian uint16 array (uint32 above 65,536 pieces) [num_tokens], the documents
one after another, each with its bos and eos. ``documents-00000-of-00016.parquet``: ``id``, ``start`` (index in the
token shard of the same number) and ``length`` (tokens, bos and eos included), in the order of the tokens, no gaps.

A subset's tokens are its shards joined in order of their number; *position* means the index in that joined array.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline import storage
from pipeline.parquet_files import SerialParquetFile
from pipeline.schema import TOKEN_DOCUMENT_SCHEMA

TOKEN_DTYPES: Final = (np.dtype("<u2"), np.dtype("<u4"))
MIN_DOCUMENT_TOKENS: Final = 2  # bos and eos
ARRAY_NAME: Final = re.compile(r"tokens-[0-9]{5}-of-[0-9]{5}\.npy")
HELD_OUT: Final = "held_out/"
MAX_CACHED_TABLES: Final = 4  # a shard of 1e9 tokens has about 1e6 documents, 32 MB


def write_token_shard(
    folder: str,
    subset: str,
    index: int,
    count: int,
    ids: pa.Array,
    tokens: Iterable[np.ndarray],
    lengths: np.ndarray,
    dtype: np.dtype[Any],
    scratch: str,
) -> tuple[storage.OutputFile, storage.OutputFile]:
    """Write one shard: the array and its table.

    The tokens stream through: what is in memory is one block, so a shard may be larger than memory.

    Args:
        folder: The stage folder.
        subset: As ``massiveweb`` or ``held_out/massiveweb``.
        index: The shard's number.
        count: Shards of the subset.
        ids: fixed_size_binary(16) [num_documents], in the order of the tokens.
        tokens: Blocks of the flat array, cut anywhere, for instance one a document; ``[array]`` for a whole one.
        lengths: Integer array [num_documents], tokens of each document, bos and eos included.
        dtype: As ``Vocabulary.dtype``.
        scratch: As in ``storage.atomic_writer``.

    Returns:
        The array's file (its rows are tokens) and the table's (its rows are documents). Their bytes depend on neither
        the blocks nor the scratch folder.

    Raises:
        ValueError: Lengths don't fit the ids or the tokens, or a block has another dtype; no file is left.
    """
    path = storage.join(subset, storage.shard_name("tokens", index, count, "npy"))
    table_path = storage.join(subset, storage.shard_name("documents", index, count, "parquet"))
    ends = np.cumsum(lengths, dtype=np.int64)
    _check_lengths(path, ids, lengths, dtype)
    num_tokens = int(ends[-1]) if len(ends) else 0
    with storage.atomic_writer(storage.join(folder, path), scratch) as stream:
        header = {"descr": dtype.str, "fortran_order": False, "shape": (num_tokens,)}
        np.lib.format.write_array_header_1_0(stream, header)
        _write_blocks(stream, tokens, dtype, num_tokens, path)
    array_file = storage.OutputFile(path, stream.sha256, num_tokens, stream.bytes)
    with storage.ParquetShardWriter(folder, table_path, TOKEN_DOCUMENT_SCHEMA, scratch) as writer:
        columns = [ids, pa.array(ends - lengths, pa.int64()), pa.array(lengths, pa.int64())]
        writer.write(pa.RecordBatch.from_arrays(columns, schema=TOKEN_DOCUMENT_SCHEMA))
    return array_file, writer.finished()


def _check_lengths(path: str, ids: pa.Array, lengths: np.ndarray, dtype: np.dtype[Any]) -> None:
    if dtype not in TOKEN_DTYPES:
        raise ValueError(f"{path}: tokens must be little-endian uint16 or uint32; got {dtype.str}")
    if len(ids) != len(lengths):
        raise ValueError(f"{path}: each document needs an id and a length; got {len(ids)} and {len(lengths)}")
    if len(lengths) and int(lengths.min()) < MIN_DOCUMENT_TOKENS:
        raise ValueError(f"{path}: a document has at least bos and eos; got a length of {int(lengths.min())}")


def _write_blocks(
    stream: storage.HashingWriter, blocks: Iterable[np.ndarray], dtype: np.dtype[Any], num_tokens: int, path: str
) -> None:
    written = 0
    for block in blocks:
        if block.dtype != dtype:
            raise ValueError(f"{path}: blocks must have the shard's dtype {dtype.str}; got {block.dtype.str}")
        stream.write(np.ascontiguousarray(block))
        written += len(block)
    if written != num_tokens:
        raise ValueError(f"{path}: lengths add up to {num_tokens} tokens; got {written}")


class DocumentSpan(NamedTuple):
    """Tokens of one document within a range of positions."""

    shard: int  # number of the shard
    row: int  # of the shard's table
    id: bytes  # the document's
    offset: int  # of the span's first token in the document, whose bos is 0
    length: int  # tokens of the span


class _DocumentTable(NamedTuple):
    ids: pa.Array
    starts: np.ndarray
    lengths: np.ndarray


class _RangedArray:
    """A token array in a store that cannot be mapped: each slice is one range read."""

    def __init__(self, path: str, dtype: np.dtype[Any], num_tokens: int, offset: int) -> None:
        self._path, self.dtype, self._num_tokens, self._offset = path, dtype, num_tokens, offset

    def __len__(self) -> int:
        return self._num_tokens

    def __getitem__(self, span: slice) -> np.ndarray:
        start, stop, _ = span.indices(self._num_tokens)
        with storage.open_read(self._path) as stream:  # its own stream: the loader's threads read at once
            stream.seek(self._offset + start * self.dtype.itemsize)
            return np.frombuffer(stream.read((stop - start) * self.dtype.itemsize), self.dtype)


def open_token_array(path: str) -> np.ndarray | _RangedArray:
    """Map a token array, or prepare to read it by ranges where it isn't a local file.

    Args:
        path: An ``.npy`` file, local or of any fsspec store.

    Returns:
        One-dimensional and read-only; slices of it are uint16 or uint32 arrays.

    Raises:
        ValueError: No ``.npy`` file, another dtype or shape, or a size that the header doesn't give; names the file.
    """
    with storage.open_read(path) as stream:
        shape, dtype = _read_header(path, stream)
        offset = stream.tell()
    if len(shape) != 1 or dtype not in TOKEN_DTYPES:
        raise ValueError(f"{path}: a token array is one-dimensional uint16 or uint32; got {dtype.str}, shape {shape}")
    expected, found = offset + shape[0] * dtype.itemsize, storage.size(path)
    if expected != found:
        raise ValueError(
            f"{path}: its header gives {expected:,} bytes; the file has {found:,}: truncated or overwritten"
        )
    if not storage.is_local(path):
        return _RangedArray(path, dtype, shape[0], offset)
    if shape[0] == 0:
        return np.empty(0, dtype)  # nothing to map
    return np.memmap(path.removeprefix("file://"), dtype, "r", offset, shape)


def _read_header(path: str, stream: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        if (version := np.lib.format.read_magic(stream)) != (1, 0):
            raise ValueError(f"format version {version}")
        shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    except ValueError as error:
        raise ValueError(f"{path} is not a version 1.0 .npy file: {error}") from error
    return shape, dtype


class TokenShards:
    """All shards of a subset, read as one array.

    Attributes:
        subset: Its name.
        dtype: uint16 or uint32.
        num_tokens: Of all shards.
        num_documents: Of all shards.
    """

    def __init__(self, subset: str, arrays: list[np.ndarray | _RangedArray], tables: list[str]) -> None:
        self.subset = subset
        self._arrays, self._table_paths = arrays, tables
        self._cached_tables: dict[int, _DocumentTable] = {}
        self.dtype: np.dtype[Any] = arrays[0].dtype
        self._starts = np.concatenate([[0], np.cumsum([len(array) for array in arrays], dtype=np.int64)]).tolist()
        self.num_tokens: int = self._starts[-1]
        self.num_documents = sum(map(self._check_table, range(len(arrays))))

    @classmethod
    def open(cls, stage_folder: str, subset: str) -> TokenShards:
        """Map a subset's shards and check them against their tables.

        Args:
            stage_folder: ``OUT/tokens/<digest>``.
            subset: As ``massiveweb`` or ``held_out/massiveweb``.

        Raises:
            FileNotFoundError: No shards, or one is missing.
            ValueError: A file is broken, or array and table don't fit; names the file.
        """
        folder = storage.join(stage_folder, subset)
        names = _shard_names(stage_folder, subset)
        paths = [storage.join(folder, name) for name in names]
        arrays = [open_token_array(path) for path in paths]
        for path, array in zip(paths, arrays, strict=True):
            if array.dtype != arrays[0].dtype:
                raise ValueError(f"{path} holds {array.dtype.str} and {paths[0]} {arrays[0].dtype.str}")
        count = len(names)
        tables = [storage.join(folder, storage.shard_name("documents", i, count, "parquet")) for i in range(count)]
        return cls(subset, arrays, tables)

    def _check_table(self, shard: int) -> int:
        """The shard's documents; only the table's end is read, since a large subset's tables take gigabytes."""
        path, num_tokens = self._table_paths[shard], len(self._arrays[shard])
        with _opened_table(path) as table:
            num_rows = int(table.metadata.num_rows)
            last = table.read_row_group(table.num_row_groups - 1).to_pylist()[-1] if num_rows else None
        end = last["start"] + last["length"] if last else 0
        if end != num_tokens:
            raise ValueError(f"{path}: its documents end at token {end}; the array beside it has {num_tokens} tokens")
        return num_rows

    def _ranges(self, start: int, length: int) -> Iterator[tuple[int, int, int]]:
        """The shards that a range of positions crosses: number, begin and end within the shard."""
        if start < 0 or length < 0 or start + length > self.num_tokens:
            raise IndexError(f"{self.subset} has {self.num_tokens} tokens; got start={start}, length={length}")
        shard = bisect_right(self._starts, start) - 1
        end = start + length
        while start < end:
            stop = min(end, self._starts[shard + 1])
            yield shard, start - self._starts[shard], stop - self._starts[shard]
            start, shard = stop, shard + 1

    def read(self, start: int, length: int) -> np.ndarray:
        """Tokens at positions [start, start + length).

        Returns:
            Array [length] of ``dtype``; a view of the map, not a copy, when one shard holds them all.

        Raises:
            IndexError: Outside the subset.
        """
        parts = [self._arrays[shard][begin:end] for shard, begin, end in self._ranges(start, length)]
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, self.dtype), *parts])

    def documents(self, start: int, length: int) -> list[DocumentSpan]:
        """The documents at positions [start, start + length), in order; their lengths add up to ``length``.

        Raises:
            IndexError: Outside the subset.
            ValueError: A table's documents leave gaps or overlap.
        """
        return [span for shard, begin, end in self._ranges(start, length) for span in self._spans(shard, begin, end)]

    def locate(self, position: int) -> DocumentSpan:
        """The document of one token: a span of length 1.

        Raises:
            IndexError: Outside the subset.
        """
        return self.documents(position, 1)[0]

    def _spans(self, shard: int, begin: int, end: int) -> Iterator[DocumentSpan]:
        table = self._table(shard)
        row = int(np.searchsorted(table.starts, begin, side="right")) - 1
        while begin < end:
            document_start = int(table.starts[row])
            stop = min(end, document_start + int(table.lengths[row]))
            yield DocumentSpan(shard, row, table.ids[row].as_py(), begin - document_start, stop - begin)
            begin, row = stop, row + 1

    def _table(self, shard: int) -> _DocumentTable:
        if shard not in self._cached_tables:
            if len(self._cached_tables) == MAX_CACHED_TABLES:
                self._cached_tables.pop(next(iter(self._cached_tables)))  # the oldest
            self._cached_tables[shard] = self._read_table(self._table_paths[shard])
        return self._cached_tables[shard]

    @staticmethod
    def _read_table(path: str) -> _DocumentTable:
        with _opened_table(path) as stored:
            table = stored.read()
        starts, lengths = table["start"].to_numpy(), table["length"].to_numpy()
        if not np.array_equal(starts, np.cumsum(lengths) - lengths) or lengths.min(initial=1) < 1:
            raise ValueError(f"{path}: each document must start where the one before ends, the first at 0")
        return _DocumentTable(table["id"].combine_chunks(), starts, lengths)


@contextmanager
def _opened_table(path: str) -> Iterator[SerialParquetFile]:
    with storage.open_read(path) as stream:
        try:
            table = SerialParquetFile(stream)
            if not table.schema_arrow.equals(TOKEN_DOCUMENT_SCHEMA):
                raise ValueError(f"{path}: columns must be {TOKEN_DOCUMENT_SCHEMA.names}; got {table.schema_arrow}")
            yield table
        except pa.ArrowException as error:
            raise ValueError(f"{path} is not a whole Parquet file: {error}") from error


def _shard_names(stage_folder: str, subset: str) -> list[str]:
    folder = storage.join(stage_folder, subset)
    names = [name for name in storage.list_files(folder) if ARRAY_NAME.fullmatch(name)]
    if not names:
        known = ", ".join(token_subsets(stage_folder) + token_subsets(stage_folder, held_out=True)) or "none"
        raise FileNotFoundError(f"no token shards in {folder}; subsets there: {known}")
    count = int(names[0].removesuffix(".npy").rpartition("-")[2])  # after "of"
    expected = [storage.shard_name("tokens", index, count, "npy") for index in range(count)]
    if names != expected:
        wrong = sorted(set(names) ^ set(expected))
        raise FileNotFoundError(f"{folder} must hold {count} token shards; missing or of another count: {wrong[:3]}")
    return names


def token_subsets(stage_folder: str, held_out: bool = False) -> list[str]:
    """Subsets with token shards, sorted: those to train on, or the held-out ones (``held_out/<subset>``)."""
    folders = {path.rpartition("/")[0] for path in storage.list_files(stage_folder) if path.endswith(".npy")}
    return sorted(folder for folder in folders if folder.startswith(HELD_OUT) == held_out)
