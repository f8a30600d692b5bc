"""Paths on any filesystem, shard names, atomic files that know their digest, and Parquet shards.

Files are written under a name unique to the attempt below ``scratch`` (a folder of the same filesystem, outside
the stage folders) and then renamed, in object stores copied: workers of a killed driver go on writing for seconds, and
must harm nobody.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, cast

import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

MIB = 1 << 20
ROWS_PER_GROUP = 1024
BYTES_PER_GROUP = 64 * MIB
_BYTES_PER_LENGTH = 4  # of a string, list or map, as Arrow and Parquet keep it


@dataclass(frozen=True)
class OutputFile:
    """A finished file: its path below the stage folder, digest, rows and size."""

    path: str
    sha256: str
    rows: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """As it stands in receipts and manifests."""
        return asdict(self)


def is_local(path: str) -> bool:
    """Say whether a path is one of this machine's own files."""
    return "://" not in path or path.startswith("file://")


def normalised(path: str) -> str:
    """A path that any process understands: a local one absolute and without ``file://``, another URL as it is.

    What a user gave goes through this once, before anything is joined to it.
    """
    return os.path.abspath(LocalFileSystem._strip_protocol(path)) if is_local(path) else path


def join(folder: str, *parts: str) -> str:
    """Join path parts with ``/``."""
    return "/".join([folder.rstrip("/"), *(part.strip("/") for part in parts)])


def _filesystem(path: str) -> tuple[Any, str]:
    if is_local(path):  # any name is one, those with "::" too, which would be read as a chain of stores
        return LocalFileSystem(), LocalFileSystem._strip_protocol(path)
    # a store's listings are not kept: they would hide from the driver what workers have written since
    return cast("tuple[Any, str]", fsspec.core.url_to_fs(path, use_listings_cache=False))


def exists(path: str) -> bool:
    """Say whether a file or folder is there."""
    filesystem, inner = _filesystem(path)
    return bool(filesystem.exists(inner))


def size(path: str) -> int:
    """Size of a file in bytes."""
    filesystem, inner = _filesystem(path)
    return int(filesystem.size(inner))


def list_files(folder: str) -> list[str]:
    """All files below a folder, as sorted paths relative to it; empty when there is no folder."""
    filesystem, inner = _filesystem(folder)
    if not filesystem.exists(inner):
        return []
    root = filesystem._strip_protocol(inner).rstrip("/") + "/"
    return sorted(str(path).removeprefix(root) for path in filesystem.find(inner))


def glob(root: str, pattern: str) -> list[str]:
    """Files below ``root`` that match, as sorted paths relative to it with ``/``; ``**`` crosses folders.

    Links to files count: Hugging Face's cache, for one, is made of them.

    Raises:
        ValueError: ``root`` holds a wildcard, so that nothing could be relative to it.
    """
    if any(mark in root for mark in "*?["):
        raise ValueError(f"a folder to search must hold no wildcard (*, ?, [); got {root}; wildcards go in the pattern")
    filesystem, inner = _filesystem(root)
    base = filesystem._strip_protocol(inner).rstrip("/") + "/"
    found = filesystem.glob(base + pattern, detail=True)
    return sorted(
        str(path).removeprefix(base)
        for path, info in found.items()
        if info["type"] == "file" or (info.get("islink") and filesystem.isfile(path))
    )


def glob_folders(root: str, pattern: str) -> list[str]:
    """Folders below ``root`` that match, as sorted paths relative to it with ``/``; none of them a link."""
    filesystem, inner = _filesystem(root)
    base = filesystem._strip_protocol(inner).rstrip("/") + "/"
    found = filesystem.glob(base + pattern.rstrip("/"), detail=True)
    return sorted(str(path).rstrip("/").removeprefix(base) for path, info in found.items() if _is_real_folder(info))


def _is_real_folder(info: dict[str, Any]) -> bool:
    return info["type"] == "directory" and not info.get("islink")


def is_folder(path: str) -> bool:
    """Say whether a path is a folder."""
    filesystem, inner = _filesystem(path)
    return bool(filesystem.isdir(inner))


def walk(folder: str, skip: Collection[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything below a folder that is no folder, in no order; links are given, and not followed.

    Args:
        folder: Where to begin.
        skip: Names of files and folders that are left out.

    Yields:
        Path relative to the folder, with ``/``, and what the filesystem says of it: ``size``, ``type``, ``islink``.
    """
    filesystem, inner = _filesystem(folder)
    root = filesystem._strip_protocol(inner).rstrip("/") + "/"
    for _, folders, files in filesystem.walk(inner, topdown=True, detail=True):
        for name in [name for name, info in folders.items() if name in skip or info.get("islink")]:
            if name not in skip:
                yield str(folders[name]["name"]).removeprefix(root), folders[name]
            del folders[name]  # so it is not entered
        yield from ((str(info["name"]).removeprefix(root), info) for name, info in files.items() if name not in skip)


def remove(path: str) -> None:
    """Remove a file or a folder with all that is in it; nothing happens when it is not there."""
    filesystem, inner = _filesystem(path)
    if filesystem.exists(inner):
        filesystem.rm(inner, recursive=True)


def open_read(path: str) -> IO[bytes]:
    """Open a file for reading bytes."""
    filesystem, inner = _filesystem(path)
    return cast("IO[bytes]", filesystem.open(inner, "rb"))


def read_bytes(path: str) -> bytes:
    """A whole small file."""
    with open_read(path) as stream:
        return stream.read()


def read_range(path: str, start: int, length: int) -> bytes:
    """Some bytes of a file, in one request of a store; fewer where the file ends before."""
    filesystem, inner = _filesystem(path)
    return bytes(filesystem.cat_file(inner, start=start, end=start + length))


def shard_name(kind: str, index: int, count: int, extension: str) -> str:
    """A shard's file name.

    >>> shard_name("documents", 3, 128, "parquet")
    'documents-00003-of-00128.parquet'
    """
    return f"{kind}-{index:05d}-of-{count:05d}.{extension}"


def attempt_name() -> str:
    """A name that no other attempt has, on any host."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(6)}"


class HashingWriter:
    """A binary file that digests and counts what is written through it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        """Write and digest."""
        view = memoryview(data)
        self._sha256.update(view)
        self.bytes += view.nbytes
        self._stream.write(view)
        return view.nbytes

    @property
    def sha256(self) -> str:
        """Hex digest of all bytes so far."""
        return self._sha256.hexdigest()

    # pyarrow's and numpy's idea of a file
    closed = False

    def flush(self) -> None:
        """Flush the file below."""
        self._stream.flush()

    def close(self) -> None:
        """Leave the file to its owner."""

    def tell(self) -> int:
        """Bytes written so far."""
        return self.bytes

    def writable(self) -> bool:
        """Always."""
        return True

    def readable(self) -> bool:
        """Never."""
        return False

    def seekable(self) -> bool:
        """Never."""
        return False


@contextmanager
def atomic_writer(path: str, scratch: str) -> Iterator[HashingWriter]:
    """Write a file that appears whole under ``path`` or not at all, whatever other attempts at it do.

    A local file is on the disk before it has its name (0.3 ms a file on an SSD): after a power cut no receipt stands
    over an empty file. In an object store, where closing a file publishes it even after an exception, the copy to
    ``path`` costs one request of the store's own.

    Args:
        path: Where the file is to stand.
        scratch: Folder of the same filesystem for the unfinished file.
    """
    filesystem, finished = _filesystem(path)
    unfinished = join(_filesystem(scratch)[1], attempt_name())
    for name in (finished, unfinished):
        filesystem.makedirs(os.path.dirname(name), exist_ok=True)
    opened, publish = (open, os.replace) if is_local(path) else (filesystem.open, filesystem.mv)
    try:
        with opened(unfinished, "wb") as stream:
            yield HashingWriter(stream)
            if is_local(path):
                stream.flush()
                os.fsync(stream.fileno())
        publish(unfinished, finished)
    except BaseException:
        with contextlib.suppress(OSError):  # not to hide why; the next run sweeps the folder
            filesystem.rm_file(unfinished)
        raise


def write_bytes(path: str, data: bytes, scratch: str) -> None:
    """Write a whole small file atomically."""
    with atomic_writer(path, scratch) as stream:
        stream.write(data)


def fingerprint(path: str) -> str:
    """SHA-256 (hex) over the first, middle and last MiB of a file, or over its ETag where the store has one."""
    filesystem, inner = _filesystem(path)
    info = filesystem.info(inner)
    if etag := info.get("ETag") or info.get("etag"):
        return hashlib.sha256(str(etag).encode()).hexdigest()
    length = int(info["size"])
    sha256 = hashlib.sha256()
    with filesystem.open(inner, "rb") as stream:
        for start in (0, max(0, length // 2 - MIB // 2), max(0, length - MIB)):
            stream.seek(start)
            sha256.update(stream.read(MIB))
    return sha256.hexdigest()


def sha256_file(path: str) -> str:
    """SHA-256 (hex) of a whole file."""
    with open_read(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


class ParquetShardWriter:
    """Write a table whose bytes don't depend on how its rows arrive.

    Row groups end after ``ROWS_PER_GROUP`` rows, or with the row that brings a group to ``BYTES_PER_GROUP``.
    Use as a context manager, then ask for ``finished()``. An exception inside leaves no file.

    Args:
        folder: The stage folder.
        path: Relative to it.
        schema: Of all batches.
        scratch: As in ``atomic_writer``.
    """

    def __init__(self, folder: str, path: str, schema: pa.Schema, scratch: str) -> None:
        self._path, self._schema = path, schema
        self._context = atomic_writer(join(folder, path), scratch)
        self._pending: list[pa.RecordBatch] = []
        self._pending_rows = self._pending_bytes = self._rows = 0
        self._output: OutputFile | None = None

    def __enter__(self) -> ParquetShardWriter:
        self._file = self._context.__enter__()
        self._parquet = pq.ParquetWriter(
            self._file, self._schema, compression="zstd", compression_level=3, write_statistics=False
        )
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        """Append rows; they reach the file when a row group is full."""
        sizes = np.cumsum(_row_bytes(batch))
        start = 0
        while start < batch.num_rows:
            before = int(sizes[start - 1]) if start else 0
            by_bytes = int(np.searchsorted(sizes, before + BYTES_PER_GROUP - self._pending_bytes)) + 1
            end = min(batch.num_rows, start + ROWS_PER_GROUP - self._pending_rows, by_bytes)
            self._pending.append(batch.slice(start, end - start))
            self._pending_rows += end - start
            self._pending_bytes += int(sizes[end - 1]) - before
            if self._pending_rows == ROWS_PER_GROUP or self._pending_bytes >= BYTES_PER_GROUP:
                self._write_group()
            start = end

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._pending, self._schema).combine_chunks()
        self._parquet.write_table(table, row_group_size=max(1, table.num_rows))
        self._rows += table.num_rows
        self._pending, self._pending_rows, self._pending_bytes = [], 0, 0

    def __exit__(self, *exception: Any) -> None:
        if exception[0] is None and self._pending:
            self._write_group()
        self._parquet.close()
        if exception[0] is None:
            self._output = OutputFile(self._path, self._file.sha256, self._rows, self._file.bytes)
        self._context.__exit__(*exception)

    def finished(self) -> OutputFile:
        """The file that stands when the context has ended well."""
        if self._output is None:
            raise RuntimeError(f"{self._path} is not finished")
        return self._output


def _row_bytes(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Bytes of each row's values, and 4 a string, list or map; they follow from the row alone, not from its batch."""
    return sum((_value_bytes(column) for column in batch.columns), np.zeros(batch.num_rows, np.int64))


def _value_bytes(column: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each value of a column; a null has no text and no items, whatever stands below it."""
    kind = column.type
    if pa.types.is_struct(kind):
        return sum(map(_value_bytes, column.flatten()), np.zeros(len(column), np.int64))
    if pa.types.is_list(kind) or pa.types.is_map(kind):
        return _list_bytes(column) + _BYTES_PER_LENGTH
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        lengths: npt.NDArray[np.int32] = pc.fill_null(pc.binary_length(column), 0).to_numpy(zero_copy_only=False)
        return lengths.astype(np.int64) + _BYTES_PER_LENGTH
    return np.full(len(column), -(-kind.bit_width // 8), np.int64)


def _list_bytes(column: pa.Array) -> npt.NDArray[np.int64]:
    """Bytes of each list's items, a map's being its pairs."""
    offsets = column.offsets.to_numpy()
    items = column.values.slice(offsets[0], offsets[-1] - offsets[0])
    ends = np.concatenate(([0], np.cumsum(_value_bytes(items))))
    sizes = np.diff(ends[offsets - offsets[0]])
    return np.where(column.is_valid().to_numpy(zero_copy_only=False), sizes, 0)
