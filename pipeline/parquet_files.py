"""Read Parquet files piece by piece, in the calling thread alone.

Left to itself, pyarrow reads all of a file's chosen columns ahead, and its batches of 65,536 rows reach over row
groups: of documents that is a whole shard. And it reads in threads of its own, which may still hold our stream when the
interpreter ends: the process then aborts with all its work done (``terminate called without an active exception``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.storage import ROWS_PER_GROUP, open_read


class SerialParquetFile(pq.ParquetFile):  # noqa: TID251
    """A Parquet file of which nothing is read before it is asked for.

    Args:
        stream: A seekable binary file.
        buffer_size: Bytes of a column read at once; 0 = all of a row group's. For files that others wrote, whose row
            groups may be of any size.
        read_dictionary: Columns to give as dictionary codes.

    Raises:
        pyarrow.ArrowInvalid: It is no Parquet file.
    """

    def __init__(self, stream: IO[bytes], buffer_size: int = 0, read_dictionary: Sequence[str] = ()) -> None:
        super().__init__(stream, pre_buffer=False, buffer_size=buffer_size, read_dictionary=list(read_dictionary))

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole file; of some columns, in their order, where they are named."""
        return super().read(columns, use_threads=False)

    def read_row_group(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One row group."""
        return super().read_row_group(group, columns, use_threads=False)

    def iter_batches(
        self, rows: int, row_groups: Sequence[int] | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Batches of no more than ``rows``, which may reach over row groups."""
        yield from super().iter_batches(rows, row_groups, columns, use_threads=False)


def read_batches(
    path: str, columns: Sequence[str] | None = None, rows: int = ROWS_PER_GROUP
) -> Iterator[pa.RecordBatch]:
    """Stream a file that ``ParquetShardWriter`` wrote, one row group in memory at a time.

    Args:
        path: The file.
        columns: Those to read; None for all.
        rows: The most that a batch may have. No batch reaches over the end of a row group.
    """
    with open_read(path) as stream:
        file = SerialParquetFile(stream)
        for group in range(file.num_row_groups):
            yield from file.iter_batches(rows, [group], columns)


def read_table(path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """A whole small file; of some columns, in their order, where they are named.

    Raises:
        ValueError: The file lacks one of the columns; Arrow would leave it out.
    """
    with open_read(path) as stream:
        file = SerialParquetFile(stream)
        if missing := {*(columns or ())} - {*file.schema_arrow.names}:
            raise ValueError(f"{path} has no column {', '.join(sorted(missing))}")
        return file.read(columns)


def read_schema(path: str) -> pa.Schema:
    """A file's schema, with what metadata was given to it."""
    with open_read(path) as stream:
        return SerialParquetFile(stream).schema_arrow
