"""Rows of CDXJ and CDX files; see ``pipeline.warc_index``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

from pipeline.byte_streams import DamagedStreamError, as_stored, decompressed
from pipeline.decompressors import CHUNK, codec_of
from pipeline.index_entries import Entry, bad_entry, entry_of
from pipeline.index_hosts import HostFilter
from pipeline.json_depth import MAX_DEPTH, is_too_deep
from pipeline.storage import open_read

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


def rows_of_lines(path: str, wanted: HostFilter, start: int) -> Iterator[Entry]:
    """Rows from ``start`` on; a line that can't be read is one bad row, and so is the tail of a file."""
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
            yield bad_entry(at, 0, str(error))


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
    try:
        row = _cdx_row(line, fields) if (told := _json_of(rest)) is None else _parsed(told)
        if not isinstance(row, dict):
            raise ValueError("no object")
    except ValueError as error:  # not JSON or not UTF-8 among them
        return bad_entry(at, len(line), f"not a line of a CDXJ or CDX index: {error}")
    entry = entry_of(at, len(line), row)
    return entry if entry.url is None or wanted.has_host_of(entry.url) else None


def _json_of(rest: bytes) -> bytes | None:
    """What stands behind a key, or a key and a timestamp, if it is an object; a CDX may have a brace in its URLs."""
    candidates = (rest.lstrip(b" "), rest.lstrip(b" ").partition(b" ")[2].lstrip(b" "))
    return next((told for told in candidates if told.startswith(b"{")), None)


def _parsed(told: bytes) -> Any:
    if is_too_deep(told):
        raise ValueError(f"nested more than {MAX_DEPTH} levels")
    return json.loads(told)


def _cdx_row(line: bytes, fields: Sequence[str]) -> dict[str, str]:
    values = line.decode("utf-8").split()
    if len(values) != len(fields):
        raise ValueError(f"{len(values)} fields where {len(fields)} are expected ({' '.join(fields)})")
    return {_CDX_FIELDS[letter]: value for letter, value in zip(fields, values, strict=True) if letter in _CDX_FIELDS}
