"""Parquet to documents, one a row.

``offset`` is the row's number in the file, ``length`` 1, the raw bytes are the row's text. Failed: ``parquet`` (the
file, or a row group, as one record) and those of ``pipeline.table_rows``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import ExtractConfig
from pipeline.records import Piece, Record
from pipeline.schema import DROPPED
from pipeline.storage import open_read, size
from pipeline.table_rows import Rejection, to_document

_BATCH_ROWS = 256


def read_parquet(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read a Parquet file.

    Args:
        piece: A file, or a byte range: a row group belongs to the range in which its first column chunk starts.
            ``fields`` maps our columns to theirs.
        config: ``max_record_bytes`` bounds a text.
    """
    end = size(piece.path) if piece.end < 0 else piece.end
    with open_read(piece.path) as stream:
        try:
            file = pq.ParquetFile(stream)
        except (pa.ArrowException, OSError) as error:
            if piece.start == 0:
                yield Record.failed(0, 1, "parquet", error)
            return
        first_row = 0
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            if piece.start <= _first_byte(metadata) < end:
                yield from _read_group(file, group, first_row, piece, config)
            first_row += metadata.num_rows


def _first_byte(metadata: pq.RowGroupMetaData) -> int:
    column = metadata.column(0)
    return int(column.dictionary_page_offset or column.data_page_offset)


def _read_group(
    file: pq.ParquetFile, group: int, first_row: int, piece: Piece, config: ExtractConfig
) -> Iterator[Record]:
    row, last_row = first_row, first_row + file.metadata.row_group(group).num_rows
    columns = [field.name for field in file.schema_arrow if not pa.types.is_nested(field.type)]
    try:
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False):
            for values in batch.to_pylist():
                yield _to_record(row, values, piece, config.max_record_bytes)
                row += 1
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        yield Record.failed(row, last_row - row, "parquet", error)


def _to_record(row: int, values: dict[str, object], piece: Piece, max_bytes: int) -> Record:
    made = to_document(values, piece.fields)
    if isinstance(made, Rejection):
        if made.outcome == DROPPED:
            return Record.dropped(row, 1, made.reason)
        return Record.failed(row, 1, made.reason, made.error)
    raw = made.text.encode("utf-8")
    if len(raw) > max_bytes:
        return Record.failed(row, 1, "too_long", f"more than {max_bytes} bytes")
    return Record.kept(row, 1, hashlib.sha256(raw).digest(), made)
