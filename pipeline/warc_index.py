"""Indexes of web archives: which records of which files are to be read, without reading the files.

Two formats, told by the recipe:

- ``cc-index``: a Parquet table with the columns of Common Crawl's columnar index. ``url``, ``warc_filename``,
  ``warc_record_offset`` and ``warc_record_length`` are needed; ``url_host_name``, ``url_surtkey`` (whose statistics
  save reading row groups), ``fetch_status``, ``content_mime_type`` and ``content_mime_detected`` are used when there.
- ``cdxj``: lines of key, timestamp and JSON as pywb, cdxj-indexer and Common Crawl write them, or the older CDX, whose
  first line names its fields, as `` CDX N b a m s k r M S V g``. Compressed or not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.byte_streams import DamagedStreamError, as_stored, decompressed
from pipeline.decompressors import CHUNK, codec_of
from pipeline.index_hosts import HostFilter
from pipeline.storage import open_read

INDEX_FORMATS: Final = ("cc-index", "cdxj")

_NEEDED = ("url", "warc_filename", "warc_record_offset", "warc_record_length")
_USED = ("url_host_name", "fetch_status", "content_mime_type", "content_mime_detected")
_ROWS = 8192  # of a table, held at once
_MAX_LINE_BYTES = 1 << 20
_CDX_FIELDS = {  # letter -> what it is called in CDXJ
    "a": "url",
    "m": "mime",
    "s": "status",
    "S": "length",
    "V": "offset",
    "g": "filename",
}
_CDX_11 = ["N", "b", "a", "m", "s", "k", "r", "M", "S", "V", "g"]
_TEXTUAL = frozenset(("text/html", "application/xhtml+xml", "text/plain"))


class Entry(NamedTuple):
    """One row of an index: a record's place."""

    position: int  # of the row: its number in a table, its first byte (after decompression) in a file of lines
    size: int  # of the row: 1, or its bytes
    url: str | None
    filename: str  # of the archive, below the root of the archives; empty with a problem
    offset: int  # in the archive, as stored
    length: int  # bytes
    status: int | None  # None when it isn't told
    media_type: str | None  # as the server said, or as was detected; lower case; None when it isn't told
    problem: str | None = None  # why the row names no record

    @property
    def record(self) -> tuple[str, int, str | None]:
        """What the row names: a place, and which record of those that one member may hold."""
        return self.filename, self.offset, self.url

    @property
    def unwanted(self) -> str | None:
        """Why the record need not be read: the reason that reading it would give."""
        if self.status not in (None, 200):
            return "status"
        return None if self.media_type is None or self.media_type in _TEXTUAL else "content_type"


def entries(path: str, format: str, hosts: Sequence[str] = (), start: int = 0, end: int = -1) -> Iterator[Entry]:
    """Read the rows of an index that name records of some hosts; rows that cannot be read come too.

    Args:
        path: The index.
        format: One of ``INDEX_FORMATS``.
        hosts: Host names; what is below a host belongs to it. None means all.
        start: The ``position`` of a row.
        end: Rows from this position on are left out; -1 for none such.
    """
    wanted = HostFilter(hosts)
    rows = _rows_of_table(path, wanted, start, end) if format == "cc-index" else _lines(path, wanted, start, end)
    for entry in rows:
        if 0 <= end <= entry.position:
            return
        yield entry


def _entry(position: int, size: int, row: Mapping[str, Any]) -> Entry:
    """An entry of what a row says, under CDXJ's names; what it does not say is missing or None."""
    url = row.get("url")
    try:
        filename, offset, length = str(row["filename"] or ""), int(row["offset"]), int(row["length"])
    except (KeyError, TypeError, ValueError) as error:
        return _bad(position, size, f"filename, offset and length are needed; {error!r}", url)
    if not isinstance(url, str):
        return _bad(position, size, "no URL")
    if not _is_below(filename) or offset < 0 or length <= 0:
        return _bad(position, size, f"no place of a record: {filename!r}, offset {offset}, length {length}", url)
    return Entry(position, size, url, filename, offset, length, _status(row), _media_type(row))


def _bad(position: int, size: int, problem: str, url: Any = None) -> Entry:
    return Entry(position, size, url if isinstance(url, str) else None, "", 0, 0, None, None, problem)


def _is_below(filename: str) -> bool:
    """Whether a file's name stays below the root: an index may come from anybody."""
    parts = filename.split("/")
    return all(part not in ("", "..") for part in parts) and "://" not in filename and "\\" not in filename


def _status(row: Mapping[str, Any]) -> int | None:
    text = str(row.get("status") or "")
    return int(text) if text.isascii() and text.isdigit() else None


def _media_type(row: Mapping[str, Any]) -> str | None:
    for name in ("mime", "mime-detected"):
        text = str(row.get(name) or "").split(";")[0].strip().lower()
        if "/" in text and text != "warc/revisit":  # "unk" and "-" are nothing; a revisit tells when it is read
            return text
    return None


# --- tables


def _rows_of_table(path: str, wanted: HostFilter, start: int, end: int) -> Iterator[Entry]:
    row = start
    with open_read(path) as stream:
        try:
            file = pq.ParquetFile(stream)
            if missing := sorted({*_NEEDED} - {*file.schema_arrow.names}):
                yield _bad(start, 1, f"the table has no column {', '.join(missing)}")
                return
            for row, group in _row_groups(file, wanted, start, end):
                yield from _rows_of_group(file, group, row, wanted, start)
        except (pa.ArrowException, OSError) as error:
            yield _bad(row, 1, f"the table is damaged: {error}")


def _row_groups(file: pq.ParquetFile, wanted: HostFilter, start: int, end: int) -> Iterator[tuple[int, int]]:
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
            return column.statistics.min, column.statistics.max
    return None, None


def _rows_of_group(file: pq.ParquetFile, group: int, first: int, wanted: HostFilter, start: int) -> Iterator[Entry]:
    columns = [name for name in (*_NEEDED, *_USED) if name in file.schema_arrow.names]
    hosts = "url_host_name" if "url_host_name" in columns else "url"
    is_wanted = wanted.has if hosts == "url_host_name" else wanted.has_host_of
    for batch in file.iter_batches(_ROWS, [group], columns):
        names = batch.column(hosts).dictionary_encode()
        known = pa.array([is_wanted(name or "") for name in names.dictionary.to_pylist()], pa.bool_())
        chosen = known.take(names.indices).fill_null(True).to_numpy(zero_copy_only=False)
        chosen[: max(0, start - first)] = False
        numbers = chosen.nonzero()[0]
        for number, row in zip(numbers.tolist(), batch.take(pa.array(numbers)).to_pylist(), strict=True):
            yield _entry(first + number, 1, _by_cdxj_names(row))
        first += batch.num_rows


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


# --- lines


def _lines(path: str, wanted: HostFilter, start: int, end: int) -> Iterator[Entry]:
    at = start
    with open_read(path) as stream:
        try:
            fields = _cdx_fields(next(_numbered_lines(decompressed(stream), 0), (0, b""))[1])
            for at, line in _lines_from(stream, start):
                if at >= start and not line.startswith((b"!", b" CDX ")) and line.strip():
                    entry = _entry_of_line(at, line, fields, wanted)
                    if entry is not None:
                        yield entry
        except DamagedStreamError as error:
            yield _bad(at, 0, str(error))


def _lines_from(stream: IO[bytes], start: int) -> Iterator[tuple[int, bytes]]:
    """All lines, or where it costs nothing to leave out those before, the ones from ``start`` on."""
    if codec_of(stream) is not None:
        return _numbered_lines(decompressed(stream), 0)
    stream.seek(start)
    return _numbered_lines(as_stored(stream), start)


def _numbered_lines(chunks: Iterable[bytes], at: int) -> Iterator[tuple[int, bytes]]:
    """Lines and where they begin. Of one that is longer than any index has come its first bytes."""
    rest, dropped = b"", 0
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield at, line
            at += len(line) + dropped + 1
            dropped = 0
        if len(rest) > _MAX_LINE_BYTES + CHUNK:
            dropped += len(rest) - _MAX_LINE_BYTES
            rest = rest[:_MAX_LINE_BYTES]
    if rest:
        yield at, rest


def _cdx_fields(first_line: bytes) -> list[str]:
    """The letters of a CDX file's fields; those of most files when it doesn't say."""
    return first_line.decode("latin-1").split()[1:] if first_line.startswith(b" CDX ") else _CDX_11


def _entry_of_line(at: int, line: bytes, fields: Sequence[str], wanted: HostFilter) -> Entry | None:
    key, _, rest = line.partition(b" ")
    if not wanted.may_be_of_key(key):
        return None
    brace = rest.find(b"{")
    try:
        row = json.loads(rest[brace:]) if 0 <= brace <= 20 else _cdx_row(line, fields)
        if not isinstance(row, dict):
            raise ValueError("no object")
    except ValueError as error:  # not JSON or not UTF-8 among them
        return _bad(at, len(line), f"not a line of a CDXJ or CDX index: {error}")
    entry = _entry(at, len(line), row)
    return entry if entry.url is None or wanted.has_host_of(entry.url) else None


def _cdx_row(line: bytes, fields: Sequence[str]) -> dict[str, str]:
    values = line.decode("utf-8").split()
    if len(values) != len(fields):
        raise ValueError(f"{len(values)} fields where {len(fields)} are expected ({' '.join(fields)})")
    return {_CDX_FIELDS[letter]: value for letter, value in zip(fields, values, strict=True) if letter in _CDX_FIELDS}
