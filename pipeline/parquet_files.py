"""Read Parquet files piece by piece.

Left to itself, pyarrow reads all of a file's chosen columns ahead, and its batches of 65,536 rows reach over row
groups: of documents that is a whole shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.storage import ROWS_PER_GROUP, open_read


def as_parquet(stream: IO[bytes], buffer_size: int = 0) -> pq.ParquetFile:
    """A Parquet file of which nothing is read before it is asked for.

    Args:
        stream: A seekable binary file.
        buffer_size: Bytes of a column read at once; 0 = all of a row group's. For files that others wrote, whose row
            groups may be of any size.

    Raises:
        pyarrow.ArrowInvalid: It is no Parquet file.
    """
    return pq.ParquetFile(stream, pre_buffer=False, buffer_size=buffer_size)


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
        file = as_parquet(stream)
        for group in range(file.num_row_groups):
            yield from file.iter_batches(rows, [group], columns)
