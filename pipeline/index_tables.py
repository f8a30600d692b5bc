"""Rows of a Parquet table with the columns of Common Crawl's columnar index; see ``pipeline.warc_index``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.index_entries import Entry, bad_entry, entry_of
from pipeline.index_hosts import HostFilter
from pipeline.parquet_files import SerialParquetFile
from pipeline.storage import MIB, open_read

_NEEDED = ("url", "warc_filename", "warc_record_offset", "warc_record_length")
_USED = ("url_host_name", "fetch_status", "content_mime_type", "content_mime_detected")
_ROWS = 8192  # of a table, held at once
_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)


def rows_of_table(path: str, wanted: HostFilter, start: int, end: int) -> Iterator[Entry]:
    """Rows from ``start`` on, to the end of the row group that holds ``end``; one bad row for what can't be read."""
    row = start
    with open_read(path) as stream:
        try:
            file = SerialParquetFile(stream, buffer_size=MIB)
            if missing := sorted({*_NEEDED} - {*file.schema_arrow.names}):
                yield bad_entry(start, 1, f"the table has no column {', '.join(missing)}")
                return
            for row, group in _row_groups(file, wanted, start, end):
                yield from _rows_of_group(file, group, row, wanted, start)
        except (pa.ArrowException, OSError) as error:
            yield bad_entry(row, 1, f"the table is damaged: {error}")


def _row_groups(file: SerialParquetFile, wanted: HostFilter, start: int, end: int) -> Iterator[tuple[int, int]]:
    """First row and number of the row groups that overlap a range and may name a wanted host."""
    first = 0
    for group in range(file.num_row_groups):
        described = file.metadata.row_group(group)
        is_inside = first + described.num_rows > start and (end < 0 or first < end)
        if is_inside and wanted.may_be_between(*_surt_range(described)):
            yield first, group
        first += described.num_rows


def _surt_range(group: pq.RowGroupMetaData) -> tuple[str | None, str | None]:
    """Smallest and largest ``url_surtkey`` of a row group; None when they aren't known."""
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema == "url_surtkey" and column.is_stats_set and column.statistics.has_min_max:
            with suppress(UnicodeDecodeError):
                return column.statistics.min, column.statistics.max
    return None, None


def _rows_of_group(file: SerialParquetFile, group: int, first: int, wanted: HostFilter, start: int) -> Iterator[Entry]:
    columns = [name for name in (*_NEEDED, *_USED) if name in file.schema_arrow.names]
    hosts = "url_host_name" if "url_host_name" in columns else "url"
    is_wanted = wanted.has if hosts == "url_host_name" else wanted.has_host_of
    for batch in file.iter_batches(_ROWS, [group], columns):
        names = batch.column(hosts).dictionary_encode()
        known = pa.array([is_wanted(str(name or "")) for name in _values(names.dictionary)], pa.bool_())
        chosen = known.take(names.indices).fill_null(True).to_numpy(zero_copy_only=False)
        chosen[: max(0, start - first)] = False
        numbers = chosen.nonzero()[0]
        taken = batch.take(pa.array(numbers))
        for number, *values in zip(numbers.tolist(), *map(_values, taken.columns), strict=True):
            yield entry_of(first + number, 1, _by_cdxj_names(dict(zip(columns, values, strict=True))))
        first += batch.num_rows


def _values(column: pa.Array) -> list[Any]:
    """A column of text or numbers; what is no UTF-8 becomes lone surrogates, and other kinds of values None."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if any(is_kind(column.type) for is_kind in _STRINGS):
        raw = column.cast(pa.large_binary()).to_pylist()
        return [None if value is None else value.decode("utf-8", "surrogateescape") for value in raw]
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return cast("list[Any]", column.to_pylist()) if is_number else [None] * len(column)


def _by_cdxj_names(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "url": row["url"],
        "filename": row["warc_filename"],
        "offset": row["warc_record_offset"],
        "length": row["warc_record_length"],
        "status": row.get("fetch_status"),
        "mime": row.get("content_mime_type"),
        "mime-detected": row.get("content_mime_detected"),
    }
