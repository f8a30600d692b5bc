"""JSON lines to documents, one a line: plain, or as gzip, bzip2, xz, Zstandard or LZ4.

``offset`` and ``length`` are the line's in bytes after decompression, without its end. Blank lines are no records.
Failed: ``bad_json`` (UTF-8 is asked for), ``too_deep`` (nested more than 100 levels), ``not_an_object``, ``too_long``,
``truncated`` (the tail) and those of ``pipeline.table_rows``.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.byte_streams import Window, as_stored, decompressed, is_compressed
from pipeline.config import ExtractConfig
from pipeline.json_depth import MAX_DEPTH, is_too_deep
from pipeline.records import Piece, Record
from pipeline.schema import DROPPED
from pipeline.storage import open_read
from pipeline.table_rows import Rejection, to_document

_NEWLINE = re.compile(rb"\n")
_UTF8_MARK = b"\xef\xbb\xbf"


class _Line(NamedTuple):
    offset: int
    length: int
    data: bytes | None  # None when it is too long
    is_torn: bool  # the stream broke off in it


def read_jsonl(piece: Piece, config: ExtractConfig) -> Iterator[Record]:
    """Read JSON lines; C4 and its like are this with the fields ``text``, ``url``, ``timestamp``.

    Args:
        piece: A file, or a byte range of a plain one: a line belongs to the range in which it starts. ``fields`` maps
            our columns to theirs.
        config: ``max_record_bytes`` bounds a line.
    """
    with open_read(piece.path) as stream:
        is_packed = is_compressed(stream.read(4))
        if is_packed and piece.start > 0:
            return
        start = max(0, piece.start - 1)  # one byte back: a line that starts right at piece.start is ours
        stream.seek(start)
        window = Window(decompressed(stream) if is_packed else as_stored(stream), start)
        if piece.start > 0:
            window.skip_to(_NEWLINE)
            window.drop(1)
        lost = 0  # bytes of the line in which the stream broke off
        for line in _lines(window, None if is_packed or piece.end < 0 else piece.end, config.max_record_bytes):
            if line.is_torn:
                lost = line.length
            else:
                yield _to_record(line, piece, config.max_record_bytes)
        if window.error is not None:
            yield Record.failed(window.position - lost, lost, "truncated", window.error)


def _lines(window: Window, end: int | None, max_bytes: int) -> Iterator[_Line]:
    while window.hold(1) and (end is None or window.position < end):
        offset = window.position
        index = window.find(_NEWLINE, limit=max_bytes + 1)
        if index < 0 and len(window.data) > max_bytes:
            yield _Line(offset, window.skip_to(_NEWLINE), None, False)
        else:
            size = index if index >= 0 else len(window.data)
            data = bytes(window.data[:size])
            window.drop(size)
            if data.strip(b" \t\r\n"):
                yield _Line(offset, size, data, index < 0 and window.error is not None)
        window.drop(1 if window.data else 0)


def _to_record(line: _Line, piece: Piece, max_bytes: int) -> Record:
    if line.data is None:
        return Record.failed(line.offset, line.length, "too_long", f"more than {max_bytes} bytes")
    if is_too_deep(line.data):
        return Record.failed(line.offset, line.length, "too_deep", f"nested more than {MAX_DEPTH} levels")
    try:
        # bytes would be taken for UTF-16 or UTF-32 where they look so; a lone surrogate fails its own field alone
        row = json.loads(line.data.removeprefix(_UTF8_MARK).decode("utf-8", "surrogatepass"))
    except ValueError as error:
        return Record.failed(line.offset, line.length, "bad_json", error)
    if not isinstance(row, dict):
        return Record.failed(
            line.offset, line.length, "not_an_object", f"a line must be an object; got {type(row).__name__}"
        )
    made = to_document(row, piece.fields)
    if isinstance(made, Rejection):
        if made.outcome == DROPPED:
            return Record.dropped(line.offset, line.length, made.reason)
        return Record.failed(line.offset, line.length, made.reason, made.error)
    return Record.kept(line.offset, line.length, hashlib.sha256(line.data).digest(), made)
