"""Parquet to documents, one a row.

``offset`` is the row's number in the file, ``length`` 1, the raw bytes are the row's text. Read are the text's column
and those of text, numbers, truth values, dates and times, in structures where the recipe maps them (``meta.url``);
blobs and other nested columns stay on the disk. Failed:
``parquet`` (the file, or a row group, as one record) and those of ``pipeline.table_rows``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.config import ExtractConfig
from pipeline.parquet_files import SerialParquetFile
from pipeline.records import Piece, Record
from pipeline.schema import DROPPED
from pipeline.storage import MIB, open_read, size
from pipeline.table_rows import Rejection, to_document, usual_name

_BATCH_ROWS = 256
_NANOSECONDS: Final = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "days": 86_400_000_000_000}


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
            file = SerialParquetFile(stream, buffer_size=MIB)
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
    if not metadata.num_columns:
        return 0
    column = metadata.column(0)
    return int(column.dictionary_page_offset or column.data_page_offset)


def _read_group(
    file: SerialParquetFile, group: int, first_row: int, piece: Piece, config: ExtractConfig
) -> Iterator[Record]:
    row, last_row = first_row, first_row + file.metadata.row_group(group).num_rows
    try:
        inner = _inner_fields(file.schema_arrow, piece.fields.values())
        columns = [*_wanted(file.schema_arrow, piece.fields), *inner]
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=columns):
            for record in _rows(batch, inner):
                yield _to_record(row, record, piece, config.max_record_bytes)
                row += 1
    except (pa.ArrowException, OSError) as error:
        yield from (Record.failed(lost, 1, "parquet", error) for lost in range(row, last_row))


def _wanted(schema: pa.Schema, fields: Mapping[str, str]) -> list[str]:
    """Columns to read: the text's, so that a wrong type is told, and what can stand in a column of ours or in meta."""
    text = fields.get("text") or usual_name("text", schema.names)
    return [field.name for field in schema if field.name == text or _converter(field.type)]


def _inner_fields(schema: pa.Schema, names: Iterable[str]) -> list[str]:
    """The mapped fields within structures, as ``meta.url``, that the file has with simple values."""
    return sorted({name for name in names if "." in name and name not in schema.names and _inner_type(schema, name)})


def _inner_type(schema: pa.Schema, name: str) -> pa.DataType | None:
    first, *rest = name.split(".")
    kind = schema.field(first).type if first in schema.names else None
    for part in rest:
        kind = kind.field(part).type if kind is not None and pa.types.is_struct(kind) and part in kind.names else None
    return kind if kind is not None and _converter(kind) else None


def _rows(batch: pa.RecordBatch, inner: Sequence[str]) -> Iterator[dict[str, object]]:
    """Rows as column -> value; fields within structures under their dotted names."""
    opened = {name.split(".")[0] for name in inner}
    columns = {n: c for n, c in zip(batch.schema.names, batch.columns, strict=True) if n not in opened}
    for name in inner:
        first, *rest = name.split(".")
        columns[name] = pc.struct_field(batch.column(first), rest)
    if not columns:
        yield from ({} for _ in range(batch.num_rows))
    for values in zip(*map(_python_values, columns.values()), strict=True):
        yield dict(zip(columns, values, strict=True))


def _python_values(column: pa.Array) -> list[object]:
    """A column as Python's values. Never raises, as ``to_pylist`` does for nanoseconds, far years and unknown zones."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    convert = _converter(column.type)
    return convert(column) if convert else [column.type] * len(column)  # which no column of ours takes


def _converter(kind: pa.DataType) -> Callable[[pa.Array], list[object]] | None:
    """How to read a column of simple values; None for blobs, nested and other types."""
    types = pa.types
    if types.is_dictionary(kind):
        return _converter(kind.value_type)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _strings
    if types.is_timestamp(kind):
        return _moments
    if types.is_date32(kind):  # as which the other kind is stored too
        return _days
    is_simple = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)
    return pa.Array.to_pylist if is_simple else None


def _strings(column: pa.Array) -> list[object]:
    """Bytes that are not UTF-8 become lone surrogates, which fail the row if they stand in its text."""
    raw = column.cast(pa.large_binary()).to_pylist()
    return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]


def _moments(column: pa.Array) -> list[object]:
    """Times, in UTC where the column has a zone: Arrow stores all of those in UTC."""
    start = datetime(1970, 1, 1, tzinfo=UTC if column.type.tz else None)
    return [_later(start, value, column.type.unit) for value in column.cast(pa.int64()).to_pylist()]


def _days(column: pa.Array) -> list[object]:
    return [_later(date(1970, 1, 1), value, "days") for value in column.cast(pa.int32()).to_pylist()]


def _later(start: date, value: int | None, unit: str) -> object:
    """``value`` units after ``start``, to the microsecond; number and unit as text beyond the years Python has."""
    if value is None:
        return None
    try:
        return start + timedelta(microseconds=value * _NANOSECONDS[unit] // 1_000)
    except OverflowError:
        return f"{value} {unit}"


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
